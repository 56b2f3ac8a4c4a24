//! The fields that inform an upstream about the hop: who sent the request, under which name, over which protocol, and
//! with which request id. One rule for items, single requests and the authentication service.
//!
//! The gateway appends to X-Forwarded-For and Via. It sets the other fields itself, and a client can't choose them.
//! Only what a trusted proxy has set stays, because only that proxy knows how the client reached it:
//!
//! | field | from a trusted proxy | from anyone else |
//! |---|---|---|
//! | X-Forwarded-Proto | kept | the connection's scheme |
//! | X-Forwarded-Host | kept; without one, as from anyone else | the authority that the client used |
//! | X-Forwarded-Port, X-Real-IP | kept | removed |
//! | X-Forwarded-Prefix | kept, followed by the stripped prefix | the stripped prefix, if there is one |
//! | Forwarded (RFC 7239) | one more element | removed |

use std::net::IpAddr;

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::header::forwarded::ForwardedBy;
use crate::header::via_entry;

use super::caller::{Caller, scheme};
use super::trusted_proxy::{FORWARDED, X_FORWARDED_FOR, joined};
use crate::header::variables::address_text;

const X_FORWARDED_HOST: &str = "x-forwarded-host";

/// Fields of a trusted proxy that are passed on unchanged.
const KEPT_UNCHANGED: [&str; 3] = ["x-forwarded-port", "x-forwarded-prefix", "x-real-ip"];

impl Caller {
    /// The fields of the hop for a request with these `outer` fields, and those that the authentication service adds.
    /// The code that knows the request's route adds the stripped prefix ([`ForwardedBy::behind`]).
    pub(crate) fn forwarded_by(&self, outer: &HeaderMap) -> ForwardedBy {
        let appended = |name: &str, own: &str| {
            joined(outer, name).map_or_else(|| own.to_owned(), |before| format!("{before}, {own}"))
        };
        let kept = |name: &'static str| joined(outer, name).filter(|_| self.is_by_proxy);
        let own = [
            (X_FORWARDED_FOR, appended(X_FORWARDED_FOR, &address_text(self.peer))),
            ("x-forwarded-proto", self.scheme().to_owned()),
            (X_FORWARDED_HOST, kept(X_FORWARDED_HOST).unwrap_or_else(|| self.authority.clone())),
            ("via", appended("via", &via_entry(self.http_version()))),
            ("x-request-id", self.request_id.as_str().to_owned()),
        ];
        let forwarded = kept(FORWARDED).map(|before| (FORWARDED, format!("{before}, {}", self.element())));
        let kept = KEPT_UNCHANGED.into_iter().filter_map(|name| Some((name, kept(name)?)));
        let field = |(name, value): (&'static str, String)| {
            Some((HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?))
        };
        let fields = own.into_iter().chain(forwarded).chain(kept).filter_map(field);
        ForwardedBy { fields: fields.chain(self.identity.added.iter().cloned()).collect() }
    }

    /// This hop, as an element of Forwarded (RFC 7239 §4).
    fn element(&self) -> String {
        let peer = match self.peer {
            Some(IpAddr::V4(address)) => address.to_string(),
            Some(IpAddr::V6(address)) => format!("\"[{address}]\""),
            None => "unknown".to_owned(),
        };
        let is_quotable = !self.authority.is_empty() && !self.authority.contains(['"', '\\']);
        let host = if is_quotable { format!(";host=\"{}\"", self.authority) } else { String::new() };
        format!("for={peer}{host};proto={}", scheme(self.is_tls))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hop_is_an_element_of_forwarded() {
        let caller = |peer: &str, authority: &str| Caller {
            peer: peer.parse().ok(),
            authority: authority.to_owned(),
            ..Caller::default()
        };
        for (peer, authority, element) in [
            ("10.0.0.1", "h:80", "for=10.0.0.1;host=\"h:80\";proto=http"),
            ("2001:db8::1", "h", "for=\"[2001:db8::1]\";host=\"h\";proto=http"),
            ("unix", "", "for=unknown;proto=http"),
            ("10.0.0.1", "a\"b", "for=10.0.0.1;proto=http"),
        ] {
            assert_eq!(caller(peer, authority).element(), element);
        }
    }
}
