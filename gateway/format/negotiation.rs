//! Which format a batch is in and which one its reply goes out in (protocol §2, §4), and what a
//! web page of another site could have sent.
//!
//! In follows Content-Type, or the first byte where Content-Type says nothing; out follows Accept
//! (RFC 9110 §12.5.1).

use super::Format;
use super::accept::{Ranges, Weight};
use super::charset::is_utf_8;
use super::media::MediaType;
use crate::batch::{BatchRefusal, Dialect, Place};

/// Types that a web page can post to another site without that site's consent (Fetch §2.2.2).
const POSTABLE_CROSS_SITE: [&str; 3] =
    ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data"];

/// The format of a batch with this Content-Type and this body, content codings undone.
///
/// # Errors
/// Refuses what is in none of the dialect's formats, and XML in another charset than UTF-8.
pub fn request_format(
    content_type: Option<&str>,
    body: &[u8],
    dialect: Dialect,
) -> Result<Format, BatchRefusal> {
    let media = MediaType::parse(content_type.unwrap_or_default());
    let same = |name: &str| media.essence.eq_ignore_ascii_case(name);
    let format = if same("application/json") {
        Some(Format::Json)
    } else if same("application/xml") || same("text/xml") {
        Some(Format::Xml)
    } else if is_ndjson(content_type) {
        Some(Format::Ndjson)
    } else if same("multipart/mixed") || same("multipart/batch") {
        Some(Format::Multipart)
    } else if same("") || same("application/x-www-form-urlencoded") || same("text/plain") {
        sniffed(body)
    } else {
        None
    };
    let format = format.filter(|format| format.is_of(dialect));
    let format = format.ok_or(BatchRefusal::UnsupportedMediaType(dialect))?;
    let foreign = media.charset.is_some_and(|charset| !is_utf_8(charset));
    // RFC 8259 §11: a charset means nothing for JSON, whatever clients write.
    if format == Format::Xml && foreign {
        return Err(BatchRefusal::ForbiddenXml {
            what: "an XML batch has to be in UTF-8; Content-Type names another charset",
            place: Place::at(body, 0),
        });
    }
    Ok(format)
}

/// Whether this Content-Type says that each line is an item.
#[must_use]
pub fn is_ndjson(content_type: Option<&str>) -> bool {
    let essence = MediaType::parse(content_type.unwrap_or_default()).essence;
    types_of(Format::Ndjson).iter().any(|name| name.eq_ignore_ascii_case(essence))
}

/// The format that a body shows by its first byte, a byte order mark and blanks aside.
fn sniffed(body: &[u8]) -> Option<Format> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    match body.iter().find(|byte| !byte.is_ascii_whitespace())? {
        b'<' => Some(Format::Xml),
        b'{' | b'[' => Some(Format::Json),
        _ => None,
    }
}

/// The format to reply in to a batch that came in `request`. In OData multipart is answered in kind,
/// for its clients send an Accept that is meant for the parts.
///
/// # Errors
/// Refuses if no format of the dialect is acceptable.
pub fn reply_format(accept: Option<&str>, request: Format, dialect: Dialect) -> Result<Format, BatchRefusal> {
    if dialect == Dialect::Odata && request == Format::Multipart {
        return Ok(Format::Multipart);
    }
    let types = |format: Format| if format.is_of(dialect) { types_of(format) } else { &[] };
    preferred(accept, request, types).ok_or(BatchRefusal::NotAcceptable(dialect))
}

/// The format for a problem detail to a client that sent these fields. Every client gets one, even
/// if it accepts nothing that can be written.
#[must_use]
pub fn problem_format(accept: Option<&str>, content_type: Option<&str>, dialect: Dialect) -> Format {
    if dialect != Dialect::Batchgate {
        return Format::Json;
    }
    let essence = MediaType::parse(content_type.unwrap_or_default()).essence;
    let sends_xml = ["application/xml", "text/xml"].iter().any(|name| name.eq_ignore_ascii_case(essence));
    let fallback = if sends_xml { Format::Xml } else { Format::Json };
    preferred(accept, fallback, problem_types_of).unwrap_or(fallback)
}

/// Whether the client names `text/xml` and takes no `application/xml` (RFC 7303 §9.2 calls them the
/// same).
#[must_use]
pub fn wants_text_xml(accept: Option<&str>) -> bool {
    let ranges = Ranges::parse(accept.unwrap_or_default());
    ranges.weight_of("text/xml").is_some() && ranges.weight_of("application/xml").is_none()
}

