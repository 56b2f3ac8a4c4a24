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
use crate::telemetry::LogThrottle;

use super::connections::tls::UpstreamTls;
use super::learnt::Learnt;
use super::names::{Known, Names};
use super::peer::Peer;
use super::services;
use super::target_state::TargetState;

/// After the system's own resolver could not be set up.
const RETRY_SET_UP: Duration = Duration::from_secs(5);

/// Said of a name whose look-up failed, without addresses from before.
const NOT_FOUND: &str = "a target's name could not be looked up";
/// Said of one that has some.
const STAYS: &str = "a target's name could not be looked up; its last addresses stay";

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
    /// By name of the service.
    services: Mutex<HashMap<String, services::Known>>,
    throttle: LogThrottle,
}

/// One of a target's addresses.
#[derive(Clone)]
struct Found {
    address: TargetAddress,
    instance: usize,
    tier: usize,
    /// Its share of the calls, relative to the others'.
    weight: usize,
}

impl Discovery {
    /// The addresses known `before` count until others are known.
    pub(crate) fn new(upstream: &Upstream, shared: SharedSettings<'_>, before: Option<&Self>) -> Self {
        let known = before.map(|before| before.known.lock().clone()).unwrap_or_default();
        let services = before.map(|before| before.services.lock().clone()).unwrap_or_default();
        Self {
            upstream: upstream.clone(),
            idle_timeout: shared.idle_timeout,
            tls: UpstreamTls::new(upstream).map(Arc::new),
            servers: shared.name_servers.to_vec(),
            known: Mutex::new(known),
            services: Mutex::new(services),
            throttle: LogThrottle::default(),
        }
    }

    /// Looks all names up: services first, then all hosts at once. Returns when to look again, and counts failures.
    pub(crate) async fn look_up(&self, failures: &IntCounterVec) -> Duration {
        let services: BTreeSet<_> = self.upstream.targets.iter().filter_map(service_of).collect();
        let mut hosts: BTreeSet<_> =
            self.upstream.targets.iter().filter_map(name_of).map(str::to_owned).collect();
        if hosts.is_empty() && services.is_empty() {
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
        let mut again_after = Duration::MAX;
        let found = join_all(services.iter().map(|name| names.look_up_service(name))).await;
        for (name, found) in services.iter().zip(found) {
            let mut known = self.services.lock();
            let known = known.entry((*name).to_owned()).or_default();
            let learnt = known.learn(found);
            hosts.extend(known.hosts().map(str::to_owned));
            again_after = again_after.min(learnt.again_after);
            let message = if known.is_empty() { NOT_FOUND } else { STAYS };
            self.count_failure(name, learnt, message, failures);
        }
        let found = join_all(hosts.iter().map(|host| names.look_up(host))).await;
        for (host, found) in hosts.iter().zip(found) {
            let mut known = self.known.lock();
            let known = known.entry(host.clone()).or_default();
            let learnt = known.learn(found);
            again_after = again_after.min(learnt.again_after);
            let message = if known.is_empty() { NOT_FOUND } else { STAYS };
            self.count_failure(host, learnt, message, failures);
        }
        // A service's hosts come and go.
        self.known.lock().retain(|host, _| hosts.contains(host));
        again_after
    }

    fn count_failure(&self, host: &str, learnt: Learnt, message: &str, failures: &IntCounterVec) {
        let Some(failure) = learnt.failure else { return };
        let (upstream, reason) = (self.upstream.name.as_str(), failure.as_str());
        let count = failures.with_label_values(&[upstream, reason]);
        count.inc();
        if self.throttle.may_log() {
            tracing::warn!(kind = "lookup", upstream, host, reason, so_far = count.get(), message);
        }
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
        let weight = target.weight.get();
        match &target.place {
            Place::Socket(path) => {
                vec![Found { address: TargetAddress::Unix(path.clone()), instance: 0, tier: 0, weight }]
            }
            Place::Host { host, port } => match host.parse::<IpAddr>() {
                Ok(address) => {
                    vec![Found {
                        address: SocketAddr::new(address, *port).into(),
                        instance: 0,
                        tier: 0,
                        weight,
                    }]
                }
                Err(_) => self.at_host(host, *port, weight),
            },
            Place::Service { name } => self.of_service(name),
        }
    }

    fn at_host(&self, host: &str, port: u16, weight: usize) -> Vec<Found> {
        let found = |(address, is_spare)| {
            let address = SocketAddr::new(address, port).into();
            Found { address, instance: 0, tier: usize::from(is_spare), weight }
        };
        self.known.lock().get(host).map(|known| known.addresses().map(found).collect()).unwrap_or_default()
    }

    /// All addresses of all instances. Tiers without an address don't count: the first one that has some is in use.
    fn of_service(&self, name: &str) -> Vec<Found> {
        let services = self.services.lock();
        let mut found = Vec::new();
        let ranked = services.get(name).into_iter().flat_map(services::Known::ranked);
        for (number, (rank, instance)) in ranked.enumerate() {
            let at_host = self.at_host(&instance.host, instance.port, instance.weight);
            found.extend(at_host.into_iter().map(|at| Found {
                instance: number,
                tier: 2 * rank + at.tier,
                ..at
            }));
        }
        let tiers: BTreeSet<_> = found.iter().map(|found| found.tier).collect();
        for one in &mut found {
            one.tier = tiers.range(..one.tier).count();
        }
        found
    }

    fn peer(&self, target: &Target, found: Found, state: Arc<TargetState>) -> Peer {
        let Found { address, instance, tier, weight } = found;
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
            instance,
            tier,
            scheme: target.scheme,
            weight,
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
    HttpPeer::new(address, target.scheme.is_tls(), target.tls_name().to_owned())
}

/// The name that has to be looked up, if there is one.
fn name_of(target: &Target) -> Option<&str> {
    match &target.place {
        Place::Host { host, .. } => Some(host.as_str()).filter(|host| host.parse::<IpAddr>().is_err()),
        Place::Service { .. } | Place::Socket(_) => None,
    }
}

/// The name of a service whose records have to be looked up, if it is one.
fn service_of(target: &Target) -> Option<&str> {
    match &target.place {
        Place::Service { name } => Some(name),
        Place::Host { .. } | Place::Socket(_) => None,
    }
}
