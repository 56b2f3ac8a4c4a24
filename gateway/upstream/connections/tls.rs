//! TLS towards an upstream's targets: whom to trust, what to offer, and which certificate to present. It is prepared once for each configuration, so that
//! sessions can be resumed and no connection reads certificates again.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::client::ClientConfig;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use rustls::version::{TLS12, TLS13};

use crate::config::{self, Scheme, Trust, Upstream};
use crate::telemetry::LogThrottle;

use super::verifier::{Trusted, Verifier};

/// The versions of HTTP that are offered (RFC 7301).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    Http1,
    Http2,
    Either,
}

impl Offer {
    /// What a target may speak.
    pub(super) const fn of(scheme: Scheme) -> Self {
        match scheme {
            Scheme::Http => Self::Http1,
            Scheme::Https => Self::Either,
            Scheme::H2c | Scheme::H2 => Self::Http2,
        }
    }
}

/// TLS towards one upstream.
#[derive(Debug)]
pub(crate) struct UpstreamTls {
    /// The upstream's name.
    pub(super) upstream: String,
    /// For the log lines about its handshakes.
    pub(super) throttle: LogThrottle,
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
    either: Arc<ClientConfig>,
    /// The name to ask for and to expect; `None`: the target's host.
    pub(super) server_name: Option<ServerName<'static>>,
    /// A hash of everything that a connection's certificate was judged by, except the target's host, and of the certificate
    /// that the gateway presents. Connections with different hashes are never shared.
    pub(crate) verified: u64,
}

impl UpstreamTls {
    /// `None`: none of its targets speaks TLS.
    pub(crate) fn new(upstream: &Upstream) -> Option<Self> {
        if !upstream.targets.iter().any(|target| target.scheme.is_tls()) {
            return None;
        }
        let tls = &upstream.tls;
        let verified = hash_of(tls);
        let base = config(tls, trusted(upstream))
            .inspect_err(|error| tracing::error!(upstream = upstream.name, %error, "TLS could not be set up"))
            .ok()?;
        let offering = |protocols: &[&[u8]]| {
            let mut config = base.clone();
            config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
            Arc::new(config)
        };
        Some(Self {
            upstream: upstream.name.clone(),
            throttle: LogThrottle::default(),
            http1: offering(&[b"http/1.1"]),
            http2: offering(&[b"h2"]),
            either: offering(&[b"h2", b"http/1.1"]),
            server_name: tls.server_name.clone(),
            verified,
        })
    }

    pub(super) const fn offering(&self, offer: Offer) -> &Arc<ClientConfig> {
        match offer {
            Offer::Http1 => &self.http1,
            Offer::Http2 => &self.http2,
            Offer::Either => &self.either,
        }
    }
}

fn config(tls: &config::UpstreamTls, trusted: Trusted) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Verifier::new(Arc::clone(&provider), trusted);
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS12, &TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    Ok(match &tls.identity {
        Some(pair) => {
            let presented = SingleCertAndKey::from(Arc::clone(&pair.certified));
            builder.with_client_cert_resolver(Arc::new(presented))
        }
        None => builder.with_no_client_auth(),
    })
}

/// The certificates themselves count, not the names of their files.
fn hash_of(tls: &config::UpstreamTls) -> u64 {
    let config::UpstreamTls { trust, server_name, identity } = tls;
    let trusted = match trust {
        Trust::System => None,
        Trust::Only(authorities) => Some(&*authorities.certificates),
        Trust::Everyone => Some(&[][..]),
    };
    let presented = identity.as_ref().map(|pair| &pair.certified.cert);
    let mut hasher = DefaultHasher::new();
    (trusted, server_name, presented).hash(&mut hasher);
    hasher.finish()
}

fn trusted(upstream: &Upstream) -> Trusted {
    match &upstream.tls.trust {
        Trust::System => Trusted::Only { roots: of_the_system(&upstream.name), pinned: Vec::new() },
        Trust::Only(authorities) => Trusted::only(authorities.certificates.to_vec()),
        Trust::Everyone => Trusted::Everyone,
    }
}

fn of_the_system(upstream: &str) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    if let Err(error) = pingora::tls::load_platform_certs_incl_env_into_store(&mut roots) {
        tracing::error!(upstream, %error, "the system's certificates could not be read");
    }
    roots
}
