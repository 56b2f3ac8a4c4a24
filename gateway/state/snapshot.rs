//! One configuration at work. Requests hold on to the snapshot they started under, so a reload
//! touches none of them.

use std::sync::Arc;

use prometheus::{Histogram, IntCounter, IntGauge};
use tokio::sync::Semaphore;

use crate::config::{HostPolicy, Settings, Upstream};
use crate::limiter::{FairLimiter, LimiterLimits, LongLived, LongLivedLimits};
use crate::route::UpstreamIndex;
use crate::telemetry::{Metrics, Names};

use crate::admission::{Limiter, use_ring};
use crate::upstream::retry_budget::RetryBudget;
use crate::upstream::targets::{Counts, Targets};

/// Calls that may look for an HTTP/2 connection at once.
const SEEKING: usize = 4;

/// A configuration and what it takes to serve it.
pub(crate) struct Snapshot {
    pub(crate) settings: Settings,
    pub(crate) upstreams: Vec<UpstreamState>,
    pub(crate) limiters: Vec<Arc<Limiter>>,
    /// The configuration for operators: defaults filled in, secrets left out.
    pub(crate) redacted: String,
}

/// An upstream at work.
pub(crate) struct UpstreamState {
    pub(crate) settings: Upstream,
    pub(crate) targets: Targets,
    /// Who may call it, and when.
    pub(crate) limiter: Arc<FairLimiter>,
    /// Upgraded connections and streams, which hold no turn of the gate.
    pub(crate) long_lived: Arc<LongLived>,
    pub(crate) retry_budget: Arc<RetryBudget>,
    /// HTTP/2: how many calls may look for a connection at once. Each that finds none opens one, so a
    /// batch that starts cold would open as many as it has lanes.
    pub(crate) seeking: Semaphore,
    pub(crate) in_flight: IntGauge,
    pub(crate) queued: IntGauge,
    pub(crate) queue_time: Histogram,
    /// Calls that waited for others of their own client.
    pub(crate) share_waits: IntCounter,
    pub(crate) opened: IntCounter,
    /// Attempts that were answered with 200, by far the most; the others are looked up.
    pub(crate) attempts_ok: IntCounter,
}

impl UpstreamState {
    /// Takes one retry from the budget; counts it, or says that there is none.
    pub(crate) fn take_retry(&self, metrics: &Metrics, reason: &'static str) -> bool {
        if self.retry_budget.take(self.settings.retry.budget) {
            self.count_retry(metrics, reason);
            return true;
        }
        let upstream = self.settings.name.as_str();
        let count = metrics.upstreams.retry_budget_exhausted.with_label_values(&[upstream]);
        count.inc();
        if self.retry_budget.throttle.may_log() {
            let so_far = count.get();
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

    /// Counts a retry, also one that needs no budget.
    pub(crate) fn count_retry(&self, metrics: &Metrics, reason: &'static str) {
        metrics.upstreams.retries.with_label_values(&[self.settings.name.as_str(), reason]).inc();
    }
}

impl Snapshot {
    /// Sets a configuration to work. Upstreams that were there `before` keep their gate and their count of long-lived
    /// exchanges, so that what is under way still counts, their budget of retries, and how their targets stand.
    pub(crate) async fn new(
        settings: Settings,
        redacted: String,
        metrics: &Metrics,
        before: Option<&Self>,
    ) -> Self {
        let mut upstreams = Vec::with_capacity(settings.upstreams.len());
        for upstream in &settings.upstreams {
            let kept = before.and_then(|before| before.gate_of(upstream));
            let was = before.and_then(|before| before.named(&upstream.name));
            let counts = Counts {
                ejections: metrics.upstreams.ejections.with_label_values(&[&upstream.name]),
                lookup_failures: metrics.upstreams.lookup_failures.clone(),
            };
            let resolving = (&settings.limits, settings.resolver.as_slice());
            upstreams.push(UpstreamState {
                targets: Targets::new(upstream, resolving, counts, was.map(|was| &was.targets)).await,
                limiter: kept.unwrap_or_else(|| Arc::new(FairLimiter::new(gate_limits(upstream)))),
                long_lived: long_lived(upstream, was),
                retry_budget: was.map_or_else(Arc::default, |was| Arc::clone(&was.retry_budget)),
                seeking: Semaphore::new(SEEKING),
                in_flight: metrics.upstreams.items_in_flight.with_label_values(&[&upstream.name]),
                queued: metrics.upstreams.items_queued.with_label_values(&[&upstream.name]),
                queue_time: metrics.upstreams.item_queue_time.with_label_values(&[&upstream.name]),
                share_waits: metrics.upstreams.client_share_waits.with_label_values(&[&upstream.name]),
                opened: metrics.upstreams.connections_opened.with_label_values(&[&upstream.name]),
                attempts_ok: metrics.upstreams.attempts.with_label_values(&[&upstream.name, "200"]),
                settings: upstream.clone(),
            });
        }
        metrics.prepare(&settings);
        use_ring();
        let limiters = before.map_or(&[][..], |before| &before.limiters);
        let limiters = Limiter::all(&settings.rate_limits, metrics, limiters);
        Self { settings, upstreams, limiters, redacted }
    }

    fn gate_of(&self, upstream: &Upstream) -> Option<Arc<FairLimiter>> {
        let same = |state: &&UpstreamState| {
            state.settings.name == upstream.name && state.limiter.limits() == gate_limits(upstream)
        };
        self.upstreams.iter().find(same).map(|state| Arc::clone(&state.limiter))
    }

    /// The upstream with this name.
    pub(crate) fn named(&self, name: &str) -> Option<&UpstreamState> {
        self.upstreams.iter().find(|state| state.settings.name == name)
    }

    pub(crate) fn upstream(&self, index: UpstreamIndex) -> Option<&UpstreamState> {
        self.upstreams.get(index.0)
    }

    pub(crate) fn names(&self) -> Names<'_> {
        Names(&self.settings)
    }

    /// Whether an authority in an upstream's reply is the upstream's own name for itself.
    pub(crate) fn goes_by(&self, index: UpstreamIndex, authority: &str, own_authority: &str) -> bool {
        self.upstream(index).is_some_and(|upstream| {
            upstream.targets.go_by(authority)
                || match &upstream.settings.host {
                    HostPolicy::Target => false,
                    HostPolicy::Preserve => authority.eq_ignore_ascii_case(own_authority),
                    HostPolicy::Fixed(host) => authority.eq_ignore_ascii_case(host),
                }
        })
    }
}

/// Those of the upstream before, under the limits of now: what is open was opened there, and stays open.
fn long_lived(upstream: &Upstream, was: Option<&UpstreamState>) -> Arc<LongLived> {
    let limits = LongLivedLimits { most: upstream.upgraded, share: upstream.client_share };
    let Some(was) = was else { return Arc::new(LongLived::new(limits)) };
    was.long_lived.set_limits(limits);
    Arc::clone(&was.long_lived)
}

const fn gate_limits(upstream: &Upstream) -> LimiterLimits {
    LimiterLimits {
        permits: upstream.concurrency,
        queue: upstream.queue,
        share: upstream.client_share,
        rate: upstream.rate,
    }
}
