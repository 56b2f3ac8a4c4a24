//! Metrics of exchanges that stay open: upgraded connections and streams. They hold no permit and last for hours, so the
//! metrics of calls would show nothing of them until they end.
//!
//! In: the upstream and the kind when an exchange begins, bytes while it lasts, and how it ended. Out: a gauge of open
//! exchanges, bytes as they pass, and one duration for each. Invariant: an exchange that began ends exactly once. If
//! [`OpenExchange`] is dropped without an end, that counts as an error.

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use crate::clock::Stopwatch;
use crate::words::words;

use super::registry::{keep_only, metric_table};

/// Seconds: from a refused handshake to a day.
const DURATIONS: [f64; 11] = [0.1, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 43200.0, 86400.0];

const TO_UPSTREAM: &str = "to_upstream";
const TO_CLIENT: &str = "to_client";

words! {
    /// The kind of an exchange that stays open.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum LongLivedKind {
        /// `Upgrade: websocket`.
        Websocket = "websocket",
        /// Any other upgrade.
        Upgrade = "upgrade",
        /// Server-sent events.
        Sse = "sse",
        /// A gRPC stream.
        Grpc = "grpc",
        /// Any other streaming exchange.
        Stream = "stream",
    }
}

words! {
    /// How an exchange ended.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum LongLivedEnd {
        /// The client closed it.
        Client = "client",
        /// The upstream closed it.
        Upstream = "upstream",
        /// Neither sent a byte within `timeout.idle`.
        Idle = "idle",
        /// The gateway drained.
        Drain = "drain",
        /// A connection broke.
        Error = "error",
    }
}

metric_table! {
    /// The metrics of exchanges that stay open.
    pub struct LongLivedMetrics {
        open: IntGaugeVec = "batchgate_long_lived_open"["upstream", "kind"]
            "Open upgraded connections and streaming exchanges.";
        bytes: IntCounterVec = "batchgate_long_lived_bytes_total"["upstream", "direction"]
            "Bytes that passed over upgraded connections and streaming exchanges, by direction.";
        duration: HistogramVec = "batchgate_long_lived_duration_seconds"["upstream", "kind"] in DURATIONS
            "How long upgraded connections and streaming exchanges were open.";
        ended: IntCounterVec = "batchgate_long_lived_ended_total"["upstream", "kind", "how"]
            "Finished upgraded connections and streaming exchanges, by how they ended.";
    }
    also(_registry) {}
}

impl LongLivedMetrics {
    /// Starts the counters of an upstream at zero.
    pub(super) fn prepare(&self, upstream: &str) {
        for direction in [TO_UPSTREAM, TO_CLIENT] {
            self.bytes.with_label_values(&[upstream, direction]);
        }
        for kind in LongLivedKind::ALL {
            self.open.with_label_values(&[upstream, kind.as_str()]);
            for how in LongLivedEnd::ALL {
                self.ended.with_label_values(&[upstream, kind.as_str(), how.as_str()]);
            }
        }
    }

    /// Forgets the gauges of upstreams that a new configuration does not have, unless exchanges with them are open.
    pub(super) fn forget_removed(&self, is_kept: impl Fn(&str) -> bool) {
        keep_only(&self.open, |series| is_kept(series.label("upstream")) || !series.is_zero());
    }

    /// Counts an exchange as open, until the guard is ended or dropped.
    #[must_use]
    pub fn begin(&self, upstream: &str, kind: LongLivedKind) -> OpenExchange {
        let labels = [upstream, kind.as_str()];
        let ended =
            |how: LongLivedEnd| self.ended.with_label_values(&[upstream, kind.as_str(), how.as_str()]);
        let open = self.open.with_label_values(&labels);
        open.inc();
        OpenExchange {
            open,
            to_upstream: self.bytes.with_label_values(&[upstream, TO_UPSTREAM]),
            to_client: self.bytes.with_label_values(&[upstream, TO_CLIENT]),
            duration: self.duration.with_label_values(&labels),
            ended: ended(LongLivedEnd::Error),
            ends: LongLivedEnd::ALL.map(|how| (how, ended(how))),
            since: Stopwatch::start(),
        }
    }
}

/// An open exchange. If it is dropped without [`end`](Self::end), it counts as ended by an error.
pub struct OpenExchange {
    open: IntGauge,
    to_upstream: IntCounter,
    to_client: IntCounter,
    duration: Histogram,
    /// Counts the end.
    ended: IntCounter,
    ends: [(LongLivedEnd, IntCounter); 5],
    since: Stopwatch,
}

impl OpenExchange {
    /// Counts bytes that went to the upstream.
    pub fn count_to_upstream(&self, bytes: usize) {
        self.to_upstream.inc_by(bytes as u64);
    }

    /// Counts bytes that went to the client.
    pub fn count_to_client(&self, bytes: usize) {
        self.to_client.inc_by(bytes as u64);
    }

    /// Ends the exchange.
    pub fn end(mut self, how: LongLivedEnd) {
        if let Some((_, counter)) = self.ends.iter().find(|(end, _)| *end == how) {
            self.ended = counter.clone();
        }
    }
}

impl Drop for OpenExchange {
    fn drop(&mut self) {
        self.open.dec();
        self.ended.inc();
        self.duration.observe(self.since.elapsed().as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use prometheus::Registry;

    use super::*;

    #[test]
    fn each_exchange_ends_once_however_it_ends() {
        let metrics = LongLivedMetrics::register(&Registry::new()).unwrap();
        metrics.prepare("svc");
        let ended = |how: &str| metrics.ended.with_label_values(&["svc", "sse", how]).get();
        let exchanges: Vec<_> = (0..7).map(|_| metrics.begin("svc", LongLivedKind::Sse)).collect();
        assert_eq!(metrics.open.with_label_values(&["svc", "sse"]).get(), 7);
        for (number, exchange) in exchanges.into_iter().enumerate() {
            exchange.count_to_client(10);
            exchange.count_to_upstream(number);
            if let Some(how) = LongLivedEnd::ALL.get(number) {
                exchange.end(*how);
            }
        }
        assert_eq!(["client", "upstream", "idle", "drain", "error"].map(ended), [1, 1, 1, 1, 3]);
        assert_eq!(metrics.open.with_label_values(&["svc", "sse"]).get(), 0);
        assert_eq!(metrics.bytes.with_label_values(&["svc", TO_CLIENT]).get(), 70);
        assert_eq!(metrics.bytes.with_label_values(&["svc", TO_UPSTREAM]).get(), 21);
        assert_eq!(metrics.duration.with_label_values(&["svc", "sse"]).get_sample_count(), 7);
    }
}
