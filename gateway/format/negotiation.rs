//! Which format a batch is in and in which one its reply goes out (protocol §2, §4).
//!
//! A batch's format follows Content-Type, or the first byte if Content-Type says nothing; the reply's follows Accept
//! (RFC 9110 §12.5.1). Which formats there are to choose from is the dialect's decision, so they are an argument.

use super::accept::{Accept, Weight};
use super::charset::is_utf_8;
use super::kind::Format;
use super::media::MediaType;
use crate::batch::{BatchRefusal, Place};

/// The format of a batch with this Content-Type and this body, content codings undone.
///
/// # Errors
/// Refuses a body that is in none of the `formats`, and XML in another charset than UTF-8.
pub fn request_format(
    content_type: Option<&str>,
    body: &[u8],
    formats: &[Format],
) -> Result<Format, BatchRefusal> {
    let media = MediaType::parse(content_type.unwrap_or_default());
    let same = |name: &str| media.essence.eq_ignore_ascii_case(name);
    let format = if same("multipart/batch") {
        Some(Format::Multipart)
    } else if same("") || same("application/x-www-form-urlencoded") || same("text/plain") {
        sniffed(body)
    } else {
        Format::ALL.into_iter().find(|format| is_type_of(*format, media.essence))
    };
    let format = format.filter(|format| formats.contains(format));
    let format = format.ok_or_else(|| BatchRefusal::UnsupportedMediaType(media_types(formats)))?;
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
    is_type_of(Format::Ndjson, essence)
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

/// The media types of these formats, for a message.
fn media_types(formats: &[Format]) -> String {
    let names: Vec<_> = formats.iter().map(|format| format.media_type()).collect();
    match names.as_slice() {
        [before @ .., last] if !before.is_empty() => format!("{} or {last}", before.join(", ")),
        _ => names.concat(),
    }
}

/// The one of the `formats` to reply in to a batch that came in `request`.
///
/// # Errors
/// Refuses the batch if the client accepts none of them.
pub fn reply_format(
    accept: &Accept<'_>,
    request: Format,
    formats: &[Format],
) -> Result<Format, BatchRefusal> {
    let types = |format: Format| if formats.contains(&format) { types_of(format) } else { &[] };
    preferred(accept, request, types).ok_or_else(|| BatchRefusal::NotAcceptable(media_types(formats)))
}

/// The format for a problem detail to a client that sent these fields. Every client gets one, even
/// if it accepts nothing that can be written.
#[must_use]
pub fn problem_format(accept: &Accept<'_>, content_type: Option<&str>) -> Format {
    let essence = MediaType::parse(content_type.unwrap_or_default()).essence;
    let fallback = if is_type_of(Format::Xml, essence) { Format::Xml } else { Format::Json };
    preferred(accept, fallback, problem_types_of).unwrap_or(fallback)
}

/// Whether the client names `text/xml` and takes no `application/xml` (RFC 7303 §9.2 calls them the
/// same).
#[must_use]
pub fn wants_text_xml(accept: &Accept<'_>) -> bool {
    let ranges = accept.ranges();
    ranges.weight_of("text/xml").is_some() && ranges.weight_of("application/xml").is_none()
}

/// Whether a media type without parameters is one that the format is asked for by.
fn is_type_of(format: Format, essence: &str) -> bool {
    types_of(format).iter().any(|name| name.eq_ignore_ascii_case(essence))
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
        // A refused batch has no parts to answer, and a problem is not a stream; it is JSON.
        Format::Multipart | Format::Ndjson => &[],
    }
}

/// The format with the highest weight; among equals the one that Accept names more precisely, then
/// `usual`, then the first of [`Format::ALL`].
fn preferred(
    accept: &Accept<'_>,
    usual: Format,
    types: impl Fn(Format) -> &'static [&'static str],
) -> Option<Format> {
    let ranges = accept.ranges();
    if ranges.is_empty() {
        return Some(usual);
    }
    let weighted = Format::ALL.into_iter().rev().filter_map(|format| {
        let best: Weight = types(format).iter().filter_map(|name| ranges.weight_of(name)).max()?;
        Some((best, format == usual, format))
    });
    // Of equals, this takes the last.
    weighted.max_by_key(|(weight, is_usual, _)| (*weight, *is_usual)).map(|(_, _, format)| format)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unsupported() -> Result<Format, BatchRefusal> {
        Err(BatchRefusal::UnsupportedMediaType(media_types(&Format::ALL)))
    }

    fn request_format(content_type: Option<&str>, body: &[u8]) -> Result<Format, BatchRefusal> {
        super::request_format(content_type, body, &Format::ALL)
    }

    fn reply_format(accept: Option<&str>, request: Format) -> Result<Format, BatchRefusal> {
        super::reply_format(&accept.unwrap_or_default().into(), request, &Format::ALL)
    }

    fn problem_format(accept: Option<&str>, content_type: Option<&str>) -> Format {
        super::problem_format(&accept.unwrap_or_default().into(), content_type)
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
                assert_eq!(request_format(content_type, body), unsupported());
            }
        }
    }

    #[test]
    fn other_types_are_not_sniffed() {
        for content_type in
            ["application/problem+json", "text/html", "multipart/related", "json", "*/*", "text/json"]
        {
            let refused = request_format(Some(content_type), b"{}");
            assert_eq!(refused, unsupported(), "{content_type}");
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
        let none = Err(BatchRefusal::NotAcceptable(media_types(&Format::ALL)));
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
}
