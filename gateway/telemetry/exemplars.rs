//! For each bucket of the histograms of times, the trace of a recent request whose time is in it: the way from a metric to a
//! trace.
//!
//! In: times of what was recorded in a trace, from [`Recorder`](super::Recorder). Out: exemplars for the format that can show
//! them. What is kept is bounded by the names in the configuration; without traces, nothing is.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use super::registry::LATENCY;
use crate::clock::unix_time;
use crate::words::words;

words! {
    /// The histograms with exemplars. Each has one label, and the buckets of [`LATENCY`].
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub(super) enum Timed {
        /// By route.
        Item = "batchgate_item_duration_seconds",
        /// By endpoint.
        Batch = "batchgate_batch_duration_seconds",
        /// By route.
        Request = "batchgate_request_duration_seconds",
    }
}

/// A recent observation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Exemplar {
    /// The id of its trace.
    pub(super) trace: u128,
    /// The time in seconds.
    pub(super) value: f64,
    /// When it was recorded, since the epoch.
    pub(super) at: Duration,
}

/// One for each bucket, the one without a bound included.
type OfSeries = [Option<Exemplar>; LATENCY.len() + 1];

/// The newest exemplars.
#[derive(Debug, Default)]
pub(super) struct Exemplars(Mutex<HashMap<Timed, HashMap<Box<str>, OfSeries>>>);

impl Exemplars {
    /// Keeps the trace of something that took this long, and that was counted under this label.
    pub(super) fn keep(&self, timed: Timed, label: &str, took: Duration, trace: u128) {
        let value = took.as_secs_f64();
        let bucket = LATENCY.iter().position(|bound| value <= *bound).unwrap_or(LATENCY.len());
        let mut kept = self.0.lock();
        let series = kept.entry(timed).or_default();
        if !series.contains_key(label) {
            series.insert(label.into(), OfSeries::default());
        }
        if let Some(place) = series.get_mut(label).and_then(|series| series.get_mut(bucket)) {
            *place = Some(Exemplar { trace, value, at: unix_time() });
        }
    }

    /// The exemplars of a histogram's series, in the order of its buckets.
    pub(super) fn of(&self, name: &str, label: &str) -> OfSeries {
        let timed = Timed::ALL.into_iter().find(|timed| timed.as_str() == name);
        let kept = self.0.lock();
        timed.and_then(|timed| kept.get(&timed)?.get(label).copied()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_of_each_bucket_is_kept() {
        let exemplars = Exemplars::default();
        for (milliseconds, trace) in [(1, 1), (2, 2), (2, 3), (60_000, 4)] {
            exemplars.keep(Timed::Item, "/a", Duration::from_millis(milliseconds), trace);
        }
        let of = |name, label| exemplars.of(name, label).map(|kept| kept.map_or(0, |kept| kept.trace));
        let expected = [[1, 3].as_slice(), &[0; 14], &[4]].concat();
        assert_eq!(of(Timed::Item.as_str(), "/a").as_slice(), expected);
        for (name, label) in [(Timed::Item.as_str(), "/b"), (Timed::Batch.as_str(), "/a"), ("other", "/a")] {
            assert_eq!(of(name, label), [0; 17]);
        }
    }
}
