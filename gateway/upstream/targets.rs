//! An upstream's targets: resolved to addresses, and balanced among those that take calls.
//!
//! In: a key for each call, and how each call went. Out: a [`Lease`] of the target that gets it, or why none does.
//! Choosing takes a few atomics. Names are looked up again from time to time, which replaces the complete set of
//! addresses; the state of an address that stays is kept. Addresses that are written as numbers are never looked up.
//!
//! Whether another target is tried after one has failed is the task of `failover`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::StatusCode;
use parking_lot::Mutex;
use prometheus::{IntCounter, IntCounterVec};

use crate::address::TargetAddress;
use crate::clock::Deadline;
use crate::config::{Balance, Breaker, HealthCheck, Target, Upstream};
use crate::dispatch::CallFailure;
use crate::header::retry_after::whole_seconds;
use crate::problem::failure_reason;
use crate::telemetry::TargetMetrics;

use super::balance::Addresses;
use super::circuit::CircuitState;
use super::discovery::{Discovery, SharedSettings};
use super::lease::Lease;
use super::peer::Peer;
use super::target_state::TargetState;

/// What an operator does with a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByHand {
    /// It gets no more calls.
    Out,
    /// It gets calls again.
    In,
}

/// How long a client should wait if it is unknown when a target will take calls again.
const PROBED_FOR: Duration = Duration::from_secs(1);

/// An upstream's targets.
pub(crate) struct Targets {
    discovery: Discovery,
    addresses: ArcSwap<Addresses>,
    /// By name: whether the target was taken out by hand.
    by_hand: Vec<(String, Arc<AtomicBool>)>,
    /// When the names are to be looked up again.
    again: Mutex<Option<Deadline>>,
    authorities: Vec<String>,
    counts: Counts,
}

/// The counters of an upstream's targets.
pub(crate) struct Counts {
    /// Times that a circuit opened.
    pub(crate) ejections: IntCounter,
    /// Look-ups that failed, by upstream and reason.
    pub(crate) lookup_failures: IntCounterVec,
    /// Those of one target.
    pub(crate) targets: TargetMetrics,
}

impl Targets {
    /// Looks their names up. Targets that were there `before` keep their state.
    pub(crate) async fn new(
        upstream: &Upstream,
        shared: SharedSettings<'_>,
        counts: Counts,
        before: Option<&Self>,
    ) -> Self {
        let targets = Self::unresolved(upstream, shared, counts, before);
        let peers = targets.resolve().await;
        targets.use_only(peers);
        targets.forget_removed_targets();
        targets
    }

    /// The same targets under settings in which only certificates are new. No name is looked up.
    pub(crate) fn renewed(&self, upstream: &Upstream, shared: SharedSettings<'_>, counts: Counts) -> Self {
        let targets = Self::unresolved(upstream, shared, counts, Some(self));
        *targets.again.lock() = *self.again.lock();
        targets.use_only(targets.known_peers());
        targets
    }

    fn unresolved(
        upstream: &Upstream,
        shared: SharedSettings<'_>,
        counts: Counts,
        before: Option<&Self>,
    ) -> Self {
        let by_hand = upstream.targets.iter().map(|target| {
            let name = target.name();
            let kept = before.and_then(|before| before.hand_on(&name)).cloned();
            (name, kept.unwrap_or_default())
        });
        let known = before.map(|before| before.addresses.load_full());
        Self {
            by_hand: by_hand.collect(),
            addresses: ArcSwap::new(
                known.unwrap_or_else(|| Arc::new(Addresses::new(Vec::new(), &upstream.balance))),
            ),
            discovery: Discovery::new(upstream, shared, before.map(|before| &before.discovery)),
            again: Mutex::new(None),
            authorities: upstream.targets.iter().flat_map(spellings).collect(),
            counts,
        }
    }

    /// Looks the names up again, if it is time to.
    pub(crate) async fn resolve_if_due(&self) {
        let is_due = self.again.lock().is_some_and(Deadline::is_over);
        if !is_due {
            return;
        }
        let peers = self.resolve().await;
        // Otherwise the rotation would start over.
        if !self.addresses.load().are(&peers) {
            self.use_only(peers);
        }
    }

