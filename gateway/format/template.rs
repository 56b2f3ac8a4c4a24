//! Finds the references to other items' results in an item, whatever format it came in (protocol
//! §6): in its url, its fields, and the strings of a JSON body.

use bytes::Bytes;
use http::HeaderName;
use http::header::{CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH};

use super::json;
use super::media::{MediaKind, MediaType};
use crate::batch::{BatchLimits, Bounded, ItemRejection};
use crate::header::field::Fields;
use crate::reference::expression::{
    EXPRESSION_START, Expression, ExpressionError, Part, TextTemplate, may_have_expressions,
};
use crate::reference::template::{Template, TemplateLimits, UrlTemplate};

/// References of one item. Far more than a person writes by hand, and few enough that each can look
/// through a complete reply.
const MAX_EXPRESSIONS: usize = 64;

/// The item's references; `None` if it has none, as most items.
pub(crate) fn find(
    href: &str,
    headers: &Fields,
    body: Option<&Bytes>,
    limits: &BatchLimits,
) -> Result<Option<Box<Template>>, ItemRejection> {
    let in_url = href.starts_with('$') || may_have_expressions(href.as_bytes());
    let in_headers = headers.iter().any(|(name, value)| {
        may_have_expressions(value.as_bytes()) || etag_of(name, value.as_bytes()).is_some()
    });
    let is_json = || MediaType::from_fields(headers).is_some_and(|media| media.kind == MediaKind::Json);
    let body = body.filter(|body| may_have_expressions(body) && is_json());
    if !in_url && !in_headers && body.is_none() {
        return Ok(None);
    }
    let url = if in_url { Some(url_template(href).map_err(rejection)?) } else { None };
    let template = Template {
        url,
        headers: header_templates(headers)?,
        body: body.map_or(Ok(None), json::template).map_err(rejection)?,
        limits: TemplateLimits {
            max_url: limits.max_url,
            max_header_bytes: limits.max_header_bytes,
            max_body: limits.max_body,
        },
    };
    if template.expressions().nth(MAX_EXPRESSIONS).is_some() {
        return Err(ItemRejection::OverLimit { what: Bounded::References, limit: MAX_EXPRESSIONS });
    }
    Ok(Some(Box::new(template)))
}

/// OData 4.01 §11.7.3.1: `$ID`, to the end of its segment.
fn url_template(href: &str) -> Result<UrlTemplate, ExpressionError> {
    let (location_of, rest) = match href.strip_prefix('$') {
        Some(after) => {
            let (id, rest) = after.split_at(after.find(['/', '?', '#', '{']).unwrap_or(after.len()));
            (Some(id.into()), rest)
        }
        None => (None, href),
    };
    Ok(UrlTemplate { location_of, rest: TextTemplate::parse(rest)? })
}

fn header_templates(headers: &Fields) -> Result<Vec<(usize, TextTemplate)>, ItemRejection> {
    let mut templates = Vec::new();
    for (place, (name, value)) in headers.iter().enumerate() {
        // Values that are not UTF-8 come from formats that have no expressions.
        let text = std::str::from_utf8(value.as_bytes()).unwrap_or_default();
        if let Some(id) = etag_of(name, text.as_bytes()) {
            let etag = Expression { item: id.into(), part: Part::Header(ETAG) };
            templates.push((place, TextTemplate::from_expression(etag)));
            continue;
        }
        if !may_have_expressions(text.as_bytes()) {
            continue;
        }
        let template = TextTemplate::parse(text).map_err(rejection)?;
        if name == CONTENT_TYPE && template.expressions().next().is_some() {
            // It decided how the body was read.
            let problem = "is not allowed in Content-Type";
            return Err(ItemRejection::BadReference { reference: format!("{EXPRESSION_START}…"), problem });
        }
        templates.push((place, template));
    }
    Ok(templates)
}

