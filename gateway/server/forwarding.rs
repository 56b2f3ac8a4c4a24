//! What the gateway says about the hop to an upstream: who asked, by which name, over what, and under
//! which request id. X-Forwarded-For is appended to, the others are the gateway's own word: a
//! client can't choose them.

use std::net::IpAddr;

use http::Version;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use pingora::proxy::Session;

use crate::dispatch::Client;
use crate::plan::ForwardedBy;
use crate::settings::{HostPolicy, TrustedProxies};
use crate::stitch::GATEWAY_NAME;
use crate::telemetry::RequestId;

use super::admission::Identity;
use super::balance::Peer;
use super::client_certificate::client_name;
use super::forwarded_for::{self, X_FORWARDED_FOR};

/// How the client reached the gateway.
#[derive(Clone, Debug, Default)]
pub(super) struct Reached {
    /// `http` or `https`.
    pub(super) scheme: &'static str,
    /// What the client called the gateway: Host, or `:authority`.
    pub(super) authority: String,
    /// The client's address without the port, or `unix`: the peer's, or what a trusted proxy says.
    pub(super) client: String,
    /// The address of whoever opened the connection; empty where that is the client itself.
    proxy: String,
    /// Who it is, once that is known.
    pub(super) identity: Identity,
    /// The HTTP version as Via says it.
    version: &'static str,
}

impl Reached {
    pub(super) fn of(session: &Session, trusted: &TrustedProxies) -> Self {
        let request = session.req_header();
        let host = request.headers.get(header::HOST).and_then(|value| value.to_str().ok());
        let authority =
            request.uri.authority().map(http::uri::Authority::as_str).or(host).unwrap_or_default();
        let tls = session.as_downstream().digest().and_then(|digest| digest.ssl_digest.as_ref());
        let peer = session.client_addr().and_then(|address| address.as_inet()).map(std::net::SocketAddr::ip);
        let client = forwarded_for::client(trusted, peer, &request.headers);
        let over_tls = tls.is_some() || trusted.trust(peer) && says_https(&request.headers);
        Self {
            scheme: if over_tls { "https" } else { "http" },
            authority: authority.to_owned(),
            client: shown(client),
            proxy: if client == peer { String::new() } else { shown(peer) },
            identity: Identity { name: tls.and_then(|tls| client_name(tls)), ..Identity::default() },
            version: match request.version {
                Version::HTTP_2 => "2",
                Version::HTTP_10 => "1.0",
                _ => "1.1",
            },
        }
    }

    /// The client, as what is shared fairly tells clients apart: by the name that it has proved, or else by
    /// its address.
    pub(super) fn client(&self) -> Client {
        match &self.identity.name {
            Some(name) => Client::named(name),
            None => Client::at(self.client.parse().ok()),
        }
    }

    /// `scheme://authority`.
    pub(super) fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.authority)
    }

    /// The fields of the hop, and what the asked service says of the client, for a request with these `outer` fields.
    pub(super) fn forwarded_by(&self, outer: &HeaderMap, request_id: &RequestId) -> ForwardedBy {
        let appended = |name: &str, own: &str| {
            let mut values: Vec<_> =
                outer.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
            values.push(own);
            values.join(", ")
        };
        let caller = if self.proxy.is_empty() { &self.client } else { &self.proxy };
        let via = format!("{} {GATEWAY_NAME}", self.version);
        let fields = [
            (X_FORWARDED_FOR, appended(X_FORWARDED_FOR, caller)),
            ("x-forwarded-proto", self.scheme.to_owned()),
            ("x-forwarded-host", self.authority.clone()),
            ("via", appended("via", &via)),
            ("x-request-id", request_id.as_str().to_owned()),
        ];
        let field = |(name, value): (&'static str, String)| {
            Some((HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?))
        };
        let own = fields.into_iter().filter_map(field);
        ForwardedBy { fields: own.chain(self.identity.added.iter().cloned()).collect() }
    }
}

/// An address as logs and fields have it.
fn shown(address: Option<IpAddr>) -> String {
    address.map_or_else(|| "unix".to_owned(), |address| address.to_string())
}

/// Whether a proxy says that the client came to it over TLS; of several, the last one has the word.
fn says_https(headers: &HeaderMap) -> bool {
    let said = headers.get_all("x-forwarded-proto").iter().next_back();
    let last = said.and_then(|value| value.as_bytes().rsplit(|byte| *byte == b',').next());
    last.is_some_and(|scheme| scheme.trim_ascii().eq_ignore_ascii_case(b"https"))
}

/// How often a request with these fields has passed a gateway of this kind, by its Via (RFC 9110 §7.6.3).
pub(super) fn hops(fields: &HeaderMap) -> usize {
    let entries =
        fields.get_all(header::VIA).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let names_us = |entry: &&[u8]| {
        let mut words = entry.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        words.nth(1).is_some_and(|name| name.eq_ignore_ascii_case(GATEWAY_NAME.as_bytes()))
    };
    entries.filter(names_us).count()
}

/// The Host of a call to this peer.
pub(super) fn host_of(policy: &HostPolicy, peer: &Peer, own_authority: &str) -> HeaderValue {
    let chosen = match policy {
        HostPolicy::Target => None,
        HostPolicy::Preserve => HeaderValue::from_str(own_authority).ok(),
        HostPolicy::Fixed(host) => HeaderValue::from_str(host).ok(),
    };
    chosen.unwrap_or_else(|| peer.host.clone())
}

/// `scheme://host` of a call to this peer, for urls in its fields (RFC 4918 §10.3).
pub(super) fn origin_of(policy: &HostPolicy, peer: &Peer, own_authority: &str) -> String {
    let scheme = peer.scheme.url_scheme();
    match policy {
        HostPolicy::Target => peer.origin.clone(),
        HostPolicy::Preserve => format!("{scheme}://{own_authority}"),
        HostPolicy::Fixed(host) => format!("{scheme}://{host}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gateways_of_this_kind_are_counted_in_via() {
        for (fields, expected) in [
            (&[][..], 0),
            (&["1.1 batchgate"], 1),
            (&["1.1 batchgate, 2 other,HTTP/1.0  Batchgate (a, comment)"], 2),
            (&["1.1 batchgate", "1.0 x, 2 batchgate"], 2),
            (&["1.1 batchgate.example, 1.1 x (batchgate), batchgate, 1.1 my-batchgate, ,"], 0),
        ] {
            let value = |text: &&str| (header::VIA, HeaderValue::from_str(text).unwrap());
            assert_eq!(hops(&fields.iter().map(value).collect()), expected, "{fields:?}");
        }
    }
}
