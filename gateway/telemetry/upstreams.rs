//! Metrics of upstreams: their calls, attempts and targets.

use prometheus::{HistogramVec, IntCounterVec, IntGaugeVec};

use super::registry::{LATENCY, keep_only, metric_table};
use crate::words::words;

/// The reasons for a retry, as labels.
const RETRY_REASONS: [&str; 6] = ["connect", "lost", "timeout", "status", "stale", "refused"];

words! {
    /// Why the name of a target could not be looked up.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum LookupFailure {
        /// There is no such name.
        NoSuchName = "no_such_name",
        /// The name has no address.
        NoAddress = "no_address",
        /// No server answered in time.
        Timeout = "timeout",
        /// The servers failed (SERVFAIL), or could not be asked.
        Server = "server_failure",
    }
}

metric_table! {
    /// The metrics of all upstreams.
    pub struct UpstreamMetrics {
        /// Calls in progress, by upstream.
        pub items_in_flight: IntGaugeVec = "batchgate_items_in_flight"["upstream"]
            "Calls to the upstream in progress.";
        /// Calls that wait for a permit, by upstream.
        pub items_queued: IntGaugeVec = "batchgate_items_queued"["upstream"]
            "Items and requests that wait for a permit to call the upstream (concurrency).";
        /// How long calls waited for a permit, by upstream; without the calls that did not wait.
        pub item_queue_time: HistogramVec = "batchgate_item_queue_seconds"["upstream"] in LATENCY
            "How long items and requests waited for a permit to call the upstream; without those that did not wait.";
        /// Calls that waited because their client was using its full share, by upstream.
        pub client_share_waits: IntCounterVec = "batchgate_client_share_waits_total"["upstream"]
            "Items and requests that waited because their client was using its full share of the upstream (client_share).";
        /// Every attempt, by upstream and final status; `code` is empty if there was no reply.
        pub attempts: IntCounterVec = "batchgate_upstream_attempts_total"["upstream", "code"]
            "Attempts to call the upstream, by status; an empty code is an attempt without a reply.";
        /// Connections that could not be opened, by upstream and reason.
        pub connect_errors: IntCounterVec = "batchgate_upstream_connect_errors_total"["upstream", "reason"]
            "Connections to the upstream that could not be opened, by reason.";
        /// Connections opened, by upstream.
        pub connections_opened: IntCounterVec = "batchgate_upstream_connections_opened_total"["upstream"]
            "Connections to the upstream that were opened for calls.";
        /// Attempts after the first, by upstream and reason.
        pub retries: IntCounterVec = "batchgate_upstream_retries_total"["upstream", "reason"]
            "Retries: attempts of a call after the first, by reason.";
        /// Retries that the budget did not allow, by upstream.
        pub retry_budget_exhausted: IntCounterVec = "batchgate_upstream_retry_budget_exhausted_total"["upstream"]
            "Retries that were not made because the retry budget was used up.";
        /// Retries that the budget allows, by upstream; set when the metrics are read.
        pub retry_budget_left: IntGaugeVec = "batchgate_upstream_retry_budget_left"["upstream"]
            "Retries of calls to the upstream that its retry budget allows now.";
        /// Targets ejected, by upstream.
        pub ejections: IntCounterVec = "batchgate_upstream_ejections_total"["upstream"]
            "Times that the circuit breaker of a target opened.";
        /// Failed look-ups of targets' names, by upstream and reason.
        pub lookup_failures: IntCounterVec = "batchgate_upstream_lookup_failures_total"["upstream", "reason"]
            "Failed DNS look-ups of targets' names, by reason.";
        /// Whether a target gets calls; set when the metrics are read.
        pub target_up: IntGaugeVec = "batchgate_upstream_target_up"["upstream", "target"]
            "1 if the target gets calls, 0 if it does not.";
        /// The number of addresses of a target by the state of their circuit; set when the metrics are read.
        pub circuit_state: IntGaugeVec = "batchgate_upstream_circuit_state"["upstream", "target", "state"]
            "Number of addresses of the target whose circuit breaker is in this state.";
    }
    also(_registry) {}
}

impl UpstreamMetrics {
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

    /// Forgets the gauges of upstreams and targets that a new configuration does not have. Calls in progress keep theirs.
    pub(super) fn forget_removed(&self, is_kept: impl Fn(&str) -> bool) {
        // An upstream that stays may have other targets.
        self.target_up.reset();
        self.circuit_state.reset();
        keep_only(&self.retry_budget_left, |series| is_kept(series.label("upstream")));
        for gauge in [&self.items_in_flight, &self.items_queued] {
            keep_only(gauge, |series| is_kept(series.label("upstream")) || !series.is_zero());
        }
    }
}
