//! Which requests the admin listener answers. Everybody who can reach it may read. Only this machine may change something, and
//! who has the token (`console.token`). Because it needs no password here, any page that an operator opens could otherwise use
//! it in the operator's name.
//!
//! In: a request. Out: `Ok`, or why it is refused. Two attacks are in the way: a page of another origin that posts here
//! (browsers send Origin and Sec-Fetch-Site), and a page whose own host name is made to point here (DNS rebinding; the
//! Host is then that name). Programs send neither Origin nor Sec-Fetch-Site.

use std::net::IpAddr;

use bytes::Bytes;
use http::uri::Authority;
use http::{HeaderMap, Request, StatusCode, header};

use crate::admission::credential;
use crate::config::AdminToken;
use crate::listener::plain_service::Peer;

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The status that says so.
    pub(super) status: StatusCode,
    /// A sentence for people.
    pub(super) text: &'static str,
}

const FOREIGN: Refusal = Refusal::new(StatusCode::FORBIDDEN, "not for web pages of other origins\n");
const NAME: Refusal = Refusal::new(
    StatusCode::FORBIDDEN,
    "open the console by the gateway's IP address, localhost or a name without dots\n",
);
const REMOTE: Refusal = Refusal::new(
    StatusCode::FORBIDDEN,
    "only this machine may change something: come over loopback or a Unix socket, or set console.token\n",
);
const TOKEN: Refusal = Refusal::new(
    StatusCode::UNAUTHORIZED,
    "from another machine this needs Authorization: Bearer console.token\n",
);

impl Refusal {
    const fn new(status: StatusCode, text: &'static str) -> Self {
        Self { status, text }
    }
}

/// Whether what only operators should see may be shown.
///
/// # Errors
/// The Host is a name that anybody could have made to point here.
pub(super) fn may_read(request: &Request<Bytes>) -> Result<(), Refusal> {
    let host = request.headers().get(header::HOST);
    let is_ours = host.is_none_or(|host| host.to_str().is_ok_and(is_safe_host));
    if is_ours { Ok(()) } else { Err(NAME) }
}

/// Whether what everybody may read is shown: to programs always, to a browser as what only operators should see.
///
/// # Errors
/// The Host is a name that anybody could have made to point here, and a page may be behind it.
pub(super) fn may_look(request: &Request<Bytes>) -> Result<(), Refusal> {
    let agent = request.headers().get(header::USER_AGENT);
    let is_browser = agent.is_some_and(|agent| agent.as_bytes().starts_with(b"Mozilla/"));
    if is_browser || is_of_page(request.headers()) { may_read(request) } else { Ok(()) }
}

/// Whether a request may change something. A page must be the console.
///
/// # Errors
/// It comes from another page, or from another machine without the token.
pub(super) fn may_write(request: &Request<Bytes>, token: Option<&AdminToken>) -> Result<(), Refusal> {
    if is_of_page(request.headers()) {
        may_read(request)?;
        if !is_own_page(request.headers()) {
            return Err(FOREIGN);
        }
    }
    if request.extensions().get::<Peer>().is_some_and(|peer| peer.is_local()) {
        return Ok(());
    }
    let token = token.ok_or(REMOTE)?;
    let presented = credential(request.headers(), &header::AUTHORIZATION, "bearer");
    if presented.is_ok_and(|presented| presented.is_some_and(|presented| token.is(presented))) {
        Ok(())
    } else {
        Err(TOKEN)
    }
}

fn is_of_page(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site")
}

fn is_own_page(headers: &HeaderMap) -> bool {
    let is_same_site = headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin");
    let host = headers.get(header::HOST).map(|host| [b"http://", host.as_bytes()].concat());
    let origin = headers.get(header::ORIGIN).map(|origin| origin.as_bytes().to_vec());
    is_same_site && origin.is_some() && origin == host
}

