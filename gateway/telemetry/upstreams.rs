//! Metrics of upstreams: their calls, attempts and targets.

use prometheus::{HistogramVec, IntCounterVec, IntGaugeVec};

use super::registry::{LATENCY, MetricRegistry};

/// The reasons for a retry, as labels.
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
    /// The servers failed (SERVFAIL), or could not be asked.
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

/// The metrics of all upstreams.
pub struct UpstreamMetrics {
    /// Calls in progress, by upstream.
    pub items_in_flight: IntGaugeVec,
    /// Calls that wait for a permit, by upstream.
    pub items_queued: IntGaugeVec,
    /// How long calls waited for a permit, by upstream; without the calls that did not wait.
    pub item_queue_time: HistogramVec,
    /// Calls that waited because their client was using its full share, by upstream.
    pub client_share_waits: IntCounterVec,
    /// Every attempt, by upstream and final status; `code` is empty if there was no reply.
    pub attempts: IntCounterVec,
    /// Connections that could not be opened, by upstream and reason.
    pub connect_errors: IntCounterVec,
    /// Connections opened, by upstream.
    pub connections_opened: IntCounterVec,
    /// Attempts after the first, by upstream and reason.
    pub retries: IntCounterVec,
    /// Retries that the budget did not allow, by upstream.
    pub retry_budget_exhausted: IntCounterVec,
    /// Targets ejected, by upstream.
    pub ejections: IntCounterVec,
    /// Failed look-ups of targets' names, by upstream and reason.
    pub lookup_failures: IntCounterVec,
    /// Whether a target gets calls; set when the metrics are read.
    pub target_up: IntGaugeVec,
    /// The number of addresses of a target by the state of their circuit; set when the metrics are read.
    pub circuit_state: IntGaugeVec,
}

impl UpstreamMetrics {
    // Long because it is a list: each field of the struct is one metric with its name, help and labels.
    #[expect(clippy::too_many_lines, reason = "a table reads best in one piece")]
    pub(super) fn new(make: &MetricRegistry) -> Result<Self, prometheus::Error> {
        Ok(Self {
            items_in_flight: make.gauges("batchgate_items_in_flight", "Calls to the upstream in progress.", &["upstream"])?,
            items_queued: make.gauges(
                "batchgate_items_queued",
                "Items and requests that wait for a permit to call the upstream (concurrency).",
                &["upstream"],
            )?,
            item_queue_time: make.histograms(
                "batchgate_item_queue_seconds",
                "How long items and requests waited for a permit to call the upstream; without those that did not wait.",
                &["upstream"],
                &LATENCY,
            )?,
            client_share_waits: make.counters(
                "batchgate_client_share_waits_total",
                "Items and requests that waited because their client was using its full share of the upstream (client_share).",
                &["upstream"],
            )?,
            attempts: make.counters(
                "batchgate_upstream_attempts_total",
                "Attempts to call the upstream, by status; an empty code is an attempt without a reply.",
                &["upstream", "code"],
            )?,
            connect_errors: make.counters(
                "batchgate_upstream_connect_errors_total",
                "Connections to the upstream that could not be opened, by reason.",
                &["upstream", "reason"],
            )?,
            connections_opened: make.counters(
                "batchgate_upstream_connections_opened_total",
                "Connections to the upstream that were opened for calls.",
                &["upstream"],
            )?,
            retries: make.counters(
                "batchgate_upstream_retries_total",
                "Retries: attempts of a call after the first, by reason.",
                &["upstream", "reason"],
            )?,
            retry_budget_exhausted: make.counters(
                "batchgate_upstream_retry_budget_exhausted_total",
                "Retries that were not made because the retry budget was used up.",
                &["upstream"],
            )?,
            ejections: make.counters(
                "batchgate_upstream_ejections_total",
                "Times that the circuit breaker of a target opened.",
                &["upstream"],
            )?,
            lookup_failures: make.counters(
                "batchgate_upstream_lookup_failures_total",
                "Failed DNS look-ups of targets' names, by reason.",
                &["upstream", "reason"],
            )?,
            target_up: make.gauges(
                "batchgate_upstream_target_up",
                "1 if the target gets calls, 0 if it does not.",
                &["upstream", "target"],
            )?,
            circuit_state: make.gauges(
                "batchgate_upstream_circuit_state",
                "Number of addresses of the target whose circuit breaker is in this state.",
                &["upstream", "target", "state"],
            )?,
        })
    }

    /// Starts the series of an upstream at zero.
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

    /// Forgets the gauges of all targets, because a new configuration may have other targets.
    pub fn forget_targets(&self) {
        self.target_up.reset();
        self.circuit_state.reset();
    }
}
