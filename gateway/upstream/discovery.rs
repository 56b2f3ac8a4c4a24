//! Where an upstream's targets are: names resolved to addresses, and what it takes to connect to them.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use http::HeaderValue;
use pingora::protocols::ALPN;
use pingora::protocols::tls::CaType;
use pingora::upstreams::peer::HttpPeer;
use pingora::utils::tls::{WrappedX509, parse_x509};
use prometheus::IntCounterVec;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::config::{Http2, Limits, Scheme, Target, Upstream};
use crate::telemetry::{LogThrottle, LookupFailure};

use super::connections::UpstreamTls;
use super::names::{Known, Names};
use super::peer::Peer;
use super::target_state::TargetState;

/// After the system's own resolver could not be set up.
const RETRY_SET_UP: Duration = Duration::from_secs(5);

/// What is known of an upstream's targets.
pub(crate) struct Discovery {
    pub(crate) upstream: Upstream,
    limits: Limits,
    trusted: Option<Arc<CaType>>,
    tls: Option<Arc<UpstreamTls>>,
    servers: Vec<SocketAddr>,
    /// By host.
    known: Mutex<HashMap<String, Known>>,
    throttle: LogThrottle,
}

impl Discovery {
    /// `servers`: the name servers of the configuration. What was known `before` is believed until something else is
    /// known.
    pub(crate) fn new(
        upstream: &Upstream,
        (limits, servers): (&Limits, &[SocketAddr]),
        before: Option<&Self>,
    ) -> Self {
        let known = before.map(|before| locked(&before.known).clone()).unwrap_or_default();
        let tls = UpstreamTls::new(upstream).map(Arc::new);
        Self {
            upstream: upstream.clone(),
            limits: *limits,
            trusted: trusted(upstream),
            tls,
            servers: servers.to_vec(),
            known: Mutex::new(known),
            throttle: LogThrottle::default(),
        }
    }

    /// Looks all names up, at once. Says when to look again, and counts what failed.
    pub(crate) async fn look_up(&self, failures: &IntCounterVec) -> Duration {
        let targets = self.upstream.targets.iter();
        let hosts: BTreeSet<_> =
            targets.filter(|target| is_name(target)).map(|target| &*target.host).collect();
        if hosts.is_empty() {
            return Duration::MAX;
        }
        // Made anew each time: the files that it reads may have changed.
        let names = match Names::new(&self.servers) {
            Ok(names) => names,
            Err(error) => {
                tracing::error!(upstream = self.upstream.name, %error, "the resolver could not be set up");
                return RETRY_SET_UP;
            }
        };
        let found = join_all(hosts.iter().map(|host| names.look_up(host))).await;
        let mut again_after = Duration::MAX;
        for (host, found) in hosts.into_iter().zip(found) {
            let (learnt, is_known) = {
                let mut known = locked(&self.known);
                let known = known.entry(host.to_owned()).or_default();
                (known.learn(found), !known.is_empty())
            };
            again_after = again_after.min(learnt.again_after);
            if let Some(failure) = learnt.failure {
                self.not_found(host, failure, (is_known, failures));
            }
        }
        again_after
    }

    fn not_found(&self, host: &str, failure: LookupFailure, (is_known, failures): (bool, &IntCounterVec)) {
        let (upstream, reason) = (self.upstream.name.as_str(), failure.as_str());
        let count = failures.with_label_values(&[upstream, reason]);
        count.inc();
        if !self.throttle.may_log() {
            return;
        }
        let so_far = count.get();
        let message = if is_known {
            "a target's name could not be looked up; its last addresses stay"
        } else {
            "a target's name could not be looked up"
        };
        tracing::warn!(kind = "lookup", upstream, host, reason, so_far, message);
    }

    /// All targets at all the addresses that they are known to have, each once. `standing` knows how they stand.
    pub(crate) fn peers(&self, standing: impl Fn(&str, SocketAddr) -> Arc<TargetState>) -> Vec<Arc<Peer>> {
        let mut peers: Vec<Arc<Peer>> = Vec::new();
        for target in &self.upstream.targets {
            let authority = target.authority();
            for (address, is_spare) in self.addresses(target) {
                if !peers.iter().any(|peer| peer.address == address && peer.authority == authority) {
                    let standing = standing(&authority, address);
                    peers.push(Arc::new(self.peer(target, (address, is_spare), standing)));
                }
            }
        }
        peers
    }

    fn addresses(&self, target: &Target) -> Vec<(SocketAddr, bool)> {
        let with_port = |(address, is_spare)| (SocketAddr::new(address, target.port), is_spare);
        match target.host.parse::<IpAddr>() {
            Ok(address) => vec![with_port((address, false))],
            Err(_) => locked(&self.known)
                .get(&target.host)
                .map(|known| known.addresses().map(with_port).collect())
                .unwrap_or_default(),
        }
    }

    fn peer(
        &self,
        target: &Target,
        (address, is_spare): (SocketAddr, bool),
        standing: Arc<TargetState>,
    ) -> Peer {
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
        let http2 = &self.upstream.http2;
        options.max_h2_streams = http2.streams.get();
        options.h2_stream_window_size = Some(http2.stream_window);
        options.h2_connection_window_size = Some(http2.connection_window());
        options.alpn = match target.scheme {
            Scheme::Http => ALPN::H1,
            Scheme::Https => ALPN::H2H1,
            Scheme::H2c | Scheme::H2 => ALPN::H2,
        };
        let tls = self.tls.as_ref().filter(|_| target.scheme.is_tls());
        http.group_key = group(tls.map_or(0, |tls| tls.verified()), &self.upstream.http2);
        let mut http1 = http.clone();
        http1.options.alpn = ALPN::H1;
        Peer {
            http,
            http1,
            tls: tls.cloned(),
            host: HeaderValue::from_str(&authority).unwrap_or(HeaderValue::from_static("")),
            origin: format!("{}://{authority}", target.scheme.url_scheme()),
            authority,
            address,
            is_spare,
            scheme: target.scheme,
            weight: target.weight.get(),
            is_checked: self.upstream.health_check.is_some(),
            standing,
        }
    }
}

/// Connections of different groups are never shared: what was verified differs, or what was said to the target when
/// they were opened. The address, the host and whether TLS is spoken count anyway, and versions of HTTP are kept apart.
fn group(verified: u64, http2: &Http2) -> u64 {
    let mut hasher = DefaultHasher::new();
    (verified, http2.stream_window).hash(&mut hasher);
    hasher.finish()
}

/// Whether it has to be looked up.
pub(crate) fn is_name(target: &Target) -> bool {
    target.host.parse::<IpAddr>().is_err()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
            // Then nobody is trusted, rather than those whom the system trusts.
            tracing::error!(upstream = upstream.name, %error, "tls.ca could not be read");
            Some(Box::<CaType>::default().into())
        }
    }
}
