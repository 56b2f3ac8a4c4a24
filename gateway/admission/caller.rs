//! Who sent a request, and how it reached the gateway.
//!
//! A [`Caller`] is made once for each request, from what its connection says and from its head. It owns all that it
//! holds and can be stored, so that a batch can be worked on after its connection is gone. Everything that the gateway
//! decides by client takes it from here: rate limits, shares of upstreams and memory, log lines, and the fields
//! that inform an upstream about the hop ([`forwarding`](super::forwarding)).
//!
//! It knows nothing of sessions or sockets. Authentication adds the [`Identity`] later; until then the caller has only
//! the name in its certificate, if it has one.

use std::net::IpAddr;
use std::sync::Arc;

use http::Version;
use http::request::Parts;
use serde::{Deserialize, Serialize};

use crate::config::{Forwarded, TrustedProxies};
use crate::header::variables::{Variables, address_text};
use crate::limiter::Client;
use crate::route::authority_of;
use crate::telemetry::RequestId;

use super::identity::Identity;
use super::trusted_proxy::{client_address, says_https};

/// What a connection says about its client.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConnectionInfo {
    /// The address of the other end; `None` for a Unix socket.
    pub(crate) peer: Option<IpAddr>,
    pub(crate) is_tls: bool,
    /// The name in the client's certificate, which the listener has verified.
    pub(crate) certificate_name: Option<Arc<str>>,
}

/// Who sent a request, and how it reached the gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Caller {
    /// The client's address: the peer's, or what a trusted proxy reports. `None` for a Unix socket.
    pub(crate) address: Option<IpAddr>,
    /// The address of the connection's peer: the client or the last proxy.
    pub(super) peer: Option<IpAddr>,
    /// Whether a trusted proxy opened the connection.
    pub(super) is_by_proxy: bool,
    /// When services get Forwarded.
    pub(super) forwarded: Forwarded,
    /// Whether the client used TLS: towards the gateway, or towards a trusted proxy in front of it.
    pub(super) is_https: bool,
    /// Whether the connection to the gateway uses TLS.
    pub(super) is_tls: bool,
    pub(super) version: HttpVersion,
    /// What the client called the gateway: `Host`, or `:authority`.
    pub(crate) authority: String,
    pub(crate) request_id: RequestId,
    /// Who the client is, once it is authenticated. Before that, the name in its certificate.
    pub(crate) identity: Identity,
}

/// The version of HTTP that a request came over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum HttpVersion {
    Http10,
    #[default]
    Http11,
    Http2,
}

impl Caller {
    /// The caller of the request with this head.
    pub(crate) fn new(
        connection: ConnectionInfo,
        head: &Parts,
        trusted: &TrustedProxies,
        forwarded: Forwarded,
    ) -> Self {
        let ConnectionInfo { peer, is_tls, certificate_name } = connection;
        let is_by_proxy = trusted.trust(peer);
        Self {
            address: client_address(trusted, peer, &head.headers),
            peer,
            is_by_proxy,
            forwarded,
            is_https: is_tls || is_by_proxy && says_https(&head.headers),
            is_tls,
            version: match head.version {
                Version::HTTP_2 => HttpVersion::Http2,
                Version::HTTP_10 => HttpVersion::Http10,
                _ => HttpVersion::Http11,
            },
            authority: authority_of(head).to_owned(),
            request_id: RequestId::from_headers(&head.headers),
            identity: Identity { name: certificate_name, ..Identity::default() },
        }
    }

    /// The key that shares are counted by: the name that the client has proved, or else its address.
    pub(crate) fn client(&self) -> Client {
        match &self.identity.name {
            Some(name) => Client::named(name),
            None => Client::at(self.address),
        }
    }

    /// The client's address as log lines have it, or `unix`.
    pub(crate) fn address_text(&self) -> String {
        address_text(self.address)
    }

    /// What the variables in configured fields are.
    pub(crate) fn variables(&self) -> Variables<'_> {
        Variables { client: self.address, request_id: self.request_id.as_str(), host: &self.authority }
    }

    /// `http` or `https`.
    pub(crate) const fn scheme(&self) -> &'static str {
        scheme(self.is_https)
    }

    /// `scheme://authority`.
    pub(crate) fn origin(&self) -> String {
        format!("{}://{}", self.scheme(), self.authority)
    }

    /// The version of HTTP that the request came over.
    pub(super) const fn http_version(&self) -> Version {
        match self.version {
            HttpVersion::Http10 => Version::HTTP_10,
            HttpVersion::Http11 => Version::HTTP_11,
            HttpVersion::Http2 => Version::HTTP_2,
        }
    }

    /// Adds what authentication has found. A credential says more than the connection's certificate, which may belong
    /// to an entire department; without a name of its own, the certificate's stays.
    pub(crate) fn authenticated(&mut self, mut identity: Identity) {
        identity.name = identity.name.or_else(|| self.identity.name.take());
        self.identity = identity;
    }
}

/// `http` or `https`.
pub(super) const fn scheme(is_tls: bool) -> &'static str {
    if is_tls { "https" } else { "http" }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue, Request};

    use super::*;
    use crate::config::AuthWay;

    #[test]
    fn a_caller_can_be_stored_and_read_back() {
        let request = Request::get("https://shop.example/$batch").header("x-request-id", "r-1");
        let (head, ()) = request.body(()).unwrap().into_parts();
        let connection = ConnectionInfo {
            peer: Some("2001:db8::1".parse().unwrap()),
            is_tls: true,
            certificate_name: Some("department".into()),
        };
        let mut caller = Caller::new(connection, &head, &TrustedProxies::default(), Forwarded::Add);
        caller.authenticated(Identity {
            name: None,
            way: Some(AuthWay::Jwt),
            named: Some("staff".into()),
            credentials: vec![HeaderName::from_static("x-api-key")],
            added: vec![(
                HeaderName::from_static("x-user"),
                HeaderValue::from_bytes(b"J\xfcrgen\xc3\xa9").unwrap(),
            )],
        });
        assert_eq!(caller.identity.name.as_deref(), Some("department"));
        assert_eq!(caller.origin(), "https://shop.example");
        let stored = serde_json::to_string(&caller).unwrap();
        assert_eq!(serde_json::from_str::<Caller>(&stored).unwrap(), caller, "{stored}");
    }
}
