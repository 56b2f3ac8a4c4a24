//! What HTTP wants of a request before anything is done with it. The grammar and the framing of HTTP/1.1 were checked
//! before the request was parsed (`http1`).

use http::header::{self, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery};
use http::{Method, Version};
use pingora::http::RequestHeader;

use crate::config::Limits;
use crate::header::hop::{connection_options, max_forwards};
use crate::http1::{Fault, is_host};
use crate::problem::RequestRejection;

use crate::session::Session;

const NO_HOST: RequestRejection =
    RequestRejection::ForbiddenUrl { problem: "has no host: Host is absent or malformed" };

/// Why the request is refused, if it is.
pub(crate) fn rejection(session: &Session) -> Option<RequestRejection> {
    if !has_valid_host(session) {
        return Some(NO_HOST);
    }
    if session.is_http2()
        && let Some(rejection) = http2_rejection(session.req_header())
    {
        return Some(rejection);
    }
    if names_what_is_not_the_connections(session) {
        return Some(bad("Connection", "names a field that does not belong to the connection"));
    }
    let request = session.req_header();
    (request.method == Method::TRACE && may_go_no_further(request)).then_some(
        RequestRejection::NotImplemented {
            what: "the gateway does not answer TRACE itself (Max-Forwards: 0)",
        },
    )
}

const fn bad(name: &'static str, problem: &'static str) -> RequestRejection {
    RequestRejection::BadHeader { name, problem }
}

/// What h2 lets through, and the checker of HTTP/1.1 would not: whom a request is for, and how long it is, can be said in
/// two ways that differ (RFC 9113 §8.3.1, §8.1.1). Servers behind would choose one.
fn http2_rejection(request: &RequestHeader) -> Option<RequestRejection> {
    let hosts = || request.headers.get_all(header::HOST).iter();
    let authority = request.uri.authority().map(Authority::as_str);
    let differs = |host: &HeaderValue| {
        authority.is_some_and(|authority| !host.as_bytes().eq_ignore_ascii_case(authority.as_bytes()))
    };
    if hosts().any(differs) {
        return Some(RequestRejection::ForbiddenUrl {
            problem: "names another host than the Host field does",
        });
    }
    if authority.is_none() && hosts().count() != 1
        || hosts().count() > 1
        || authority.is_some_and(|authority| authority.contains('@'))
    {
        return Some(NO_HOST);
    }
    let mut lengths = request.headers.get_all(header::CONTENT_LENGTH).iter();
    let is_length = |value: &HeaderValue| {
        !value.is_empty() && value.as_bytes().iter().all(u8::is_ascii_digit) && value.len() < 20
    };
    if !lengths.next().is_none_or(is_length) || lengths.next().is_some() {
        return Some(bad("Content-Length", "is not a length"));
    }
    None
}

/// Which limit the head of a request over HTTP/2 exceeds. Over HTTP/1 it would not have come so far.
pub(crate) fn excess(session: &Session, limits: &Limits) -> Option<Fault> {
    let request = session.req_header();
    if !session.is_http2() {
        return None;
    }
    let target = request.uri.path_and_query().map_or("", PathAndQuery::as_str);
    let fields = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    limits.heads().excess(target, fields)
}

/// OPTIONS that asks about the server in general (RFC 9110 §9.3.7), or that must go no further
/// (§7.6.2).
pub(crate) fn is_about_the_gateway(session: &Session) -> bool {
    let request = session.req_header();
    request.method == Method::OPTIONS && (request.uri.path() == "*" || may_go_no_further(request))
}

fn may_go_no_further(request: &RequestHeader) -> bool {
    max_forwards(&request.method, &request.headers) == Some(0)
}

/// RFC 9112 §3.2: a request of HTTP/1.1 has a Host, and what stands in it is a host.
fn has_valid_host(session: &Session) -> bool {
    let request = session.req_header();
    match request.headers.get(header::HOST) {
        None => request.version != Version::HTTP_11,
        Some(host) => host.is_empty() || is_host(host.as_bytes()),
    }
}

/// RFC 9110 §7.6.1: what Connection names is for this hop only. A request without these three fields would have
/// lost where it goes, or where it ends; so would one with options that are no names, which are read in two ways.
fn names_what_is_not_the_connections(session: &Session) -> bool {
    connection_options(&session.req_header().headers).any(|option| {
        let Ok(name) = HeaderName::from_bytes(option) else { return true };
        [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING].contains(&name)
    })
}
