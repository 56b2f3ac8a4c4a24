//! Metrics of targets: latency, status and failures of each. A target has its counters at hand, so that an attempt looks none up.

use std::time::Duration;

use http::StatusCode;
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec};

use super::registry::{LATENCY, Series, keep_only, metric_table};

metric_table! {
    /// The metrics of all targets.
    #[derive(Clone)]
    pub struct TargetMetrics {
        attempts: IntCounterVec = "batchgate_target_attempts_total"["upstream", "target", "code"]
            "Attempts of items and requests at the target, by status; an empty code is an attempt without a reply.";
        duration: HistogramVec = "batchgate_target_attempt_duration_seconds"["upstream", "target"] in LATENCY
            "Time from the first byte of an attempt at the target to the end of its reply, without any time in queues; of requests that are not batches to the head of the reply.";
        failures: IntCounterVec = "batchgate_target_failures_total"["upstream", "target", "reason"]
            "Attempts at the target that brought no complete reply, and connections to it that could not be opened, by reason.";
        opened: IntCounterVec = "batchgate_target_connections_opened_total"["upstream", "target"]
            "Connections to the target that were opened for calls.";
        reused: IntCounterVec = "batchgate_target_connections_reused_total"["upstream", "target"]
            "Attempts at the target that went over a connection that was open already.";
    }
    also(_registry) {}
}

/// The counters of one target.
#[derive(Debug)]
pub struct TargetCounts {
    upstream: String,
    target: String,
    /// Attempts that were answered with 200, by far the most. The others are looked up.
    ok: IntCounter,
    attempts: IntCounterVec,
    duration: Histogram,
    failures: IntCounterVec,
    opened: IntCounter,
    reused: IntCounter,
}

/// Whether an attempt's connection was opened for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connected {
    /// It was.
    Anew,
    /// It went over one that was open already.
    Before,
}

impl TargetMetrics {
    /// The counters of a target, which start at zero.
    #[must_use]
    pub fn of(&self, upstream: &str, target: &str) -> TargetCounts {
        let labels = &[upstream, target];
        TargetCounts {
            upstream: upstream.to_owned(),
            target: target.to_owned(),
            ok: self.attempts.with_label_values(&[upstream, target, "200"]),
            attempts: self.attempts.clone(),
            duration: self.duration.with_label_values(labels),
            failures: self.failures.clone(),
            opened: self.opened.with_label_values(labels),
            reused: self.reused.with_label_values(labels),
        }
    }

    /// Forgets the series of all targets that are not there any more.
    pub fn keep_only(&self, is_there: impl Fn(&str, &str) -> bool) {
        let is_kept = |series: &Series<'_>| is_there(series.label("upstream"), series.label("target"));
        keep_only(&self.attempts, is_kept);
        keep_only(&self.duration, is_kept);
        keep_only(&self.failures, is_kept);
        keep_only(&self.opened, is_kept);
        keep_only(&self.reused, is_kept);
    }
}

impl TargetCounts {
    /// Counts an attempt; without a status, it brought no reply.
    pub fn attempt(&self, status: Option<StatusCode>, took: Duration, connected: Connected) {
        match status {
            Some(StatusCode::OK) => self.ok.inc(),
            Some(status) => self.count(&self.attempts, status.as_str()),
            None => self.count(&self.attempts, ""),
        }
        if status.is_some() {
            self.duration.observe(took.as_secs_f64());
        }
        if connected == Connected::Before {
            self.reused.inc();
        }
    }

    /// Counts a failure.
    pub fn failure(&self, reason: &'static str) {
        self.count(&self.failures, reason);
    }

    /// Counts a connection that was opened.
    pub fn connection_opened(&self) {
        self.opened.inc();
    }

    fn count(&self, counts: &IntCounterVec, word: &str) {
        counts.with_label_values(&[self.upstream.as_str(), self.target.as_str(), word]).inc();
    }
}

#[cfg(test)]
mod tests {
    use prometheus::Registry;

    use super::*;

    #[test]
    fn series_of_targets_that_are_gone_are_forgotten() {
        let registry = Registry::new();
        let metrics = TargetMetrics::register(&registry).unwrap();
        for target in ["a", "b"] {
            let counts = metrics.of("shop", target);
            counts.attempt(Some(StatusCode::NOT_FOUND), Duration::from_millis(3), Connected::Before);
            counts.attempt(None, Duration::ZERO, Connected::Anew);
            counts.failure("lost");
            counts.connection_opened();
        }
        let series = || registry.gather().iter().map(|family| family.get_metric().len()).sum::<usize>();
        let before = series();
        metrics.keep_only(|upstream, target| upstream == "shop" && target == "b");
        assert_eq!((before, series()), (14, 7));
        assert_eq!(metrics.attempts.with_label_values(&["shop", "b", "404"]).get(), 1);
        assert_eq!(metrics.reused.with_label_values(&["shop", "b"]).get(), 1);
    }
}
