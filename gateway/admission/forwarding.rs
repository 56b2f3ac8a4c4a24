//! What the gateway says about the hop to an upstream: who asked, by which name, over what, and under
//! which request id. One rule for items, single requests and the service that is asked about clients.
//!
//! X-Forwarded-For and Via are appended to. The others are the gateway's own word, which a client can't choose; only
//! what a trusted proxy has said of them is kept, for it alone knows how the client reached it:
//!
//! | field | from a trusted proxy | from anyone else |
//! |---|---|---|
//! | X-Forwarded-Proto | kept | the connection's scheme |
//! | X-Forwarded-Host | kept; without one, as from anyone else | the authority that the client used |
//! | X-Forwarded-Port, X-Real-IP | kept | removed |
//! | X-Forwarded-Prefix | kept, and the stripped prefix behind it | the stripped prefix, if one is |
//! | Forwarded (RFC 7239) | one element more | removed |

use std::net::IpAddr;

use http::Version;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::config::TrustedProxies;
use crate::header::forwarded::ForwardedBy;
use crate::header::via_entry;
use crate::limiter::Client;
use crate::telemetry::RequestId;

use super::Identity;
use super::forwarded_for::{self, X_FORWARDED_FOR};
use crate::listener::client_certificate::client_name;
use crate::session::Session;

/// How the client reached the gateway.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reached {
    /// `http` or `https`.
    pub(crate) scheme: &'static str,
    /// What the client called the gateway: Host, or `:authority`.
    pub(crate) authority: String,
    /// The client's address without the port, or `unix`: the peer's, or what a trusted proxy says.
    pub(crate) client: String,
    /// The address of whoever opened the connection; empty where that is the client itself.
    proxy: String,
    /// Who it is, once that is known.
    pub(crate) identity: Identity,
    /// The version of HTTP that the request came over.
    version: Version,
    /// The scheme of the connection itself.
    own_scheme: &'static str,
    /// Whether a trusted proxy opened the connection.
    by_proxy: bool,
}

const X_FORWARDED_HOST: &str = "x-forwarded-host";
const FORWARDED: &str = "forwarded";

/// What a trusted proxy says, and goes on as it said it.
const KEPT_AS_THEY_ARE: [&str; 3] = ["x-forwarded-port", "x-forwarded-prefix", "x-real-ip"];

impl Reached {
    pub(crate) fn of(session: &Session, trusted: &TrustedProxies) -> Self {
        let request = session.req_header();
        let host = request.headers.get(header::HOST).and_then(|value| value.to_str().ok());
        let authority =
            request.uri.authority().map(http::uri::Authority::as_str).or(host).unwrap_or_default();
        let tls = session.tls();
        let peer = session.client_address();
        let client = forwarded_for::client(trusted, peer, &request.headers);
        let by_proxy = trusted.trust(peer);
        let scheme = |is_tls: bool| if is_tls { "https" } else { "http" };
        Self {
            scheme: scheme(tls.is_some() || by_proxy && says_https(&request.headers)),
            own_scheme: scheme(tls.is_some()),
            by_proxy,
            authority: authority.to_owned(),
            client: shown(client),
            proxy: if client == peer { String::new() } else { shown(peer) },
            identity: Identity { name: tls.and_then(client_name), ..Identity::default() },
            version: request.version,
        }
    }

    /// The client, as what is shared fairly tells clients apart: by the name that it has proved, or else by
    /// its address.
    pub(crate) fn client(&self) -> Client {
        match &self.identity.name {
            Some(name) => Client::named(name),
            None => self.address(),
        }
    }

    /// The client, told apart by its address alone.
    pub(crate) fn address(&self) -> Client {
        Client::at(self.client.parse().ok())
    }