    fn use_only(&self, peers: Vec<Arc<Peer>>) {
        self.addresses.store(Arc::new(Addresses::new(peers, &self.settings().balance)));
    }

    /// Looks the names up. Returns the targets at the addresses that are then known.
    async fn resolve(&self) -> Vec<Arc<Peer>> {
        let again_after = self.discovery.look_up(&self.counts.lookup_failures).await;
        *self.again.lock() = (again_after < Duration::MAX).then(|| Deadline::after(again_after));
        self.known_peers()
    }

    /// The targets at the addresses that are known.
    fn known_peers(&self) -> Vec<Arc<Peer>> {
        let known = self.addresses.load_full();
        let state = |name: &str, address: &TargetAddress| {
            let is_it = |peer: &&Arc<Peer>| peer.address == *address && *peer.name == *name;
            let kept = known.peers.iter().find(is_it).map(|peer| Arc::clone(&peer.state));
            kept.unwrap_or_else(|| {
                let counts = self.counts.targets.of(&self.settings().name, name);
                Arc::new(TargetState::new(self.hand_on(name).cloned().unwrap_or_default(), counts))
            })
        };
        self.discovery.peers(state)
    }

    /// Resets what only health checks or a breaker could reset, if this configuration has none.
    fn forget_removed_targets(&self) {
        for peer in &self.peers() {
            if self.health_check().is_none() {
                peer.state.set_healthy(true);
            }
            if self.breaker().max_ejected == 0 {
                peer.state.circuit.reset();
            }
        }
    }

    const fn settings(&self) -> &Upstream {
        &self.discovery.upstream
    }

    const fn breaker(&self) -> &Breaker {
        &self.settings().breaker
    }

    /// How targets are asked whether they are healthy.
    pub(crate) const fn health_check(&self) -> Option<&HealthCheck> {
        self.settings().health_check.as_ref()
    }

    /// All targets at all their addresses.
    pub(crate) fn peers(&self) -> Vec<Arc<Peer>> {
        self.addresses.load().peers.to_vec()
    }

    /// The next target, leaving out those in `tried`. `key` is for `consistent_hash`.
    ///
    /// # Errors
    /// No target takes a call: why, where none was tried.
    pub(crate) fn next(&self, tried: &[TargetAddress], key: &[u8]) -> Result<Lease, CallFailure> {
        let addresses = self.addresses.load();
        let slow_start = self.settings().slow_start;
        let ask = |peer: &Arc<Peer>| if tried.contains(&peer.address) { None } else { Lease::take(peer) };
        addresses.first(key, slow_start, ask).ok_or_else(|| why_none(&addresses))
    }

    /// The same target again, if it takes calls now and this call does not belong to another.
    pub(crate) fn again(&self, peer: &Arc<Peer>, tried: &[TargetAddress], key: &[u8]) -> Option<Lease> {
        match &self.settings().balance {
            Balance::RoundRobin | Balance::LeastBusy if tried.contains(&peer.address) => None,
            Balance::RoundRobin | Balance::LeastBusy => Lease::take(peer),
            Balance::ConsistentHash { .. } => {
                self.next(tried, key).ok().filter(|chosen| chosen.peer().address == peer.address)
            }
        }
    }

    /// Whether another target than those in `tried` takes calls. A spare address does not count while another of its name
    /// takes calls.
    pub(crate) fn has_other(&self, tried: &[TargetAddress]) -> bool {
        let addresses = self.addresses.load();
        let is_needed = |spare: &Peer| {
            let others = addresses.peers.iter().filter(|peer| peer.name == spare.name);
            !others.into_iter().any(|peer| !peer.is_spare() && peer.is_up())
        };
        let untried = addresses.peers.iter().filter(|peer| !tried.contains(&peer.address) && peer.is_up());
        untried.into_iter().any(|peer| !peer.is_spare() || is_needed(peer))
    }

    /// Another address of the same host, leaving out those in `tried`; one of the other family first (RFC 8305 §4).
    pub(crate) fn elsewhere(&self, peer: &Peer, tried: &[TargetAddress]) -> Option<Lease> {
        let addresses = self.addresses.load();
        let is_it = |other: &&Arc<Peer>| {
            other.name == peer.name
                && other.instance == peer.instance
                && other.address != peer.address
                && !tried.contains(&other.address)
        };
        let is_other_family = |other: &&Arc<Peer>| other.address.is_other_family(&peer.address);
        let all = || addresses.peers.iter().filter(is_it);
        all().filter(is_other_family).chain(all()).find_map(Lease::take)
    }

