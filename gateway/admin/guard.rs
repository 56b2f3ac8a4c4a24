//! Which requests of browsers the admin listener answers. It has no password, so any page that an operator opens could
//! otherwise use it in the operator's name.
//!
//! In: a request. Out: `Ok`, or why it is refused. Two attacks are in the way: a page of another origin that posts here
//! (browsers send Origin and Sec-Fetch-Site), and a page whose own host name is made to point here (DNS rebinding; the
//! Host is then that name). Programs send neither Origin nor Sec-Fetch-Site, and reach what they can reach without us.

use std::net::IpAddr;

use bytes::Bytes;
use http::uri::Authority;
use http::{HeaderMap, Request, header};

use crate::listener::plain_service::Peer;

/// Why a request is refused.
pub(super) type Refusal = &'static str;

const FOREIGN: Refusal = "not for web pages of other origins\n";
const NAME: Refusal = "open the console by the gateway's IP address, localhost or a name without dots\n";
const REMOTE: Refusal = "the console changes things only over loopback or a Unix socket\n";

/// Whether what only operators should see may be shown.
///
/// # Errors
/// The Host is a name that anybody could have made to point here.
pub(super) fn may_read(request: &Request<Bytes>) -> Result<(), Refusal> {
    let host = request.headers().get(header::HOST);
    let is_ours = host.is_none_or(|host| host.to_str().is_ok_and(is_safe_host));
    if is_ours { Ok(()) } else { Err(NAME) }
}

/// Whether a request may change something. A page must be the console, and be used on this machine.
///
/// # Errors
/// It comes from another page, or from another machine.
pub(super) fn may_write(request: &Request<Bytes>) -> Result<(), Refusal> {
    if !is_of_page(request.headers()) {
        return Ok(());
    }
    may_read(request)?;
    if !is_own_page(request.headers()) {
        return Err(FOREIGN);
    }
    is_local(request)
}

/// Whether a request comes from this machine.
///
/// # Errors
/// It does not.
pub(super) fn is_local(request: &Request<Bytes>) -> Result<(), Refusal> {
    if request.extensions().get::<Peer>().is_some_and(|peer| peer.is_local()) { Ok(()) } else { Err(REMOTE) }
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
    fn only_the_console_on_this_machine_and_programs_may_write() {
        let (host, own) = (["Host", "127.0.0.1:9901"], ["Origin", "http://127.0.0.1:9901"]);
        let site = |value| ["Sec-Fetch-Site", value];
        for (peer, fields, expected) in [
            ("10.0.0.1", &[host][..], Ok(())),
            ("127.0.0.1", &[host, own], Ok(())),
            ("::1", &[host, own, site("same-origin")], Ok(())),
            ("::ffff:127.0.0.1", &[host, own], Ok(())),
            ("10.0.0.1", &[host, own], Err(REMOTE)),
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
            assert_eq!(may_write(&request(peer, fields)), expected, "{peer} {fields:?}");
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
