//! One upstream at work: its settings and everything that its calls share.
//!
//! Items of batches and single requests are handed an [`Upstream`] and find every rule here: who may call it now
//! (`limiter`, `long_lived`), which target gets the call (`targets`, [`Upstream::hash_key`]), over which connection
//! (`connections`), under which name ([`Upstream::host_for`]), and whether a retry is allowed (`retry_budget`).
//!
//! An upstream belongs to one configuration. Across a reload it passes on to its successor what must outlive it: permits
//! that are taken, long-lived exchanges that are open, the retry budget, and the state of its targets. It knows neither
//! the configuration of others nor the requests that use it.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};
use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge};
use tokio::sync::Semaphore;

use crate::config::{self, Balance, HostPolicy};
use crate::dispatch::CallFailure;
use crate::limiter::{FairLimiter, LimiterLimits, LongLived, LongLivedLimits};
use crate::problem::failure_reason;
use crate::route::{CanonicalPath, Strictness};
use crate::telemetry::{LogThrottle, Metrics};

use super::connections::Connections;
use super::discovery::SharedSettings;
use super::error;
use super::pace::Pace;
use super::peer::Peer;
use super::retry_budget::RetryBudget;
use super::targets::{Counts, Targets};

/// Calls that may look for an HTTP/2 connection at once.
const SEEKING: usize = 4;

/// A batch leaves room for so many others that begin with as many calls.
const OTHER_BATCHES: usize = 8;

/// A service whose replies take longer than this is slow.
const SLOW: Duration = Duration::from_millis(3);

/// An upstream at work.
pub(crate) struct Upstream {
    pub(crate) settings: config::Upstream,
    pub(crate) targets: Targets,
    /// The pool of all upstreams.
    pub(crate) connections: Arc<Connections>,
    /// Who may call it, and when.
    pub(crate) limiter: Arc<FairLimiter>,
    /// Upgraded connections and streams, which hold no permit.
    pub(crate) long_lived: Arc<LongLived>,
    pub(crate) retry_budget: Arc<RetryBudget>,
    /// Over HTTP/2, how many calls may look for a connection at once. Each that finds none opens one, so a batch that
    /// starts cold would open as many as it has calls under way.
    pub(crate) seeking: Semaphore,
    pub(crate) in_flight: IntGauge,
    pub(crate) pace: Pace,
    pub(crate) queued: IntGauge,
    pub(crate) queue_time: Histogram,
    /// Calls that waited for others of their own client.
    pub(crate) share_waits: IntCounter,
    opened: IntCounter,
    /// Attempts that were answered with 200, by far the most. The others are looked up.
    attempts_ok: IntCounter,
    attempts: IntCounterVec,
    connect_errors: IntCounterVec,
    /// For log lines about them.
    connect_throttle: LogThrottle,
    retries: IntCounterVec,
    retries_refused: IntCounter,
}

impl Upstream {
    /// Sets an upstream to work. `before` is the one of the same name in the configuration that this one replaces.
    pub(crate) async fn new(
        settings: &config::Upstream,
        shared: SharedSettings<'_>,
        connections: &Arc<Connections>,
        metrics: &Metrics,
        before: Option<&Self>,
    ) -> Self {
        let before_targets = before.map(|before| &before.targets);
        let targets = Targets::new(settings, shared, counts(settings, metrics), before_targets).await;
        Self::with(settings, targets, connections, metrics, before)
    }

    /// The same upstream under settings in which only certificates are new.
    pub(crate) fn renewed(
        &self,
        settings: &config::Upstream,
        shared: SharedSettings<'_>,
        metrics: &Metrics,
    ) -> Self {
        let targets = self.targets.renewed(settings, shared, counts(settings, metrics));
        Self::with(settings, targets, &self.connections, metrics, Some(self))
    }

    fn with(
        settings: &config::Upstream,
        targets: Targets,
        connections: &Arc<Connections>,
        metrics: &Metrics,
        before: Option<&Self>,
    ) -> Self {
        let (counts, name) = (&metrics.upstreams, &[settings.name.as_str()]);
        Self {
            targets,
            connections: Arc::clone(connections),
            limiter: limiter(settings, before),
            long_lived: long_lived(settings, before),
            retry_budget: before.map_or_else(Arc::default, |before| Arc::clone(&before.retry_budget)),
            seeking: Semaphore::new(SEEKING),
            in_flight: counts.items_in_flight.with_label_values(name),
            pace: Pace::default(),
            queued: counts.items_queued.with_label_values(name),
            queue_time: counts.item_queue_time.with_label_values(name),
            share_waits: counts.client_share_waits.with_label_values(name),
            opened: counts.connections_opened.with_label_values(name),
            attempts_ok: counts.attempts.with_label_values(&[&settings.name, "200"]),
            attempts: counts.attempts.clone(),
            connect_errors: counts.connect_errors.clone(),
            connect_throttle: LogThrottle::default(),
            retries: counts.retries.clone(),
            retries_refused: counts.retry_budget_exhausted.with_label_values(name),
            settings: settings.clone(),
        }
    }

