//! Finds an upstream's targets: resolves their names to addresses, and prepares the connectors.
//!
//! In: the settings of an upstream. Out: a [`Peer`] for each target at each of its addresses. The addresses of a name
//! are kept until others are known, also across a reload. It knows neither who chooses among the peers nor how
//! their states change; the state of an address is passed in.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use http::HeaderValue;
use parking_lot::Mutex;
use pingora::upstreams::peer::{HttpPeer, Peer as _};
use prometheus::IntCounterVec;

use crate::address::{SocketPath, TargetAddress};
use crate::config::{Http2, Place, Target, Upstream};
use crate::telemetry::{LogThrottle, LookupFailure};

use super::connections::tls::UpstreamTls;
use super::names::{Known, Names};
use super::peer::Peer;
use super::target_state::TargetState;

/// After the system's own resolver could not be set up.
const RETRY_SET_UP: Duration = Duration::from_secs(5);

/// The settings that the targets of all upstreams share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SharedSettings<'settings> {
    /// How long a connection stays idle.
    pub(crate) idle_timeout: Duration,
    /// The name servers to ask in place of the system's.
    pub(crate) name_servers: &'settings [SocketAddr],
}

/// The addresses of an upstream's targets, as far as they are known.
pub(crate) struct Discovery {
    pub(crate) upstream: Upstream,
    idle_timeout: Duration,
    tls: Option<Arc<UpstreamTls>>,
    servers: Vec<SocketAddr>,
    /// By host.
    known: Mutex<HashMap<String, Known>>,
    throttle: LogThrottle,
}

/// One of a target's addresses.
#[derive(Clone)]
struct Found {
    address: TargetAddress,
    is_spare: bool,
}

impl Found {
    const fn always(address: TargetAddress) -> Self {
        Self { address, is_spare: false }
    }
}

impl Discovery {
    /// The addresses known `before` count until others are known.
    pub(crate) fn new(upstream: &Upstream, shared: SharedSettings<'_>, before: Option<&Self>) -> Self {
        let known = before.map(|before| before.known.lock().clone()).unwrap_or_default();
        Self {
            upstream: upstream.clone(),
            idle_timeout: shared.idle_timeout,
            tls: UpstreamTls::new(upstream).map(Arc::new),
            servers: shared.name_servers.to_vec(),
            known: Mutex::new(known),
            throttle: LogThrottle::default(),
        }
    }

