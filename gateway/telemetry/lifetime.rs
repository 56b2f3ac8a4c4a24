//! What is counted of a process as a whole: whom it succeeded, who failed to succeed it, and what it has done.

use prometheus::IntCounterVec;
use prometheus::core::Collector as _;
use prometheus::proto::MetricFamily;

use super::Metrics;

/// What a process has done from its start to now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Batches that ended, refused ones included: the sum of `batchgate_batches_total`.
    pub batches: u64,
    /// Items that ended: the sum of `batchgate_items_total`.
    pub items: u64,
    /// Requests that were no batch: the sum of `batchgate_requests_total`.
    pub requests: u64,
}

impl Metrics {
    /// Records that this process took over from another, or that one which was to take over from it did not.
    pub fn record_handover(&self, taken: bool) {
        self.handovers.with_label_values(&[if taken { "taken" } else { "failed" }]).inc();
    }

    /// What this process has done. Its metrics end with it; its log keeps this.
    #[must_use]
    pub fn totals(&self) -> Totals {
        Totals { batches: sum(&self.batches), items: sum(&self.items), requests: sum(&self.requests) }
    }
}

fn sum(counters: &IntCounterVec) -> u64 {
    let families = counters.collect();
    let series = families.iter().flat_map(MetricFamily::get_metric);
    whole(series.map(|series| series.get_counter().get_value()).sum())
}

/// A sum of whole numbers, as prometheus gives them, as one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts are whole, not negative, and far below 2^53"
)]
fn whole(count: f64) -> u64 {
    count as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_sums_over_all_labels() {
        let metrics = Metrics::new("0").unwrap();
        metrics.batches.with_label_values(&["/a", "json", "success"]).inc_by(2);
        metrics.batches.with_label_values(&["/b", "xml", "refused"]).inc();
        metrics.items.with_label_values(&["/", "u", "GET", "200", "answered"]).inc_by(1000);
        assert_eq!(metrics.totals(), Totals { batches: 3, items: 1000, requests: 0 });
    }
}
