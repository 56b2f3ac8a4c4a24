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
//!
//! With `forwarded: add`, Forwarded begins here if no trusted proxy has begun it, and repeats what such a proxy says in
//! X-Forwarded-For.

use std::net::IpAddr;

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::config::Forwarded;
use crate::header::forwarded::ForwardedBy;
use crate::header::via_entry;

use super::caller::{Caller, scheme};
use super::trusted_proxy::{FORWARDED, X_FORWARDED_FOR, address};
use crate::header::inherit::as_list;
use crate::header::variables::address_text;

const X_FORWARDED_HOST: &str = "x-forwarded-host";

/// Fields of a trusted proxy that are passed on unchanged.
const KEPT_UNCHANGED: [&str; 3] = ["x-forwarded-port", "x-forwarded-prefix", "x-real-ip"];

impl Caller {
    /// The fields of the hop for a request with these `outer` fields, and those that the authentication service adds.
    /// The code that knows the request's route adds the stripped prefix ([`ForwardedBy::behind`]).
    pub(crate) fn forwarded_by(&self, outer: &HeaderMap) -> ForwardedBy {
        let appended = |name: &str, own: &str| {
            as_list(outer, name).map_or_else(|| own.to_owned(), |before| format!("{before}, {own}"))
        };
        let kept = |name: &'static str| as_list(outer, name).filter(|_| self.is_by_proxy);
        let own = [
            (X_FORWARDED_FOR, appended(X_FORWARDED_FOR, &address_text(self.peer))),
            ("x-forwarded-proto", self.scheme().to_owned()),
            (X_FORWARDED_HOST, kept(X_FORWARDED_HOST).unwrap_or_else(|| self.authority.clone())),
            ("via", appended("via", &via_entry(self.http_version()))),
            ("x-request-id", self.request_id.as_str().to_owned()),
        ];
        let before = match (kept(FORWARDED), self.forwarded) {
            (None, Forwarded::Extend) => None,
            (None, Forwarded::Add) => Some(kept(X_FORWARDED_FOR).and_then(|chain| elements(&chain))),
            (Some(before), Forwarded::Extend | Forwarded::Add) => Some(Some(before)),
        };
        let forwarded = before.map(|before| {
            let elements: Vec<_> = before.into_iter().chain([self.element()]).collect();
            (FORWARDED, elements.join(", "))
        });
        let kept = KEPT_UNCHANGED.into_iter().filter_map(|name| Some((name, kept(name)?)));
        let field = |(name, value): (&'static str, String)| {
            Some((HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?))
        };
        let fields = own.into_iter().chain(forwarded).chain(kept).filter_map(field);
        ForwardedBy { fields: fields.chain(self.identity.added.iter().cloned()).collect() }
    }

    /// This hop, as an element of Forwarded (RFC 7239 §4).
    fn element(&self) -> String {
        let peer = self.peer.map_or_else(|| "unknown".to_owned(), node);
        let is_quotable = !self.authority.is_empty() && !self.authority.contains(['"', '\\']);
        let host = if is_quotable { format!(";host=\"{}\"", self.authority) } else { String::new() };
        format!("for={peer}{host};proto={}", scheme(self.is_tls))
    }
}

/// An address as Forwarded has it (RFC 7239 §6).
fn node(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("\"[{address}]\""),
    }
}

/// The addresses in X-Forwarded-For as elements of Forwarded; `None` if one of them is no address.
fn elements(chain: &str) -> Option<String> {
    let element = |written: &str| Some(format!("for={}", node(address(written.as_bytes())?)));
    chain.split(',').map(element).collect::<Option<Vec<_>>>().map(|elements| elements.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwarded_begins_here_or_goes_on() {
        const OWN: &str = "for=10.0.0.1;host=\"h\";proto=http";
        for (is_by_proxy, fields, forwarded, expected) in [
            (false, &[][..], Forwarded::Extend, None),
            (false, &[("forwarded", "for=6.6.6.6")], Forwarded::Extend, None),
            (
                false,
                &[("forwarded", "for=6.6.6.6"), ("x-forwarded-for", "6.6.6.6")],
                Forwarded::Add,
                Some(""),
            ),
            (true, &[], Forwarded::Extend, None),
            (true, &[], Forwarded::Add, Some("")),
            (true, &[("forwarded", "for=192.0.2.1")], Forwarded::Extend, Some("for=192.0.2.1, ")),
            (
                true,
                &[("forwarded", "for=192.0.2.1"), ("x-forwarded-for", "192.0.2.2")],
                Forwarded::Add,
                Some("for=192.0.2.1, "),
            ),
            (
                true,
                &[("x-forwarded-for", "192.0.2.1:80, 2001:db8::1")],
                Forwarded::Add,
                Some("for=192.0.2.1, for=\"[2001:db8::1]\", "),
            ),
            (true, &[("x-forwarded-for", "192.0.2.1")], Forwarded::Extend, None),
            (true, &[("x-forwarded-for", "192.0.2.1, unknown")], Forwarded::Add, Some("")),
        ] {
            let caller = Caller {
                peer: "10.0.0.1".parse().ok(),
                is_by_proxy,
                forwarded,
                authority: "h".to_owned(),
                ..Caller::default()
            };
            let outer = fields
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            let said = caller.forwarded_by(&outer.collect()).fields;
            let said =
                said.iter().find(|(name, _)| name == FORWARDED).map(|(_, value)| value.to_str().unwrap());
            let expected = expected.map(|before: &str| format!("{before}{OWN}"));
            assert_eq!(said, expected.as_deref(), "{is_by_proxy} {fields:?} {forwarded:?}");
        }
    }

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