    /// Looks all names up at once. Returns when to look again, and counts failures.
    pub(crate) async fn look_up(&self, failures: &IntCounterVec) -> Duration {
        let hosts: BTreeSet<_> = self.upstream.targets.iter().filter_map(name_of).collect();
        if hosts.is_empty() {
            return Duration::MAX;
        }
        // Created each time: the files that it reads may have changed.
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
            let learnt = self.known.lock().entry(host.to_owned()).or_default().learn(found);
            again_after = again_after.min(learnt.again_after);
            if let Some(failure) = learnt.failure {
                let count = failures.with_label_values(&[self.upstream.name.as_str(), failure.as_str()]);
                count.inc();
                if self.throttle.may_log() {
                    self.log_failure(host, failure, count.get());
                }
            }
        }
        again_after
    }

    fn log_failure(&self, host: &str, failure: LookupFailure, so_far: u64) {
        let (upstream, reason) = (self.upstream.name.as_str(), failure.as_str());
        let is_known = self.known.lock().get(host).is_some_and(|known| !known.is_empty());
        let message = if is_known {
            "a target's name could not be looked up; its last addresses stay"
        } else {
            "a target's name could not be looked up"
        };
        tracing::warn!(kind = "lookup", upstream, host, reason, so_far, message);
    }

    /// All targets at all their known addresses, each once. `state` returns the state of an address.
    pub(crate) fn peers(&self, state: impl Fn(&str, &TargetAddress) -> Arc<TargetState>) -> Vec<Arc<Peer>> {
        let mut peers: Vec<Arc<Peer>> = Vec::new();
        for target in &self.upstream.targets {
            let name = target.name();
            for found in self.addresses(target) {
                if !peers.iter().any(|peer| peer.address == found.address && *peer.name == *name) {
                    let state = state(&name, &found.address);
                    peers.push(Arc::new(self.peer(target, found, state)));
                }
            }
        }
        peers
    }

    fn addresses(&self, target: &Target) -> Vec<Found> {
        let (host, port) = match &target.place {
            Place::Socket(path) => return vec![Found::always(TargetAddress::Unix(path.clone()))],
            Place::Host { host, port } => (host, *port),
        };
        let with_port = |address| TargetAddress::Tcp(SocketAddr::new(address, port));
        if let Ok(address) = host.parse::<IpAddr>() {
            return vec![Found::always(with_port(address))];
        }
        let found = |(address, is_spare)| Found { address: with_port(address), is_spare };
        self.known.lock().get(host).map(|known| known.addresses().map(found).collect()).unwrap_or_default()
    }

    fn peer(&self, target: &Target, found: Found, state: Arc<TargetState>) -> Peer {
        let Found { address, is_spare } = found;
        let authority = target.authority();
        let mut http = for_pingora(target, &address);
        let options = &mut http.options;
        options.total_connection_timeout = Some(self.upstream.timeout.connect);
        options.read_timeout = Some(self.upstream.timeout.item);
        options.write_timeout = Some(self.upstream.timeout.item);
        options.idle_timeout = Some(self.idle_timeout);
        let http2 = &self.upstream.http2;
        options.max_h2_streams = http2.streams.get();
        options.h2_stream_window_size = Some(http2.stream_window);
        options.h2_connection_window_size = Some(http2.connection_window());
        let tls = self.tls.as_ref().filter(|_| target.scheme.is_tls());
        http.group_key = group(tls.map_or(0, |tls| tls.verified), &self.upstream.http2, socket_of(&address));
        Peer {
            pool_key: http.reuse_hash(),
            idle_timeout: self.idle_timeout,
            http,
            tls: tls.cloned(),
            host: HeaderValue::from_str(&authority).unwrap_or(HeaderValue::from_static("")),
            origin: format!("{}://{authority}", target.scheme.url_scheme()),
            authority,
            name: target.name().into(),
            address,
            is_spare,
            scheme: target.scheme,
            weight: target.weight.get(),
            is_checked: self.upstream.health_check.is_some(),
            state,
        }
    }
}

/// The part of the pool's key that is ours. Connections of different groups are never shared, because something else was
/// verified when they were opened, or something else was said to the target. The address of TCP, the host and whether TLS is
/// spoken are in the key anyway, and each version of HTTP has its own connections.
fn group(verified: u64, http2: &Http2, socket: Option<&SocketPath>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (verified, http2.stream_window, socket).hash(&mut hasher);
    hasher.finish()
}

fn socket_of(address: &TargetAddress) -> Option<&SocketPath> {
    match address {
        TargetAddress::Tcp(_) => None,
        TargetAddress::Unix(path) => Some(path),
    }
}

/// A target for pingora's pool of HTTP/2. Before the pool hands out a connection, it compares the peer's address with the one
/// that the system reports. For a Unix socket the system reports the path that the service bound, which can be relative, or
/// another name of the same file. So sockets get the address 0.0.0.0, for which the pool compares nothing, and [`group`]
/// tells them apart.
fn for_pingora(target: &Target, address: &TargetAddress) -> HttpPeer {
    let address = match address {
        TargetAddress::Tcp(address) => *address,
        TargetAddress::Unix(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
    };
    let host = match &target.place {
        Place::Host { host, .. } => host.clone(),
        Place::Socket(_) => String::new(),
    };
    HttpPeer::new(address, target.scheme.is_tls(), host)
}

/// The name that has to be looked up, if there is one.
fn name_of(target: &Target) -> Option<&str> {
    match &target.place {
        Place::Host { host, .. } => Some(host.as_str()).filter(|host| host.parse::<IpAddr>().is_err()),
        Place::Socket(_) => None,
    }
}