const fn types_of(format: Format) -> &'static [&'static str] {
    match format {
        Format::Json => &["application/json"],
        Format::Xml => &["application/xml", "text/xml"],
        Format::Ndjson => {
            &["application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonl"]
        }
        Format::Multipart => &["multipart/mixed"],
    }
}

const fn problem_types_of(format: Format) -> &'static [&'static str] {
    match format {
        Format::Json => &["application/json", "application/problem+json"],
        Format::Xml => &["application/xml", "text/xml", "application/problem+xml"],
        // A batch that is refused whole has no parts to answer, and a problem is no stream; it is JSON.
        Format::Multipart | Format::Ndjson => &[],
    }
}

/// The format with the highest weight; among equals the one that Accept names more precisely, then
/// `usual`, then the first of [`Format::ALL`].
fn preferred(
    accept: Option<&str>,
    usual: Format,
    types: impl Fn(Format) -> &'static [&'static str],
) -> Option<Format> {
    let ranges = Ranges::parse(accept.unwrap_or_default());
    if ranges.is_empty() {
        return Some(usual);
    }
    let weighted = Format::ALL.into_iter().rev().filter_map(|format| {
        let best: Weight = types(format).iter().filter_map(|name| ranges.weight_of(name)).max()?;
        Some((best, format == usual, format))
    });
    let order = |format: Format| std::cmp::Reverse(Format::ALL.iter().position(|known| *known == format));
    weighted
        .max_by_key(|(weight, is_usual, format)| (*weight, *is_usual, order(*format)))
        .map(|(_, _, format)| format)
}

/// Whether a page of another site could post a body of this type without asking first. A missing
/// type counts: a page can leave it out by posting a Blob without one.
#[must_use]
pub fn is_postable_cross_site(content_type: Option<&str>) -> bool {
    let essence = MediaType::parse(content_type.unwrap_or_default()).essence;
    essence.is_empty() || POSTABLE_CROSS_SITE.iter().any(|name| name.eq_ignore_ascii_case(essence))
}

/// Whether a browser sent this for a page of another site than the gateway's (W3C Fetch Metadata
/// §2.3; RFC 6454). `same-site` is another site here: subdomains are not trusted with each other.
/// An origin in `allowed_origins` (`https://app.example`) is never another site.
///
/// Without either field it is no browser's doing: all of them send Origin with a POST.
#[must_use]
pub fn cross_site(headers: &http::HeaderMap, own_authority: &str, allowed_origins: &[String]) -> bool {
    let is_allowed = |origin: &[u8]| {
        allowed_origins
            .iter()
            .any(|allowed| allowed.trim_end_matches('/').as_bytes().eq_ignore_ascii_case(origin))
    };
    let mut origins =
        headers.get_all(http::header::ORIGIN).iter().map(http::HeaderValue::as_bytes).peekable();
    if origins.peek().is_some() {
        let foreign = |origin: &[u8]| !is_allowed(origin) && !is_own_origin(origin, own_authority);
        let mut all_allowed = true;
        for origin in origins {
            if foreign(origin) {
                return true;
            }
            all_allowed &= is_allowed(origin);
        }
        if all_allowed {
            return false;
        }
    }
    let mut sites = headers.get_all("sec-fetch-site").iter();
    sites.any(|site| !matches!(site.as_bytes(), b"same-origin" | b"none"))
}