/// An IP address, or a name that no public name server can answer for.
fn is_safe_host(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let host = authority.host();
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    literal.parse::<IpAddr>().is_ok() || !host.contains('.') || host.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(peer: &str, fields: &[[&str; 2]]) -> Request<Bytes> {
        let mut request = Request::builder().uri("/").extension(Peer::Tcp(peer.parse().unwrap()));
        for [name, value] in fields {
            request = request.header(*name, *value);
        }
        request.body(Bytes::new()).unwrap()
    }

    #[test]
    fn only_this_machine_and_who_has_the_token_may_write() {
        let token: AdminToken = serde_json::from_str("\"0123456789abcdef\"").unwrap();
        let right = ["Authorization", "bearer 0123456789abcdef"];
        let wrong = ["Authorization", "Bearer 0123456789abcdeF"];
        let (host, own) = (["Host", "127.0.0.1:9901"], ["Origin", "http://127.0.0.1:9901"]);
        let site = |value| ["Sec-Fetch-Site", value];
        for (peer, fields, expected) in [
            ("10.0.0.1", &[host][..], Err(TOKEN)),
            ("10.0.0.1", &[host, wrong], Err(TOKEN)),
            ("10.0.0.1", &[host, right], Ok(())),
            ("10.0.0.1", &[host, own, right], Ok(())),
            ("10.0.0.1", &[host, own, right, site("cross-site")], Err(FOREIGN)),
            ("127.0.0.1", &[host], Ok(())),
            ("127.0.0.1", &[host, own], Ok(())),
            ("::1", &[host, own, site("same-origin")], Ok(())),
            ("::ffff:127.0.0.1", &[host, own], Ok(())),
            ("10.0.0.1", &[host, own], Err(TOKEN)),
            ("127.0.0.1", &[host, own, site("cross-site")], Err(FOREIGN)),
            ("127.0.0.1", &[host, site("same-origin")], Err(FOREIGN)),
            ("127.0.0.1", &[host, ["Origin", "http://127.0.0.1:8080"]], Err(FOREIGN)),
            ("127.0.0.1", &[host, ["Origin", "null"]], Err(FOREIGN)),
            ("127.0.0.1", &[own], Err(FOREIGN)),
            (
                "127.0.0.1",
                &[["Host", "evil.example:9901"], ["Origin", "http://evil.example:9901"]],
                Err(NAME),
            ),
        ] {
            let request = request(peer, fields);
            assert_eq!(may_write(&request, Some(&token)), expected, "{peer} {fields:?}");
            let without = if peer == "10.0.0.1" && expected != Err(FOREIGN) { Err(REMOTE) } else { expected };
            assert_eq!(may_write(&request, None), without, "{peer} {fields:?}");
        }
    }

    #[test]
    fn a_page_of_a_foreign_name_sees_nothing_and_programs_see_what_they_ask_for() {
        let (foreign, own) = (["Host", "evil.example:9901"], ["Host", "127.0.0.1:9901"]);
        let browser = ["User-Agent", "Mozilla/5.0 (X11; Linux x86_64)"];
        for (fields, expected) in [
            (&[foreign][..], Ok(())),
            (&[foreign, ["User-Agent", "curl/8.5.0"]], Ok(())),
            (&[foreign, browser], Err(NAME)),
            (&[foreign, ["Sec-Fetch-Site", "same-origin"]], Err(NAME)),
            (&[foreign, ["Origin", "http://evil.example:9901"]], Err(NAME)),
            (&[own, browser], Ok(())),
        ] {
            assert_eq!(may_look(&request("10.0.0.1", fields)), expected, "{fields:?}");
        }
    }

    #[test]
    fn names_that_others_can_point_here_are_refused() {
        for good in
            ["127.0.0.1", "10.0.0.1:9901", "[::1]:9901", "localhost:9901", "batchgate:9901", "a.localhost"]
        {
            assert_eq!(may_read(&request("10.0.0.1", &[["Host", good]])), Ok(()), "{good}");
        }
        for bad in ["evil.example", "127.0.0.1.evil.example:9901", "localhost.evil.example", "a b", ""] {
            assert_eq!(may_read(&request("127.0.0.1", &[["Host", bad]])), Err(NAME), "{bad}");
        }
        assert_eq!(may_read(&request("127.0.0.1", &[])), Ok(()));
    }
}
