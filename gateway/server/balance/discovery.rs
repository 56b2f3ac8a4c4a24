//! Where an upstream's targets are: names resolved to addresses, and what it takes to connect to them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use pingora::protocols::ALPN;
use pingora::protocols::tls::CaType;
use pingora::upstreams::peer::HttpPeer;
use pingora::utils::tls::{WrappedX509, parse_x509};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::settings::{Limits, Scheme, Target, Upstream};

use super::Peer;
use super::standing::Standing;

/// Streams that share one HTTP/2 connection to a target.
const MAX_STREAMS: usize = 100;

/// What is known of an upstream's targets.
pub(super) struct Discovery {
    pub(super) upstream: Upstream,
    limits: Limits,
    trusted: Option<Arc<CaType>>,
}

impl Discovery {
    pub(super) fn new(upstream: &Upstream, limits: &Limits) -> Self {
        Self { upstream: upstream.clone(), limits: *limits, trusted: trusted(upstream) }
    }

    /// All targets at all their addresses, each once. `standing` knows how they stand.
    pub(super) async fn peers(
        &self,
        standing: impl Fn(&str, SocketAddr) -> Arc<Standing> + Send,
    ) -> Vec<Arc<Peer>> {
        let mut peers: Vec<Arc<Peer>> = Vec::new();
        for target in &self.upstream.targets {
            let authority = target.authority();
            for address in resolve(target).await {
                if !peers.iter().any(|peer| peer.address == address && peer.authority == authority) {
                    let standing = standing(&authority, address);
                    peers.push(Arc::new(self.peer(target, address, standing)));
                }
            }
        }
        peers
    }

    fn peer(&self, target: &Target, address: SocketAddr, standing: Arc<Standing>) -> Peer {
        let authority = target.authority();
        let mut http = HttpPeer::new(address, target.scheme.is_tls(), target.host.clone());
        let options = &mut http.options;
        options.connection_timeout = Some(self.upstream.timeout.connect);
        options.total_connection_timeout = Some(self.upstream.timeout.connect);
        options.read_timeout = Some(self.upstream.timeout.item);
        options.write_timeout = Some(self.upstream.timeout.item);
        options.idle_timeout = Some(self.limits.idle_timeout);
        options.verify_cert = self.upstream.verify;
        options.verify_hostname = self.upstream.verify;
        options.ca.clone_from(&self.trusted);
        options.max_h2_streams = MAX_STREAMS;
        options.alpn = match target.scheme {
            Scheme::Http => ALPN::H1,
            Scheme::Https => ALPN::H2H1,
            Scheme::H2c | Scheme::H2 => ALPN::H2,
        };
        let mut http1 = http.clone();
        http1.options.alpn = ALPN::H1;
        Peer {
            http,
            http1,
            host: HeaderValue::from_str(&authority).unwrap_or(HeaderValue::from_static("")),
            origin: format!("{}://{authority}", target.scheme.url_scheme()),
            authority,
            address,
            scheme: target.scheme,
            weight: target.weight.get(),
            is_checked: self.upstream.health_check.is_some(),
            standing,
        }
    }
}

/// The target's addresses: of a name, the IPv4 ones if it has any. A name such as `localhost` has
/// both, and legacy services often listen on IPv4 alone.
async fn resolve(target: &Target) -> Vec<SocketAddr> {
    if let Ok(address) = target.host.parse() {
        return vec![SocketAddr::new(address, target.port)];
    }
    let lookup = tokio::net::lookup_host((target.host.as_str(), target.port));
    match tokio::time::timeout(Duration::from_secs(5), lookup).await {
        Ok(Ok(addresses)) => {
            let (four, six): (Vec<_>, Vec<_>) = addresses.partition(SocketAddr::is_ipv4);
            if four.is_empty() { six } else { four }
        }
        Ok(Err(error)) => {
            tracing::warn!(host = target.host, %error, "a target's name could not be resolved");
            Vec::new()
        }
        Err(_) => {
            tracing::warn!(host = target.host, "a target's name was not resolved in time");
            Vec::new()
        }
    }
}

/// The certificates to trust instead of the system's, from `tls.ca`.
fn trusted(upstream: &Upstream) -> Option<Arc<CaType>> {
    let path = upstream.ca.as_ref()?;
    let certificates = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match certificates {
        Ok(certificates) => {
            let parse = |certificate: CertificateDer<'_>| WrappedX509::new(certificate.to_vec(), parse_x509);
            Some(certificates.into_iter().map(parse).collect::<Box<CaType>>().into())
        }
        Err(error) => {
            tracing::error!(upstream = upstream.name, %error, "tls.ca could not be read");
            None
        }
    }
}