/// Whether an origin is this gateway's. The scheme is not compared, for TLS may end before the
/// gateway; a default port is as good as none.
fn is_own_origin(origin: &[u8], own_authority: &str) -> bool {
    let Some((scheme, authority)) = std::str::from_utf8(origin).ok().and_then(|text| text.split_once("://"))
    else {
        return false;
    };
    let default_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    let without_port = |authority: &'_ str| -> String {
        authority.strip_suffix(default_port).unwrap_or(authority).to_ascii_lowercase()
    };
    !authority.is_empty() && without_port(authority) == without_port(own_authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Dialect = Dialect::Batchgate;

    fn request_format(content_type: Option<&str>, body: &[u8]) -> Result<Format, BatchRefusal> {
        super::request_format(content_type, body, OWN)
    }

    fn reply_format(accept: Option<&str>, request: Format) -> Result<Format, BatchRefusal> {
        super::reply_format(accept, request, OWN)
    }

    fn problem_format(accept: Option<&str>, content_type: Option<&str>) -> Format {
        super::problem_format(accept, content_type, OWN)
    }

    #[test]
    fn a_dialect_has_its_own_formats() {
        let (odata, graph) = (Dialect::Odata, Dialect::Graph);
        let request = |content_type, dialect| super::request_format(Some(content_type), b"<", dialect);
        assert_eq!(request("multipart/mixed; boundary=b", odata), Ok(Format::Multipart));
        assert_eq!(request("application/json", graph), Ok(Format::Json));
        for (content_type, dialect) in [
            ("multipart/mixed", graph),
            ("text/xml", odata),
            ("text/plain", odata),
            ("application/jsonl", graph),
        ] {
            let refused = Err(BatchRefusal::UnsupportedMediaType(dialect));
            assert_eq!(request(content_type, dialect), refused, "{content_type}");
        }
        let reply = super::reply_format;
        assert_eq!(reply(Some("application/json"), Format::Multipart, odata), Ok(Format::Multipart));
        assert_eq!(reply(Some("multipart/mixed"), Format::Json, odata), Ok(Format::Multipart));
        assert_eq!(reply(Some("*/*"), Format::Json, odata), Ok(Format::Json));
        let refused = Err(BatchRefusal::NotAcceptable(graph));
        assert_eq!(reply(Some("multipart/mixed"), Format::Json, graph), refused);
        assert_eq!(super::problem_format(Some("text/xml"), None, graph), Format::Json);
    }

    #[test]
    fn the_format_follows_content_type() {
        let cases = [
            ("application/json", Format::Json),
            ("Application/JSON; charset=iso-8859-1", Format::Json),
            ("application/xml", Format::Xml),
            ("text/xml; charset=\"UTF-8\"", Format::Xml),
            ("multipart/mixed; boundary=b", Format::Multipart),
            ("Multipart/Batch; type=\"application/http;version=1.1\"; boundary=b", Format::Multipart),
        ];
        for (content_type, format) in cases {
            assert_eq!(request_format(Some(content_type), b"?"), Ok(format), "{content_type}");
        }
    }

    #[test]
    fn without_a_telling_type_the_first_byte_decides() {
        let form = "application/x-www-form-urlencoded; charset=UTF-8";
        for content_type in [None, Some(""), Some(form), Some("text/plain")] {
            assert_eq!(request_format(content_type, b" \r\n\t{"), Ok(Format::Json));
            assert_eq!(request_format(content_type, b"["), Ok(Format::Json));
            assert_eq!(request_format(content_type, b"\xef\xbb\xbf\n<b"), Ok(Format::Xml));
            for body in [b"".as_slice(), b"  ", b"a=b", b"\"", b"--b\r\n"] {
                assert_eq!(request_format(content_type, body), Err(BatchRefusal::UnsupportedMediaType(OWN)));
            }
        }
    }

    #[test]
    fn other_types_are_not_sniffed() {
        for content_type in
            ["application/problem+json", "text/html", "multipart/related", "json", "*/*", "text/json"]
        {
            let refused = request_format(Some(content_type), b"{}");
            assert_eq!(refused, Err(BatchRefusal::UnsupportedMediaType(OWN)), "{content_type}");
        }
    }

    #[test]
    fn xml_in_another_charset_is_refused() {
        for content_type in ["application/xml; charset=utf-16", "text/plain;charset=iso-8859-1"] {
            let refused = request_format(Some(content_type), b"<batch/>");
            assert!(matches!(refused, Err(BatchRefusal::ForbiddenXml { .. })), "{content_type}");
        }
    }

    #[test]
    fn the_reply_follows_accept() {
        let json = Ok(Format::Json);
        let xml = Ok(Format::Xml);
        let none = Err(BatchRefusal::NotAcceptable(OWN));
        // Accept, the reply to JSON, the reply to XML.
        let cases = [
            ("", json.clone(), xml.clone()),
            ("*/*", json.clone(), xml.clone()),
            ("application/*", json.clone(), xml.clone()),
            ("application/json", json.clone(), json.clone()),
            ("text/xml", xml.clone(), xml.clone()),
            ("text/*", xml.clone(), xml.clone()),
            ("application/xml;q=0.5, application/json;q=0.4", xml.clone(), xml.clone()),
            ("application/json;q=0.5, */*;q=0.1", json.clone(), json.clone()),
            ("application/json, text/plain, */*", json.clone(), json.clone()),
            ("application/json, application/xml", json.clone(), xml.clone()),
            ("*/*, application/json;q=0", xml.clone(), xml.clone()),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", xml.clone(), xml.clone()),
            ("application/json;odata.metadata=minimal;IEEE754Compatible=true", json.clone(), json.clone()),
            ("multipart/form-data", none.clone(), none.clone()),
            ("*/*;q=0", none.clone(), none.clone()),
            ("application/*;q=0, text/*", xml.clone(), xml.clone()),
            ("text/html, image/gif, *; q=.2, */*; q=.2", json, xml),
        ];
        for (accept, to_json, to_xml) in cases {
            assert_eq!(reply_format(Some(accept), Format::Json), to_json, "{accept}");
            assert_eq!(reply_format(Some(accept), Format::Xml), to_xml, "{accept}");
        }
        assert_eq!(reply_format(None, Format::Xml), Ok(Format::Xml));
    }

    #[test]
    fn multipart_is_answered_in_kind_unless_the_client_wants_another() {
        let multipart = Format::Multipart;
        let cases = [
            (None, multipart),
            (Some("*/*"), multipart),
            (Some("multipart/mixed"), multipart),
            (Some("multipart/*, application/json;q=0.5"), multipart),
            (Some("application/json"), Format::Json),
            (Some("application/json, application/xml"), Format::Json),
            (Some("application/*"), Format::Json),
            (Some("text/xml"), Format::Xml),
        ];
        for (accept, expected) in cases {
            assert_eq!(reply_format(accept, multipart), Ok(expected), "{accept:?}");
        }
        assert_eq!(reply_format(Some("multipart/mixed"), Format::Json), Ok(multipart));
        assert_eq!(problem_format(Some("multipart/mixed"), Some("multipart/mixed")), Format::Json);
        assert_eq!(problem_format(Some("application/xml"), Some("multipart/mixed")), Format::Xml);
    }

    #[test]
    fn every_client_gets_a_problem() {
        assert_eq!(problem_format(None, None), Format::Json);
        assert_eq!(problem_format(Some("*/*"), Some("text/xml; charset=utf-8")), Format::Xml);
        assert_eq!(problem_format(Some("application/problem+xml"), Some("application/json")), Format::Xml);
        assert_eq!(problem_format(Some("application/json"), Some("application/xml")), Format::Json);
        assert_eq!(problem_format(Some("image/png"), Some("application/xml")), Format::Xml);
        assert_eq!(problem_format(Some("image/png"), None), Format::Json);
    }

    #[test]
    fn types_that_pages_can_post_are_known() {
        for content_type in [None, Some(""), Some("TEXT/Plain;x=y"), Some("multipart/form-data; boundary=a")]
        {
            assert!(is_postable_cross_site(content_type), "{content_type:?}");
        }
        for content_type in ["application/json", "text/xml", "application/xml", "multipart/mixed"] {
            assert!(!is_postable_cross_site(Some(content_type)), "{content_type}");
        }
    }

    fn is_cross_site(fields: &[(&'static str, &'static str)]) -> bool {
        let mut headers = http::HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, http::HeaderValue::from_static(value));
        }
        cross_site(&headers, "gateway.example:443", &["https://app.example".to_owned()])
    }

    #[test]
    fn cross_site_requests_are_told_by_their_fields() {
        let site = "sec-fetch-site";
        assert!(!is_cross_site(&[]));
        assert!(!is_cross_site(&[("sec-fetch-mode", "cors")]));
        for (value, is_foreign) in
            [("same-origin", false), ("none", false), ("same-site", true), ("cross-site", true), ("x", true)]
        {
            assert_eq!(is_cross_site(&[(site, value)]), is_foreign, "{value}");
        }
        for (origin, is_foreign) in [
            ("https://gateway.example", false),
            ("https://GATEWAY.example:443", false),
            ("https://gateway.example:444", true),
            ("http://gateway.example:8080", true),
            ("https://app.example", false),
            ("http://app.example", true),
            ("https://evil.example", true),
            ("https://gateway.example.evil.example", true),
            ("null", true),
            ("", true),
            ("file://", true),
        ] {
            assert_eq!(is_cross_site(&[("origin", origin)]), is_foreign, "{origin}");
        }
    }

    #[test]
    fn an_allowed_origin_is_cross_site_by_permission() {
        assert!(!is_cross_site(&[("origin", "https://app.example"), ("sec-fetch-site", "cross-site")]));
        assert!(is_cross_site(&[("origin", "https://gateway.example"), ("sec-fetch-site", "cross-site")]));
        assert!(is_cross_site(&[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")]));
        assert!(is_cross_site(&[("origin", "https://app.example"), ("origin", "https://evil.example")]));
    }
}
