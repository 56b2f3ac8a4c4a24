//! Counts of the process: hand-overs, and the totals of its work.

use prometheus::IntCounterVec;
use prometheus::core::Collector as _;
use prometheus::proto::MetricFamily;

use super::metrics::{HandoverResult, Metrics};

/// The work of the process since its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Finished batches, including refused ones: the sum of `batchgate_batches_total`.
    pub batches: u64,
    /// Finished items: the sum of `batchgate_items_total`.
    pub items: u64,
    /// Finished requests that are not batches: the sum of `batchgate_requests_total`.
    pub requests: u64,
}

impl Metrics {
    /// Records a hand-over.
    pub fn record_handover(&self, result: HandoverResult) {
        self.handovers.with_label_values(&[result.as_str()]).inc();
    }

    /// The work of this process, for its last log line: its metrics end with it.
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

/// A sum of integers, which prometheus returns as a float.
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