    /// Returns what `consistent_hash` chooses a target by: the value of `hash_header`, which `field` looks up, or else the
    /// path of `target` without its query. `target` is what the upstream gets, behind
    /// `strip_prefix`, and all spellings of its path have one key.
    pub(crate) fn hash_key<'call>(
        &self,
        field: impl FnOnce(&HeaderName) -> Option<&'call HeaderValue>,
        target: &'call str,
    ) -> Cow<'call, [u8]> {
        let path = target.split('?').next().unwrap_or_default();
        let name = match &self.settings.balance {
            Balance::ConsistentHash { header } => header.as_ref(),
            // The key is not used.
            Balance::RoundRobin | Balance::LeastBusy => return path.as_bytes().into(),
        };
        match name.and_then(field) {
            Some(value) => value.as_bytes().into(),
            None => canonical_spelling(path),
        }
    }

    /// Whether calls take so long, although few are under way, that all of a batch should be under way at once.
    pub(crate) fn is_slow_and_idle(&self) -> bool {
        self.pace.quickest() > SLOW && !self.is_crowded()
    }

    /// Whether calls hold half of the permits that one client may have, or more.
    pub(crate) fn is_crowded(&self) -> bool {
        self.under_way() >= self.limiter.limits().permits_of_client().get() / 2
    }

    /// How many calls a batch should begin with at most, so that those of all batches soon find permits without waiting.
    pub(crate) fn room_for_a_batch(&self) -> usize {
        match self.under_way() {
            0 => usize::MAX,
            others => {
                let free = self.limiter.limits().permits_of_client().get().saturating_sub(others);
                (free / OTHER_BATCHES).max(1)
            }
        }
    }

    /// Whether a call that has its permit may open a connection while so many are idle. Otherwise there would be more
    /// connections than `concurrency`, and a service that has a process for each would run out of them.
    pub(crate) fn may_open(&self, idle: usize) -> bool {
        idle + self.limiter.held() <= self.settings.concurrency.get()
    }

    fn under_way(&self) -> usize {
        usize::try_from(self.in_flight.get()).unwrap_or_default()
    }

    /// The Host of a call to this target. `own_authority` is what the client called the gateway.
    pub(crate) fn host_for(&self, peer: &Peer, own_authority: &str) -> HeaderValue {
        let chosen = match &self.settings.host {
            HostPolicy::Target => None,
            HostPolicy::Preserve => HeaderValue::from_str(own_authority).ok(),
            HostPolicy::Fixed(host) => HeaderValue::from_str(host).ok(),
        };
        chosen.unwrap_or_else(|| peer.host.clone())
    }

    /// `scheme://host` of a call to this target, for urls in its fields (RFC 4918 §10.3).
    pub(crate) fn origin_for(&self, peer: &Peer, own_authority: &str) -> String {
        let scheme = peer.scheme.url_scheme();
        match &self.settings.host {
            HostPolicy::Target => peer.origin.clone(),
            HostPolicy::Preserve => format!("{scheme}://{own_authority}"),
            HostPolicy::Fixed(host) => format!("{scheme}://{host}"),
        }
    }

    /// Whether an authority in a reply is the upstream's own name for itself.
    pub(crate) fn goes_by(&self, authority: &str, own_authority: &str) -> bool {
        self.targets.go_by(authority)
            || match &self.settings.host {
                HostPolicy::Target => false,
                HostPolicy::Preserve => authority.eq_ignore_ascii_case(own_authority),
                HostPolicy::Fixed(host) => authority.eq_ignore_ascii_case(host),
            }
    }

    /// Counts a connection that was opened to a target.
    pub(crate) fn connection_opened(&self, peer: &Peer) {
        self.opened.inc();
        peer.state.counts.connection_opened();
    }

    /// Counts an attempt; `None`: it brought no reply.
    pub(crate) fn count_attempt(&self, status: Option<StatusCode>) {
        match status {
            Some(StatusCode::OK) => self.attempts_ok.inc(),
            Some(status) => self.count_in(&self.attempts, status.as_str()),
            None => self.count_in(&self.attempts, ""),
        }
    }

    /// Counts and logs a connection that could not be opened. The log of TLS handshakes is elsewhere (`telemetry/tls.rs`).
    pub(crate) fn not_connected(&self, peer: &Peer, failure: CallFailure, error: &pingora::Error) {
        let reason = failure_reason(failure);
        self.count_in(&self.connect_errors, reason);
        if failure != CallFailure::TlsHandshake && self.connect_throttle.may_log() {
            let (upstream, target) = (self.settings.name.as_str(), &*peer.name);
            let (address, detail) = (&peer.address, error::in_words(error));
            tracing::warn!(kind = "connect", upstream, target, %address, reason, detail, "a target could not be connected to");
        }
    }

    /// Counts a retry, also one that the budget does not limit.
    pub(crate) fn count_retry(&self, reason: &'static str) {
        self.count_in(&self.retries, reason);
    }

    /// How many retries the budget allows now.
    pub(crate) fn retries_left(&self) -> u64 {
        self.retry_budget.left(self.settings.retry.budget)
    }

    /// Takes one retry from the budget. Returns whether there was one; both are counted.
    pub(crate) fn take_retry(&self, reason: &'static str) -> bool {
        if self.retry_budget.take(self.settings.retry.budget) {
            self.count_retry(reason);
            return true;
        }
        self.retries_refused.inc();
        if self.retry_budget.throttle.may_log() {
            let upstream = self.settings.name.as_str();
            let so_far = self.retries_refused.get();
            tracing::warn!(
                kind = "retry",
                upstream,
                reason,
                limit = "retry.budget",
                so_far,
                "a retry was not made"
            );
        }
        false
    }

    fn count_in(&self, counts: &IntCounterVec, word: &str) {
        counts.with_label_values(&[self.settings.name.as_str(), word]).inc();
    }
}

