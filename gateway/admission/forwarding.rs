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

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::config::Forwarded;
use crate::header::forwarded::{ForwardedBy, X_FORWARDED_PREFIX};
use crate::header::inherit::as_list;
use crate::header::variables::address_text;
use crate::header::{X_REQUEST_ID, via_entry};

use super::caller::{Caller, scheme};
use super::trusted_proxy::{X_FORWARDED_FOR, X_FORWARDED_PROTO, address};

const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Fields of a trusted proxy that are passed on unchanged.
const KEPT_UNCHANGED: [HeaderName; 3] =
    [HeaderName::from_static("x-forwarded-port"), X_FORWARDED_PREFIX, HeaderName::from_static("x-real-ip")];

/// The fields that each request has: with Forwarded, but without those that are passed on unchanged.
const OWN: usize = 6;

impl Caller {
    /// The fields of the hop for a request with these `outer` fields, and those that the authentication service adds.
    /// The code that knows the request's route adds the stripped prefix ([`ForwardedBy::behind`]).
    pub(crate) fn forwarded_by(&self, outer: &HeaderMap) -> ForwardedBy {
        let mut fields = Vec::with_capacity(OWN + KEPT_UNCHANGED.len() + self.identity.added.len());
        let mut set = |name: HeaderName, value: Option<HeaderValue>| {
            if let Some(value) = value {
                fields.push((name, value));
            }
        };
        let kept = |name: &HeaderName| self.kept(outer, name);
        set(X_FORWARDED_FOR, appended(outer, &X_FORWARDED_FOR, &address_text(self.peer)));
        set(X_FORWARDED_PROTO, Some(HeaderValue::from_static(self.scheme())));
        let host = kept(&X_FORWARDED_HOST).and_then(valid);
        set(X_FORWARDED_HOST, host.or_else(|| HeaderValue::from_str(&self.authority).ok()));
        set(header::VIA, appended(outer, &header::VIA, via_entry(self.http_version())));
        set(X_REQUEST_ID, HeaderValue::from_str(self.request_id.as_str()).ok());
        set(header::FORWARDED, self.forwarded(outer).and_then(valid));
        for name in KEPT_UNCHANGED {
            let value = kept(&name).and_then(valid);
            set(name, value);
        }
        fields.extend(self.identity.added.iter().cloned());
        ForwardedBy { fields }
    }

    /// What a trusted proxy says in a field.
    fn kept(&self, outer: &HeaderMap, name: &HeaderName) -> Option<String> {
        if self.is_by_proxy { as_list(outer, name) } else { None }
    }

    /// Forwarded with this hop in it, where it is sent.
    fn forwarded(&self, outer: &HeaderMap) -> Option<String> {
        let before = match (self.kept(outer, &header::FORWARDED), self.forwarded) {
            (None, Forwarded::Extend) => return None,
            (None, Forwarded::Add) => self.kept(outer, &X_FORWARDED_FOR).and_then(|chain| elements(&chain)),
            (Some(before), Forwarded::Extend | Forwarded::Add) => Some(before),
        };
        let elements: Vec<_> = before.into_iter().chain([self.element()]).collect();
        Some(elements.join(", "))
    }

    /// This hop, as an element of Forwarded (RFC 7239 §4).
    fn element(&self) -> String {
        let peer = self.peer.map_or_else(|| "unknown".to_owned(), node);
        let is_quotable = !self.authority.is_empty() && !self.authority.contains(['"', '\\']);
        let host = if is_quotable { format!(";host=\"{}\"", self.authority) } else { String::new() };
        format!("for={peer}{host};proto={}", scheme(self.is_tls))
    }
}

/// A field's values with one more behind them.
fn appended(outer: &HeaderMap, name: &HeaderName, own: &str) -> Option<HeaderValue> {
    match as_list(outer, name) {
        Some(before) => valid(format!("{before}, {own}")),
        None => HeaderValue::from_str(own).ok(),
    }
}

/// The value of a field. Nothing that a client or a proxy can send makes it invalid.
fn valid(value: String) -> Option<HeaderValue> {
    HeaderValue::try_from(value).ok()
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
            let said = said
                .iter()
                .find(|(name, _)| *name == header::FORWARDED)
                .map(|(_, value)| value.to_str().unwrap());
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
