//! The rules of HTTP that every request has to keep, checked before anything else is decided: its host, which has to be one of
//! the connection's, the limits of its head over HTTP/2, and fields that must not be named in Connection. The grammar and the framing of HTTP/1.1 were
//! checked before the request was parsed (`http1`). Pure.

use http::header::{self, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery};
use http::{Method, Version};

use crate::config::Limits;
use crate::header::hop::{connection_options, max_forwards};
use crate::http1::{Fault, is_host};
use crate::problem::{self, ErrorReply, RequestRejection};
use crate::route::{authority_of, host_of};

use crate::session::{Session, StreamKind};

const NO_HOST: RequestRejection =
    RequestRejection::ForbiddenUrl { problem: "has no host: Host is absent or malformed" };

/// For a client over HTTP/2 that asks for a WebSocket where there is none.
pub(super) const NO_WEBSOCKET: RequestRejection = RequestRejection::NotImplemented {
    what: "there is no WebSocket at this path, only replies of the gateway itself",
};

/// Checks a request's head.
///
/// # Errors
/// It breaks a rule of HTTP, or exceeds a limit.
pub(super) fn check(session: &Session, limits: &Limits) -> Result<(), Box<ErrorReply>> {
    if let Some(fault) = excess(session, limits) {
        return Err(problem::of_fault(fault).into());
    }
    match rejection(session) {
        Some(rejection) => Err(problem::of_request(&rejection).into()),
        None => Ok(()),
    }
}

fn rejection(session: &Session) -> Option<RequestRejection> {
    if !has_valid_host(session) {
        return Some(NO_HOST);
    }
    if session.kind() == StreamKind::Unknown {
        let what = "the gateway opens WebSockets over HTTP/2, and no other protocol (`:protocol: websocket`)";
        return Some(RequestRejection::NotImplemented { what });
    }
    if session.kind() == StreamKind::WebSocket
        && session.req_header().headers.contains_key(header::CONTENT_LENGTH)
    {
        return Some(bad("Content-Length", "does not belong to a request for a WebSocket"));
    }
    if session.is_http2()
        && let Some(rejection) = http2_rejection(session.req_header())
    {
        return Some(rejection);
    }
    if misuses_connection_options(session.req_header()) {
        return Some(bad("Connection", "names a field that does not belong to the connection"));
    }
    let request = session.req_header();
    if session.is_tls() && session.is_misdirected(&host_of(authority_of(request))) {
        return Some(RequestRejection::Misdirected);
    }
    (request.method == Method::TRACE && may_go_no_further(request)).then_some(
        RequestRejection::NotImplemented {
            what: "the gateway does not answer TRACE itself (Max-Forwards: 0)",
        },
    )
}

const fn bad(name: &'static str, problem: &'static str) -> RequestRejection {
    RequestRejection::BadHeader { name, problem }
}

/// Checks what the checker of HTTP/1.1 would refuse and h2 lets through: host and length can each be given twice, with
/// different values (RFC 9113 §8.3.1, §8.1.1). Servers behind the gateway would choose one.
fn http2_rejection(request: &Parts) -> Option<RequestRejection> {
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

/// The limit that the head of a request over HTTP/2 exceeds. Over HTTP/1, such a head is refused while it is read.
fn excess(session: &Session, limits: &Limits) -> Option<Fault> {
    let request = session.req_header();
    if !session.is_http2() {
        return None;
    }
    let target = request.uri.path_and_query().map_or("", PathAndQuery::as_str);
    let fields = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    limits.heads().excess(target, fields)
}

/// Whether OPTIONS asks about the server in general (RFC 9110 §9.3.7), or must not be forwarded (§7.6.2).
pub(super) fn is_about_the_gateway(request: &Parts) -> bool {
    request.method == Method::OPTIONS && (request.uri.path() == "*" || may_go_no_further(request))
}

fn may_go_no_further(request: &Parts) -> bool {
    max_forwards(&request.method, &request.headers) == Some(0)
}

/// RFC 9112 §3.2: a request of HTTP/1.1 has a Host, and its value is valid.
fn has_valid_host(session: &Session) -> bool {
    let request = session.req_header();
    match request.headers.get(header::HOST) {
        None => request.version != Version::HTTP_11,
        Some(host) => host.is_empty() || is_host(host.as_bytes()),
    }
}

/// RFC 9110 §7.6.1: the fields that Connection names are removed at this hop. A request that lost one of these three would
/// go elsewhere, or end elsewhere. Options that are not valid names are refused too: servers read them differently.
fn misuses_connection_options(request: &Parts) -> bool {
    connection_options(&request.headers).any(|option| {
        let Ok(name) = HeaderName::from_bytes(option) else { return true };
        [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING].contains(&name)
    })
}