/// The counters of its targets.
fn counts(settings: &config::Upstream, metrics: &Metrics) -> Counts {
    let of_upstreams = &metrics.upstreams;
    Counts {
        ejections: of_upstreams.ejections.with_label_values(&[&settings.name]),
        lookup_failures: of_upstreams.lookup_failures.clone(),
        targets: metrics.targets.clone(),
    }
}

/// The limiter of the upstream before, as long as its limits are the same: calls under way still hold their permits.
fn limiter(settings: &config::Upstream, before: Option<&Upstream>) -> Arc<FairLimiter> {
    let limits = LimiterLimits {
        permits: settings.concurrency,
        queue: settings.queue,
        share: settings.client_share,
        rate: settings.rate,
    };
    let kept = before.filter(|before| before.limiter.limits() == limits);
    kept.map_or_else(|| Arc::new(FairLimiter::new(limits)), |before| Arc::clone(&before.limiter))
}

/// The long-lived exchanges of the upstream before, under the current limits: open ones stay open.
fn long_lived(settings: &config::Upstream, before: Option<&Upstream>) -> Arc<LongLived> {
    let limits = LongLivedLimits { most: settings.upgraded, share: settings.client_share };
    let Some(before) = before else { return Arc::new(LongLived::new(limits)) };
    before.long_lived.set_limits(limits);
    Arc::clone(&before.long_lived)
}

/// The path as all its spellings are hashed. One without encodings has no other.
fn canonical_spelling(path: &str) -> Cow<'_, [u8]> {
    let parsed = path.contains('%').then(|| CanonicalPath::parse(path, Strictness::Proxied));
    match parsed {
        Some(Ok(canonical)) => canonical.as_str().as_bytes().to_vec().into(),
        Some(Err(_)) | None => path.as_bytes().into(),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::path::Path;

    use super::*;

    async fn upstream(members: &str) -> Upstream {
        let text = format!(
            "listen: 127.0.0.1:1\nupstreams: {{ a: {{ targets: [\"http://127.0.0.1:81\"], {members} }} }}\nroutes: [{{ path: /, upstream: a }}]\n"
        );
        let settings = config::parse(&text, "test.yaml", Path::new(""), &|_| None).unwrap().settings;
        let metrics = Metrics::new("0").unwrap();
        let connections = Arc::new(Connections::new(0, NonZeroUsize::MIN, Arc::clone(&metrics.tls_failures)));
        let shared =
            SharedSettings { idle_timeout: settings.limits.idle_timeout, name_servers: &settings.resolver };
        Upstream::new(&settings.upstreams[0], shared, &connections, &metrics, None).await
    }

    #[tokio::test]
    async fn a_key_is_the_field_or_the_path_that_the_service_gets() {
        let field = HeaderValue::from_static("blue");
        let by_field = "balance: consistent_hash, hash_header: X-Tenant";
        for (members, own, target, key) in [
            ("balance: consistent_hash", Some(&field), "/orders/1?a=b", "/orders/1"),
            ("balance: consistent_hash", None, "/orders/1", "/orders/1"),
            ("balance: consistent_hash", None, "/%7eme/%c3%a4?x", "/~me/%C3%A4"),
            (by_field, Some(&field), "/orders/1", "blue"),
            (by_field, None, "/orders/1?x", "/orders/1"),
            ("balance: round_robin", Some(&field), "/?x", "/"),
        ] {
            let upstream = upstream(members).await;
            let asked = |name: &HeaderName| own.filter(|_| name == "x-tenant");
            assert_eq!(*upstream.hash_key(asked, target), *key.as_bytes(), "{members} {own:?} {target}");
        }
    }

    #[tokio::test]
    async fn a_service_gets_the_host_that_the_settings_say() {
        for (members, host, is_own) in [
            ("host: target", "127.0.0.1:81", false),
            ("host: preserve", "gw.example", true),
            ("host: shop.example", "shop.example", false),
        ] {
            let upstream = upstream(members).await;
            let peer = &upstream.targets.peers()[0];
            assert_eq!(upstream.host_for(peer, "gw.example"), host);
            assert_eq!(upstream.origin_for(peer, "gw.example"), format!("http://{host}"));
            assert!(upstream.goes_by("127.0.0.1:81", "gw.example"));
            assert!(upstream.goes_by(host, "gw.example"));
            assert_eq!(upstream.goes_by("GW.example", "gw.example"), is_own);
        }
    }
}
