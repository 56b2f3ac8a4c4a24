//! Upstreams: their calls, the attempts of those, and their targets.

use prometheus::{HistogramVec, IntCounterVec, IntGaugeVec};

use super::registry::{LATENCY, MetricRegistry};

/// Why a call is made once more, as metrics say it.
const RETRY_REASONS: [&str; 6] = ["connect", "lost", "timeout", "status", "stale", "refused"];

/// Why the name of a target could not be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupFailure {
    /// There is no such name.
    NoSuchName,
    /// The name has no address.
    NoAddress,
    /// No server answered in time.
    Timeout,
    /// The servers could not tell (SERVFAIL), or could not be asked.
    Server,
}

impl LookupFailure {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::NoSuchName, Self::NoAddress, Self::Timeout, Self::Server];

    /// The word for metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoSuchName => "no_such_name",
            Self::NoAddress => "no_address",
            Self::Timeout => "timeout",
            Self::Server => "server_failure",
        }
    }
}

/// What is counted of upstreams.
pub struct UpstreamMetrics {
    /// Calls under way, by upstream.
    pub items_in_flight: IntGaugeVec,
    /// Calls that wait for their turn, by upstream.
    pub items_queued: IntGaugeVec,
    /// How long calls waited for their turn, by upstream; those that had it at once are not in it.
    pub item_queue_time: HistogramVec,
    /// Calls that waited because their client had its share under way, by upstream.
    pub client_share_waits: IntCounterVec,
    /// Every attempt, by upstream and final status; `code` is empty where no reply came.
    pub attempts: IntCounterVec,
    /// Connections that could not be opened, by upstream and reason.
    pub connect_errors: IntCounterVec,
    /// Connections opened, by upstream.
    pub connections_opened: IntCounterVec,
    /// Attempts after the first, by upstream and why.
    pub retries: IntCounterVec,
    /// Retries that the budget did not allow, by upstream.
    pub retry_budget_exhausted: IntCounterVec,
    /// Targets ejected, by upstream.
    pub ejections: IntCounterVec,
    /// Look-ups of targets' names that failed, by upstream and why.
    pub lookup_failures: IntCounterVec,
    /// Whether a target gets calls; set by whoever reads the metrics.
    pub target_up: IntGaugeVec,
    /// How many addresses of a target have their circuit in which state; set likewise.
    pub circuit_state: IntGaugeVec,
}

impl UpstreamMetrics {
    #[expect(clippy::too_many_lines, reason = "a table reads best in one piece")]
    pub(super) fn new(make: &MetricRegistry) -> Result<Self, prometheus::Error> {
        Ok(Self {
            items_in_flight: make.gauges("batchgate_items_in_flight", "Calls under way.", &["upstream"])?,
            items_queued: make.gauges(
                "batchgate_items_queued",
                "Calls, and requests that are no batch, waiting for their turn at the upstream.",
                &["upstream"],
            )?,
            item_queue_time: make.histograms(
                "batchgate_item_queue_seconds",
                "How long calls waited for their turn at the upstream; only those that had to wait.",
                &["upstream"],
                &LATENCY,
            )?,
            client_share_waits: make.counters(
                "batchgate_client_share_waits_total",
                "Calls, and requests that are no batch, that waited because their client had its share under way.",
                &["upstream"],
            )?,
            attempts: make.counters(
                "batchgate_upstream_attempts_total",
                "Attempts of calls by status; an empty code is an attempt without a reply.",
                &["upstream", "code"],
            )?,
            connect_errors: make.counters(
                "batchgate_upstream_connect_errors_total",
                "Connections that could not be opened.",
                &["upstream", "reason"],
            )?,
            connections_opened: make.counters(
                "batchgate_upstream_connections_opened_total",
                "Connections opened for calls.",
                &["upstream"],
            )?,
            retries: make.counters(
                "batchgate_upstream_retries_total",
                "Attempts of calls after the first.",
                &["upstream", "reason"],
            )?,
            retry_budget_exhausted: make.counters(
                "batchgate_upstream_retry_budget_exhausted_total",
                "Retries that were not made because too many were.",
                &["upstream"],
            )?,
            ejections: make.counters(
                "batchgate_upstream_ejections_total",
                "Times that a target's circuit opened.",
                &["upstream"],
            )?,
            lookup_failures: make.counters(
                "batchgate_upstream_lookup_failures_total",
                "Look-ups of targets' names that failed.",
                &["upstream", "reason"],
            )?,
            target_up: make.gauges(
                "batchgate_upstream_target_up",
                "1 if the target gets calls.",
                &["upstream", "target"],
            )?,
            circuit_state: make.gauges(
                "batchgate_upstream_circuit_state",
                "Addresses of the target whose circuit is in this state.",
                &["upstream", "target", "state"],
            )?,
        })
    }

    /// Makes the series of an upstream start at zero.
    pub(super) fn prepare(&self, upstream: &str) {
        self.items_in_flight.with_label_values(&[upstream]);
        self.client_share_waits.with_label_values(&[upstream]);
        self.retry_budget_exhausted.with_label_values(&[upstream]);
        self.ejections.with_label_values(&[upstream]);
        for reason in RETRY_REASONS {
            self.retries.with_label_values(&[upstream, reason]);
        }
        for reason in LookupFailure::ALL {
            self.lookup_failures.with_label_values(&[upstream, reason.as_str()]);
        }
    }

    /// Forgets the gauges of all targets: the new configuration may have others.
    pub fn forget_targets(&self) {
        self.target_up.reset();
        self.circuit_state.reset();
    }
}
