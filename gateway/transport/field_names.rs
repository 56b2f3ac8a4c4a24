//! Field names on their way from and to HTTP/1.1, where their case is kept. What is on its way to HTTP/2, where all names are
//! in lower case, needs none of this.
//!
//! One function writes the names of calls, of forwarded requests and of forwarded replies: as they were spelt, or in their
//! canonical case if they came over HTTP/2 or are the gateway's own (protocol §7).

use bytes::Bytes;
use http::HeaderName;
use pingora::http::{RequestHeader, ResponseHeader};

use crate::header::names;
use crate::header::spelling::Spellings;

/// How a request's names were spelt.
pub(crate) fn of_request(head: &RequestHeader) -> Spellings {
    let spelt = head.headers.iter().zip(head.case_header_iter());
    Spellings::from_names(spelt.map(|((name, _), (written, _))| (name, written.as_slice())))
}

/// How a reply's names were spelt.
pub(crate) fn of_reply(head: &ResponseHeader) -> Spellings {
    let spelt = head.headers.iter().zip(head.case_header_iter());
    Spellings::from_names(spelt.map(|((name, _), (written, _))| (name, written.as_slice())))
}

/// A name as HTTP/1.1 writes it if nobody spelt it.
pub(crate) fn canonical(name: &HeaderName) -> Bytes {
    match names::known(name) {
        Some(known) => Bytes::from_static(known.as_bytes()),
        None => spelt(name, &Spellings::default()),
    }
}

/// A name as it was spelt, or in its canonical case.
pub(crate) fn spelt(name: &HeaderName, spellings: &Spellings) -> Bytes {
    if !spellings.has(name)
        && let Some(known) = names::known(name)
    {
        return Bytes::from_static(known.as_bytes());
    }
    let mut written = Vec::with_capacity(name.as_str().len());
    spellings.write(name, |piece| written.extend_from_slice(piece));
    Bytes::from(written)
}

/// The head of a reply for HTTP/1.1. Names that came over HTTP/2 get their canonical case.
///
/// # Errors
/// It has more fields than a head can have.
pub(crate) fn reply_for_http1(head: Box<ResponseHeader>) -> pingora::Result<Box<ResponseHeader>> {
    if head.has_case() || head.headers.is_empty() {
        return Ok(head);
    }
    let mut spelt = ResponseHeader::build(head.status, Some(head.headers.len()))?;
    spelt.set_version(head.version);
    spelt.set_reason_phrase(head.get_reason_phrase())?;
    for (name, value) in &head.headers {
        spelt.append_header(canonical(name), value.clone())?;
    }
    Ok(Box::new(spelt))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_they_were_spelt() {
        let (mut own, other) = (Spellings::default(), Spellings::default());
        own.add(&HeaderName::from_static("x-ms-version"), b"x-ms-version");
        for (name, spellings, expected) in [
            ("x-ms-version", &own, "x-ms-version"),
            ("x-ms-version", &other, "X-Ms-Version"),
            ("via", &own, "Via"),
            ("etag", &other, "ETag"),
            ("x-odd", &other, "X-Odd"),
            ("traceparent", &other, "traceparent"),
        ] {
            assert_eq!(spelt(&HeaderName::from_static(name), spellings), expected, "{name}");
        }
    }

    #[test]
    fn how_a_request_spells_its_names_is_known() {
        let mut head = RequestHeader::build("GET", b"/", None).unwrap();
        let mut own = Spellings::default();
        own.add(&HeaderName::from_static("x-ms-version"), b"x-ms-version");
        for name in ["x-ms-version", "Via"] {
            head.append_header(name, "1").unwrap();
        }
        assert_eq!(of_request(&head), own);
    }

    #[test]
    fn replies_that_came_over_http2_get_canonical_names() {
        let mut reply = ResponseHeader::build_no_case(299, None).unwrap();
        reply.append_header("x-b", "1").unwrap();
        reply.set_reason_phrase(Some("Odd")).unwrap();
        let reply = reply_for_http1(Box::new(reply)).unwrap();
        let mut bytes = Vec::new();
        reply.header_to_h1_wire(&mut bytes);
        assert_eq!((bytes.as_slice(), reply.get_reason_phrase()), (b"X-B: 1\r\n".as_slice(), Some("Odd")));
    }
}