    /// `scheme://authority`.
    pub(crate) fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.authority)
    }

    /// The fields of the hop, and what the asked service says of the client, for a request with these `outer` fields.
    /// Whoever knows the request's route adds the prefix that it strips ([`ForwardedBy::behind`]).
    pub(crate) fn forwarded_by(&self, outer: &HeaderMap, request_id: &RequestId) -> ForwardedBy {
        let appended = |name: &str, own: &str| {
            joined(outer, name).map_or_else(|| own.to_owned(), |before| format!("{before}, {own}"))
        };
        let kept = |name: &'static str| joined(outer, name).filter(|_| self.by_proxy);
        let own = [
            (X_FORWARDED_FOR, appended(X_FORWARDED_FOR, self.caller())),
            ("x-forwarded-proto", self.scheme.to_owned()),
            (X_FORWARDED_HOST, kept(X_FORWARDED_HOST).unwrap_or_else(|| self.authority.clone())),
            ("via", appended("via", &via_entry(self.version))),
            ("x-request-id", request_id.as_str().to_owned()),
        ];
        let forwarded = kept(FORWARDED).map(|before| (FORWARDED, format!("{before}, {}", self.element())));
        let kept = KEPT_AS_THEY_ARE.into_iter().filter_map(|name| Some((name, kept(name)?)));
        let field = |(name, value): (&'static str, String)| {
            Some((HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?))
        };
        let fields = own.into_iter().chain(forwarded).chain(kept).filter_map(field);
        ForwardedBy { fields: fields.chain(self.identity.added.iter().cloned()).collect() }
    }

    /// The address of whoever opened the connection.
    fn caller(&self) -> &str {
        if self.proxy.is_empty() { &self.client } else { &self.proxy }
    }

    /// This hop, as an element of Forwarded (RFC 7239 §4).
    fn element(&self) -> String {
        let caller = match self.caller().parse() {
            Ok(IpAddr::V4(address)) => address.to_string(),
            Ok(IpAddr::V6(address)) => format!("\"[{address}]\""),
            Err(_) => "unknown".to_owned(),
        };
        let is_quotable = !self.authority.is_empty() && !self.authority.contains(['"', '\\']);
        let host = if is_quotable { format!(";host=\"{}\"", self.authority) } else { String::new() };
        format!("for={caller}{host};proto={}", self.own_scheme)
    }
}

/// A field's values as one (RFC 9110 §5.3); `None` where there is none.
fn joined(fields: &HeaderMap, name: &str) -> Option<String> {
    let values: Vec<_> = fields.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

/// An address as logs and fields have it.
fn shown(address: Option<IpAddr>) -> String {
    address.map_or_else(|| "unix".to_owned(), |address| address.to_string())
}

/// Whether a proxy says that the client came to it over TLS; of several, the last one has the word.
fn says_https(headers: &HeaderMap) -> bool {
    let last = |name: &str| Some(joined(headers, name)?.rsplit(',').next()?.trim().to_ascii_lowercase());
    if let Some(scheme) = last("x-forwarded-proto") {
        return scheme == "https";
    }
    let element = last(FORWARDED).unwrap_or_default();
    element.split(';').any(|pair| matches!(pair.trim(), "proto=https" | "proto=\"https\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(fields: &[(&'static str, &str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        fields.iter().map(field).collect()
    }

    #[test]
    fn a_hop_is_an_element_of_forwarded() {
        let reached = |proxy: &str, authority: &str| Reached {
            proxy: proxy.to_owned(),
            authority: authority.to_owned(),
            own_scheme: "http",
            ..Reached::default()
        };
        for (proxy, authority, element) in [
            ("10.0.0.1", "h:80", "for=10.0.0.1;host=\"h:80\";proto=http"),
            ("2001:db8::1", "h", "for=\"[2001:db8::1]\";host=\"h\";proto=http"),
            ("unix", "", "for=unknown;proto=http"),
            ("10.0.0.1", "a\"b", "for=10.0.0.1;proto=http"),
        ] {
            assert_eq!(reached(proxy, authority).element(), element);
        }
    }

    #[test]
    fn the_last_proxy_says_whether_tls_was_spoken() {
        for (said, is_https) in [
            (&[][..], false),
            (&[("x-forwarded-proto", "HTTPS")], true),
            (&[("x-forwarded-proto", "https, http")], false),
            (&[("x-forwarded-proto", "http"), ("x-forwarded-proto", "https")], true),
            (&[("forwarded", "for=a;proto=http, for=b; Proto=\"https\"")], true),
            (&[("forwarded", "for=a;proto=https, for=b")], false),
            (&[("forwarded", "proto=https"), ("x-forwarded-proto", "http")], false),
        ] {
            assert_eq!(says_https(&fields(said)), is_https, "{said:?}");
        }
    }
}
