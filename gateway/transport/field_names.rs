//! Field names on their way from and to HTTP/1.1, where their case is kept. What is on its way to HTTP/2, where all names are
//! in lower case, needs none of this.
//!
//! One function writes the names of calls, of forwarded requests and of forwarded replies: as they were spelt, or in their
//! canonical case if they came over HTTP/2 or are the gateway's own (protocol §7).

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method};
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

/// The head of a request with these fields, whose names are written as `written` says for each.
///
/// # Errors
/// It has more fields than a head can have.
fn request(fields: &HeaderMap, written: impl Fn(&HeaderName) -> Bytes) -> pingora::Result<RequestHeader> {
    let mut head = RequestHeader::build(Method::GET, b"/", Some(fields.len() + 1))?;
    for (name, value) in fields {
        head.append_header(written(name), value.clone())?;
    }
    Ok(head)
}

/// The head of a request for HTTP/1.1. Names that came over HTTP/2 are spelt as `written` says for each.
///
/// # Errors
/// It has more fields than a head can have.
pub(crate) fn request_for_http1(
    head: RequestHeader,
    written: impl Fn(&HeaderName) -> Bytes,
) -> pingora::Result<RequestHeader> {
    if head.has_case() {
        return Ok(head);
    }
    let parts: Parts = head.into();
    let mut spelt = request(&parts.headers, written)?;
    spelt.set_method(parts.method);
    spelt.set_uri(parts.uri);
    spelt.set_version(parts.version);
    Ok(spelt)
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

    fn wire(head: &RequestHeader) -> String {
        let mut bytes = Vec::new();
        head.header_to_h1_wire(&mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    fn parts(fields: &[(&'static str, &'static str)]) -> Parts {
        let mut parts = http::Request::new(()).into_parts().0;
        for (name, value) in fields {
            parts.headers.append(*name, http::HeaderValue::from_static(value));
        }
        parts
    }

    #[test]
    fn names_are_written_as_they_were_spelt() {
        let (mut own, other) = (Spellings::default(), Spellings::default());
        own.add(&HeaderName::from_static("x-ms-version"), b"x-ms-version");
        let fields =
            [("x-ms-version", "1"), ("via", "a"), ("x-odd", "1"), ("via", "b"), ("traceparent", "t")];
        let spellings = |name: &HeaderName| if name == "x-ms-version" { &own } else { &other };
        let head = request(&parts(&fields).headers, |name| spelt(name, spellings(name))).unwrap();
        assert_eq!(wire(&head), "x-ms-version: 1\r\nVia: a\r\nVia: b\r\nX-Odd: 1\r\ntraceparent: t\r\n");
        assert_eq!(of_request(&head), own);
    }

    #[test]
    fn what_came_over_http2_gets_canonical_names() {
        let head =
            request_for_http1(RequestHeader::from(parts(&[("x-a", "1"), ("etag", "2")])), canonical).unwrap();
        assert_eq!(wire(&head), "X-A: 1\r\nETag: 2\r\n");
        let mut reply = ResponseHeader::build_no_case(299, None).unwrap();
        reply.append_header("x-b", "1").unwrap();
        reply.set_reason_phrase(Some("Odd")).unwrap();
        let reply = reply_for_http1(Box::new(reply)).unwrap();
        let mut bytes = Vec::new();
        reply.header_to_h1_wire(&mut bytes);
        assert_eq!((bytes.as_slice(), reply.get_reason_phrase()), (b"X-B: 1\r\n".as_slice(), Some("Odd")));
    }
}