    /// A call was answered.
    pub(crate) fn answered(&self, lease: &mut Lease, status: StatusCode) {
        if self.breaker().status.contains(&status) { self.count_failure(lease) } else { went_well(lease) }
    }

    /// A call brought no reply. A failure that the breaker does not count is as good as an answer: the target is there.
    pub(crate) fn failed(&self, lease: &mut Lease, failure: CallFailure) {
        lease.peer().state.counts.failure(failure_reason(failure));
        if self.breaker().on.count(failure) { self.count_failure(lease) } else { went_well(lease) }
    }

    fn count_failure(&self, lease: &mut Lease) {
        let terms = self.breaker();
        let state = &lease.peer().state;
        let opened = state.circuit.failed(lease.admission, terms, state.now(), || self.may_eject());
        if let Some(lasts) = opened {
            self.counts.ejections.inc();
            let (upstream, target) = (&self.settings().name, &*lease.peer().name);
            let address = &lease.peer().address;
            let seconds = lasts.as_secs_f64();
            tracing::warn!(kind = "ejection", upstream, target, %address, seconds, "a target keeps failing and gets no calls");
        }
        lease.settled();
    }

    /// Whether one more address may be ejected. Spare addresses are not counted.
    fn may_eject(&self) -> bool {
        let addresses = self.addresses.load();
        let closed = |peer: &&Arc<Peer>| peer.state.circuit_state() == CircuitState::Closed;
        let counted = || addresses.peers.iter().filter(|peer| !peer.is_spare());
        let all = counted().count();
        let ejected = all - counted().filter(closed).count();
        let most = usize::try_from(self.breaker().max_ejected).unwrap_or(100);
        (ejected + 1) * 100 <= most * all
    }

    fn hand_on(&self, name: &str) -> Option<&Arc<AtomicBool>> {
        self.by_hand.iter().find(|(own, _)| own == name).map(|(_, out)| out)
    }

    /// Takes a target out, or puts it back. Returns whether there is such a target.
    pub(crate) fn switch(&self, name: &str, to: ByHand) -> bool {
        let Some(taken_out) = self.hand_on(name) else { return false };
        let was_out = taken_out.swap(to == ByHand::Out, Ordering::Relaxed);
        let is_back = was_out && to == ByHand::In;
        for peer in self.peers().iter().filter(|peer| is_back && *peer.name == *name) {
            peer.state.is_back();
        }
        true
    }

    /// The targets' names, and whether each was taken out by hand.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&str, bool)> {
        self.by_hand.iter().map(|(name, out)| (name.as_str(), out.load(Ordering::Relaxed)))
    }

    /// Whether an operator has taken all of them out.
    pub(crate) fn are_all_out(&self) -> bool {
        !self.by_hand.is_empty() && self.names().all(|(_, is_out)| is_out)
    }

    /// Whether an authority is one of the targets'.
    pub(crate) fn go_by(&self, authority: &str) -> bool {
        self.authorities.iter().any(|own| own.eq_ignore_ascii_case(authority))
    }
}

fn why_none(addresses: &Addresses) -> CallFailure {
    let open = addresses.peers.iter().filter(|peer| peer.is_in());
    let left = open.map(|peer| match peer.state.circuit_state() {
        CircuitState::Open(left) => left,
        CircuitState::HalfOpen | CircuitState::Closed => PROBED_FOR,
    });
    match left.min() {
        Some(left) => CallFailure::CircuitOpen { seconds: whole_seconds(left).max(1) },
        None => CallFailure::NoTarget,
    }
}

fn went_well(lease: &mut Lease) {
    let state = &lease.peer().state;
    if state.circuit.succeeded(lease.admission, || state.now()) {
        state.is_back();
    }
    lease.settled();
}

/// Its authority as configured, and with its port.
fn spellings(target: &Target) -> [String; 2] {
    [target.authority(), target.authority_with_port()]
}

#[cfg(test)]
mod tests;
