//! TLS towards an upstream's targets: whom to trust and what to offer. It is prepared once for each configuration, so that
//! sessions can be resumed and no connection reads certificates again.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::client::ClientConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::version::{TLS12, TLS13};

use crate::config::{Scheme, Upstream};
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
    /// A hash of everything that a connection's certificate was judged by, except the target's name. Connections with
    /// different hashes are never shared.
    pub(crate) verified: u64,
}

impl UpstreamTls {
    /// `None`: none of its targets speaks TLS.
    pub(crate) fn new(upstream: &Upstream) -> Option<Self> {
        if !upstream.targets.iter().any(|target| target.scheme.is_tls()) {
            return None;
        }
        let mut hasher = DefaultHasher::new();
        upstream.verify.hash(&mut hasher);
        let trusted = trusted(upstream, &mut hasher);
        let provider = Arc::new(ring::default_provider());
        let base = config(provider, trusted)
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
            verified: hasher.finish(),
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

fn config(provider: Arc<CryptoProvider>, trusted: Trusted) -> Result<ClientConfig, rustls::Error> {
    let verifier = Verifier::new(Arc::clone(&provider), trusted);
    Ok(ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS12, &TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

/// Whom to trust; the certificates themselves count, not the name of their file.
fn trusted(upstream: &Upstream, hasher: &mut DefaultHasher) -> Trusted {
    if !upstream.verify {
        return Trusted::Everyone;
    }
    let Some(path) = &upstream.ca else {
        return Trusted::Only { roots: of_the_system(&upstream.name), pinned: Vec::new() };
    };
    let certificates = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = certificates.unwrap_or_else(|error| {
        // Trust no authority then. The system's authorities would be the wrong ones.
        tracing::error!(upstream = upstream.name, %error, "tls.ca could not be read");
        Vec::new()
    });
    for certificate in &certificates {
        certificate.as_ref().hash(hasher);
    }
    Trusted::only(certificates)
}

fn of_the_system(upstream: &str) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    if let Err(error) = pingora::tls::load_platform_certs_incl_env_into_store(&mut roots) {
        tracing::error!(upstream, %error, "the system's certificates could not be read");
    }
    roots
}
