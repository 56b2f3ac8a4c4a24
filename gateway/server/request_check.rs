//! What HTTP wants of a request before anything is done with it, and what the parser lets through.

use http::header::{self, HeaderName};
use http::uri::Authority;
use http::{Method, Version};

use crate::batch::{FieldError, ItemRejection};

use super::proxy::max_forwards;
use super::session::Session;

/// Why the request is refused, if it is.
pub(super) fn rejection(session: &Session) -> Option<ItemRejection> {
    if has_fragment(session) {
        return Some(ItemRejection::ForbiddenUrl { problem: "has a fragment" });
    }
    if !has_target_form(session) {
        return Some(ItemRejection::ForbiddenUrl { problem: "has to begin with `/`, or be absolute" });
    }
    if !has_valid_host(session) {
        return Some(ItemRejection::ForbiddenUrl { problem: "has no host: Host is absent or malformed" });
    }
    if has_unknown_transfer_coding(session) {
        return Some(ItemRejection::NotImplemented {
            what: "the only transfer coding that the gateway knows is chunked, once",
        });
    }
    if names_what_is_not_the_connections(session) {
        return Some(bad("Connection", FieldError::NotOfTheConnection));
    }
    if has_two_lengths(session) {
        return Some(bad("Content-Length", FieldError::TwoLengths));
    }
    let method = &session.req_header().method;
    (method == Method::TRACE && max_forwards(session.req_header()) == Some(0)).then_some(
        ItemRejection::NotImplemented { what: "the gateway does not answer TRACE itself (Max-Forwards: 0)" },
    )
}

fn bad(name: &str, error: FieldError) -> ItemRejection {
    ItemRejection::BadHeader { name: name.to_owned(), error }
}

/// OPTIONS that asks about the server in general (RFC 9110 §9.3.7), or that must go no further
/// (§7.6.2).
pub(super) fn is_about_the_gateway(session: &Session) -> bool {
    let request = session.req_header();
    request.method == Method::OPTIONS && (request.uri.path() == "*" || max_forwards(request) == Some(0))
}

/// RFC 9112 §3.2: a request-target has no fragment. The parser cuts it off, and what is left would
/// name another resource: `DELETE /folder/#file` would delete the folder.
fn has_fragment(session: &Session) -> bool {
    let Some(http1) = session.as_http1() else { return false };
    let raw = http1.get_headers_raw_bytes();
    let line = raw.split(|byte| *byte == b'\n').next().unwrap_or_default();
    memchr::memchr(b'#', line).is_some()
}

/// RFC 9112 §3.2.1, §3.2.2, §3.2.4: the forms that a request-target has here. The parser takes any other, such as
/// `GET admin/a`, for the path `/`.
fn has_target_form(session: &Session) -> bool {
    let Some(http1) = session.as_http1() else { return true };
    let raw = http1.get_headers_raw_bytes();
    let target = raw.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    target.starts_with(b"/") || target == b"*" || memchr::memmem::find(target, b"://").is_some()
}

/// RFC 9112 §3.2: a request of HTTP/1.1 has a Host, and what stands in it is a host.
fn has_valid_host(session: &Session) -> bool {
    let request = session.req_header();
    match request.headers.get(header::HOST) {
        None => request.version != Version::HTTP_11,
        Some(host) => host.is_empty() || Authority::try_from(host.as_bytes()).is_ok(),
    }
}

/// RFC 9112 §6.1: any coding beside `chunked` would still be on the body that an upstream gets, and `chunked` twice
/// is a body that servers end in different places.
fn has_unknown_transfer_coding(session: &Session) -> bool {
    let codings = session.req_header().headers.get_all(header::TRANSFER_ENCODING);
    codings.iter().count() > 1
        || codings.iter().any(|value| !value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"))
}

/// RFC 9110 §7.6.1: what Connection names is for this hop only. A request without these three fields would have
/// lost where it goes, or where it ends; so would one with options that are no names, which are read in two ways.
fn names_what_is_not_the_connections(session: &Session) -> bool {
    let options = session.req_header().headers.get_all(header::CONNECTION).iter();
    let mut options = options.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    options.any(|option| {
        let option = option.trim_ascii();
        let Ok(name) = HeaderName::from_bytes(option) else { return !option.is_empty() };
        [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING].contains(&name)
    })
}

/// RFC 9112 §6.1: a request with both may be an attempt to smuggle another. The parser forgets the length before anybody
/// sees it, so the bytes are looked through, of requests with a transfer coding only.
fn has_two_lengths(session: &Session) -> bool {
    if !session.req_header().headers.contains_key(header::TRANSFER_ENCODING) {
        return false;
    }
    let Some(http1) = session.as_http1() else { return false };
    let raw = http1.get_headers_raw_bytes();
    let is_length = |line: &[u8]| {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(b"content-length")
    };
    raw.split(|byte| *byte == b'\n').any(is_length)
}
