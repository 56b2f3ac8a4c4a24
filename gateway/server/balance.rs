//! Which target gets the next call: an upstream's targets, resolved to addresses and balanced by
//! pingora's load balancer. Names are resolved again from time to time; addresses that are written
//! as numbers never are.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::HeaderValue;
use pingora::lb::discovery::ServiceDiscovery;
use pingora::lb::selection::RoundRobin;
use pingora::lb::{Backend, Backends, Extensions, LoadBalancer};
use pingora::protocols::ALPN;
use pingora::protocols::tls::CaType;
use pingora::upstreams::peer::HttpPeer;
use pingora::utils::tls::{WrappedX509, parse_x509};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::settings::{Limits, Scheme, Target, Upstream};

/// Streams that share one HTTP/2 connection to a target.
const MAX_STREAMS: usize = 100;

/// A target at one address, ready to be connected to.
pub(super) struct Peer {
    /// What pingora connects to: HTTP/2 wherever the target speaks it.
    pub(super) http: HttpPeer,
    /// The same, for lanes: HTTP/1.1 only.
    pub(super) http1: HttpPeer,
    /// `host[:port]` as Host says it.
    pub(super) host: HeaderValue,
    /// `scheme://host[:port]`.
    pub(super) origin: String,
    /// Its address.
    pub(super) address: SocketAddr,
    /// How it is spoken to.
    pub(super) scheme: Scheme,
}

/// An upstream's targets.
pub(super) struct Targets {
    balancer: LoadBalancer<RoundRobin>,
    has_names: bool,
    authorities: Vec<String>,
}

impl Targets {
    pub(super) async fn new(upstream: &Upstream, limits: &Limits) -> Self {
        let discovery = Discovery { upstream: upstream.clone(), limits: *limits, trusted: trusted(upstream) };
        let has_names =
            upstream.targets.iter().any(|target| target.host.parse::<std::net::IpAddr>().is_err());
        let targets = Self {
            balancer: LoadBalancer::from_backends(Backends::new(Box::new(discovery))),
            has_names,
            authorities: upstream.targets.iter().flat_map(spellings).collect(),
        };
        targets.resolve().await;
        targets
    }

    /// Resolves the names again.
    pub(super) async fn resolve(&self) {
        if let Err(error) = self.balancer.update().await {
            tracing::warn!(%error, "an upstream's targets could not be resolved");
        }
    }

    /// Whether resolving again can change anything.
    pub(super) const fn has_names(&self) -> bool {
        self.has_names
    }

    /// The next target, leaving out the ones in `tried`. The first is the balancer's choice; after
    /// it every target that was not tried yet has its turn.
    pub(super) fn next(&self, tried: &[SocketAddr]) -> Option<Arc<Peer>> {
        let chosen = if tried.is_empty() { self.balancer.select(b"", 1) } else { None };
        if let Some(backend) = chosen {
            return peer_of(&backend);
        }
        let all = self.balancer.backends().get_backend();
        all.iter().filter_map(peer_of).find(|peer| !tried.contains(&peer.address))
    }

    /// Whether an authority is one of the targets'.
    pub(super) fn go_by(&self, authority: &str) -> bool {
        self.authorities.iter().any(|own| own.eq_ignore_ascii_case(authority))
    }
}

fn peer_of(backend: &Backend) -> Option<Arc<Peer>> {
    backend.ext.get::<Arc<Peer>>().cloned()
}

/// With and without the port that the scheme has anyway.
fn spellings(target: &Target) -> [String; 2] {
    let authority = target.authority();
    let host = if target.host.contains(':') { format!("[{}]", target.host) } else { target.host.clone() };
    [authority, format!("{host}:{}", target.port)]
}

struct Discovery {
    upstream: Upstream,
    limits: Limits,
    trusted: Option<Arc<CaType>>,
}

#[async_trait]
impl ServiceDiscovery for Discovery {
    async fn discover(&self) -> pingora::Result<(BTreeSet<Backend>, HashMap<u64, bool>)> {
        let mut backends = BTreeSet::new();
        for target in &self.upstream.targets {
            for address in resolve(target).await {
                let mut ext = Extensions::new();
                ext.insert(Arc::new(self.peer(target, address)));
                let addr = pingora::protocols::l4::socket::SocketAddr::Inet(address);
                backends.insert(Backend { addr, weight: target.weight.get(), ext });
            }
        }
        Ok((backends, HashMap::new()))
    }
}

impl Discovery {
    fn peer(&self, target: &Target, address: SocketAddr) -> Peer {
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
            address,
            scheme: target.scheme,
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