/// OData JSON Format 4.01 §19.3: in If-Match and If-None-Match, a value `$ID` is the `ETag` of that item's
/// result. No entity tag looks like that (RFC 9110 §8.8.3).
fn etag_of<'value>(name: &HeaderName, value: &'value [u8]) -> Option<&'value str> {
    let id = value.strip_prefix(b"$").filter(|id| !id.is_empty())?;
    let id = Some(id).filter(|_| *name == IF_MATCH || *name == IF_NONE_MATCH)?;
    std::str::from_utf8(id).ok().filter(|id| !id.contains([' ', '\t', ',', '"']))
}

fn rejection(error: ExpressionError) -> ItemRejection {
    ItemRejection::BadReference { reference: error.reference, problem: error.problem }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::field::checked_field;

    fn found(href: &str, header: (&str, &str), body: &str) -> Result<Option<Box<Template>>, ItemRejection> {
        let mut headers = vec![(CONTENT_TYPE, http::HeaderValue::from_static("application/json"))];
        headers.push(checked_field(header.0, header.1.as_bytes()).unwrap());
        let body = Bytes::copy_from_slice(body.as_bytes());
        find(href, &headers, Some(&body), &BatchLimits::default())
    }

    #[test]
    fn most_items_have_none() {
        let none = [("/a?$top=5", "$5", "[\"$\"]"), ("/a$b", "{$}", "{\"{$\":1}"), ("/", "{$response", "{$")];
        for (href, value, body) in none {
            assert_eq!(found(href, ("x-a", value), body), Ok(None));
        }
    }

    #[test]
    fn they_are_found_in_every_part() {
        let template = found(
            "/a/{$responses.a.status}",
            ("if-match", "{$responses.b.header.etag}"),
            r#"["{$responses.c.body}","x{$responses.d.status}"]"#,
        );
        let ids: Vec<_> =
            template.unwrap().unwrap().expressions().map(|expression| expression.item.to_string()).collect();
        assert_eq!(ids, ["a", "b", "c", "d"]);
    }

    #[test]
    fn a_dollar_names_an_item_at_the_start_of_a_url_only() {
        let url = |href| found(href, ("x-a", ""), "").unwrap().unwrap().url.unwrap();
        for (href, id, rest) in
            [("$1", "1", ""), ("$new/items?a=b", "new", "/items?a=b"), ("$n?x", "n", "?x")]
        {
            let expected = TextTemplate::parse(rest).unwrap();
            assert_eq!(url(href), UrlTemplate { location_of: Some(id.into()), rest: expected });
        }
    }

    #[test]
    fn a_dollar_names_an_etag_where_one_is_compared() {
        for (name, value, id) in [
            ("if-match", "$a", Some("a")),
            ("If-None-Match", " $v1.2/é ", Some("v1.2/é")),
            ("if-match", "$a, \"1\"", None),
            ("if-match", "$", None),
            ("if-match", "\"$a\"", None),
            ("if-range", "$a", None),
        ] {
            let template = found("/", (name, value), "").unwrap();
            let ids: Vec<_> = template.iter().flat_map(|template| template.expressions()).collect();
            let expected = id.map(|id| Expression { item: id.into(), part: Part::Header(ETAG) });
            assert_eq!(ids, expected.iter().collect::<Vec<_>>(), "{name}: {value}");
        }
    }

    #[test]
    fn what_is_none_and_what_is_too_much_rejects_the_item() {
        let bad = [
            found("/{$responses.a}", ("x-a", ""), ""),
            found("/", ("x-a", "{$responses.a.body#x}"), ""),
            found("/", ("x-a", ""), "[\"{$responses.a.body\"]"),
        ];
        for rejected in bad {
            assert!(matches!(rejected, Err(ItemRejection::BadReference { .. })), "{rejected:?}");
        }
        let many = format!("[\"{}\"]", "{$responses.a.status}".repeat(65));
        let rejected = found("/", ("x-a", ""), &many);
        assert!(matches!(rejected, Err(ItemRejection::OverLimit { limit: 64, .. })), "{rejected:?}");
        let headers = vec![(CONTENT_TYPE, http::HeaderValue::from_static("{$responses.a.status}"))];
        let rejected = find("/", &headers, None, &BatchLimits::default());
        assert!(matches!(rejected, Err(ItemRejection::BadReference { .. })), "{rejected:?}");
    }
}
