//! The metrics (`deploy/operations.md` lists them). Dashboards rely on their names and labels. Label values come from the configuration
//! and from closed sets only, so that clients can't add series.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use prometheus::core::Collector as _;
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;
use prometheus::{
    Encoder, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry, TextEncoder,
};

use crate::batch::OutcomeKind;
use crate::config::{BatchEndpoint, Settings};
use crate::dispatch::Undone;
use crate::format::{Coding, Format, RecordForm, ReplyCoding};
use crate::problem::{limit_reasons, refusal_reasons};
use crate::stitch::ItemReport;

use super::exemplars::Exemplars;
use super::metric_words::{Exposition, HandoverResult, MemoryPurpose, ReloadResult};
use super::open_metrics::OpenMetrics;
use super::registry::{LATENCY, metric_table};
use super::{
    AuthenticationMetrics, BatchEnd, BatchRecord, CertificateMetrics, ConnectionMetrics, LongLivedMetrics,
    Names, RequestRecord, SpanResult, TargetMetrics, TlsFailures, UpstreamMetrics,
};

const ITEMS: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];
const RATIO: [f64; 9] = [1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0];
const BYTES: [f64; 9] =
    [256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262_144.0, 1_048_576.0, 4_194_304.0, 16_777_216.0];

metric_table! {
    /// All metrics of a gateway.
    pub struct Metrics {
        build: IntGaugeVec = "batchgate_build_info"["version", "pingora"]
            "Always 1; the labels are the versions of batchgate and of pingora.";
        items: IntCounterVec = "batchgate_items_total"["route", "upstream", "method", "code", "outcome"]
            "Finished items by final status; outcome says whether the service or the gateway made the status.";
        item_duration: HistogramVec = "batchgate_item_duration_seconds"["route"] in LATENCY
            "Time from the start of an item to its end, without the time that it waited in its batch.";
        item_failures: IntCounterVec = "batchgate_item_failures_total"["route", "reason"]
            "Items whose status was made by the gateway, by reason.";
        items_coalesced: IntCounterVec = "batchgate_items_coalesced_total"["route"]
            "Items that shared the call of an equal item of their batch (coalesce).";
        undos: IntCounterVec = "batchgate_undos_total"["route", "result"]
            "Items that were to be undone because their group failed (groups: compensate), by result.";
        batches: IntCounterVec = "batchgate_batches_total"["endpoint", "format", "outcome"]
            "Finished batches by endpoint, format and outcome.";
        batch_items: HistogramVec = "batchgate_batch_items"["endpoint"] in ITEMS
            "Number of items in a batch.";
        batch_duration: HistogramVec = "batchgate_batch_duration_seconds"["endpoint"] in LATENCY
            "Time from the header of a batch request to the end of its reply.";
        straggler_ratio: HistogramVec = "batchgate_batch_straggler_ratio"["endpoint"] in RATIO
            "The time of a batch's slowest item over the median of its items, for batches with at least three items that were started; accurate to an eighth.";
        batch_bytes_in: HistogramVec = "batchgate_batch_request_bytes"["endpoint"] in BYTES
            "Size of a batch request's body as sent, before decoding.";
        batch_bytes_out: HistogramVec = "batchgate_batch_reply_bytes"["endpoint"] in BYTES
            "Size of the body of a batch's reply.";
        phase_duration: HistogramVec = "batchgate_batch_phase_seconds"["phase"] in LATENCY
            "Time that a batch spent in each phase.";
        rejections: IntCounterVec = "batchgate_rejections_total"["endpoint", "reason"]
            "Batches that were refused as a whole, by reason.";
        requests: IntCounterVec = "batchgate_requests_total"["route", "upstream", "method", "code"]
            "Finished requests that are not batches, by final status.";
        request_duration: HistogramVec = "batchgate_request_duration_seconds"["route"] in LATENCY
            "Time from the header of a request that is not a batch to the end of its reply.";
        grpc_requests: IntCounterVec = "batchgate_grpc_requests_total"["route", "upstream", "grpc_status"]
            "Finished gRPC requests by their gRPC status.";
        request_failures: IntCounterVec = "batchgate_request_failures_total"["route", "reason"]
            "Requests that are not batches and did not get the service's complete reply, by reason.";
        reload_ok: IntGauge = "batchgate_config_last_reload_successful"[]
            "1 if the last load or reload of the configuration succeeded, otherwise 0.";
        reload_time: IntGauge = "batchgate_config_last_reload_success_timestamp_seconds"[]
            "Time of the last successful load of the configuration, in seconds since the epoch.";
        reloads: IntCounterVec = "batchgate_config_reloads_total"["result"]
            "Loads and reloads of the configuration, by result.";
        handovers: IntCounterVec = "batchgate_handovers_total"["result"]
            "Hand-overs between processes: taken over from a predecessor, or failed to hand over to a successor.";
        /// Batches in progress.
        pub batches_in_flight: IntGauge = "batchgate_batches_in_flight"[]
            "Batches in progress.";
        buffer_bytes: IntGauge = "batchgate_buffer_bytes"[]
            "Memory held for the bodies of all batches, in bytes.";
        buffer_limit_bytes: IntGauge = "batchgate_buffer_limit_bytes"[]
            "The limit of batchgate_buffer_bytes (limits.memory), in bytes.";
        memory_bytes: IntGaugeVec = "batchgate_memory_bytes"["purpose"]
            "Memory held by purpose, in bytes: bodies of batch requests, replies to their items, results that streams keep for later lines, encoders of compressed replies, and decoders of compressed requests; the first three make batchgate_buffer_bytes.";
        /// Batches and streams cut off because their client stalled while others waited for memory.
        pub memory_gave_way: IntCounter = "batchgate_memory_gave_way_total"[]
            "Batches and streams that were cut off because their client stalled while others waited for memory.";
        compressed_bytes: IntCounterVec = "batchgate_compressed_bytes_total"["coding", "side"]
            "Bytes of the bodies of replies that were compressed, before and after.";
        decompressed_bytes: IntCounterVec = "batchgate_decompressed_bytes_total"["coding", "side"]
            "Bytes of the bodies of requests that were decompressed (decompress_requests), before and after.";
        /// Replies that were not compressed because the encoders of others took all the memory for encoders.
        pub compression_skipped: IntCounter = "batchgate_compression_skipped_total"[]
            "Replies that were not compressed because the encoders of others took all the memory for encoders.";
        /// Items and requests that exceeded a rate limit, by limit.
        pub rate_limited: IntCounterVec = "batchgate_rate_limited_total"["limit"]
            "Items and requests that exceeded a rate limit, by limit.";
        /// Clients that a rate limit forgot because it was tracking too many, by limit.
        pub limit_clients_forgotten: IntCounterVec = "batchgate_rate_limit_clients_forgotten_total"["limit"]
            "Clients that a rate limit forgot because it was tracking max_clients, by limit.";
        log_lines_dropped: IntCounter = "batchgate_log_lines_dropped_total"[]
            "Log lines that were dropped because the reader of the log was too slow, or because they could not be written.";
        /// Spans of traces, by [`SpanResult`].
        pub trace_spans: IntCounterVec = "batchgate_trace_spans_total"["result"]
            "Spans of recorded traces by what became of them: sent to their receiver, dropped because too many waited, failed to be sent, or rejected by the receiver.";
        tasks: IntGauge = "batchgate_tasks"[]
            "Tasks of the async runtime: one for each connection and batch, and a few more.";
    }
    also(registry) {
        registry: Registry = registry.clone();
        /// Upstreams and their targets.
        pub upstreams: UpstreamMetrics = UpstreamMetrics::register(registry)?;
        /// Attempts at targets.
        pub targets: TargetMetrics = TargetMetrics::register(registry)?;
        /// Upgraded connections and streams.
        pub long_lived: LongLivedMetrics = LongLivedMetrics::register(registry)?;
        /// Clients' connections.
        pub connections: ConnectionMetrics = ConnectionMetrics::register(registry)?;
        /// Failed TLS handshakes.
        pub tls_failures: Arc<TlsFailures> = Arc::new(TlsFailures::register(registry)?);
        /// Certificates that the gateway presents.
        pub certificates: CertificateMetrics = CertificateMetrics::register(registry)?;
        /// How clients are authenticated.
        pub authentication: AuthenticationMetrics = AuthenticationMetrics::register(registry)?;
        /// Traces of recent observations.
        pub(super) exemplars: Exemplars = Exemplars::default();
        log: OnceLock<Arc<AtomicU64>> = OnceLock::new();
    }
}

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

/// The metrics could not be set up. Only a fault in the program causes this.
#[derive(Debug, thiserror::Error)]
#[error("the metrics could not be set up: {0}")]
pub struct MetricsError(#[from] prometheus::Error);

impl Metrics {
    /// Registers all metrics; `pingora_version` goes into the build information.
    ///
    /// # Errors
    /// Two metrics have the same name.
    pub fn new(pingora_version: &str) -> Result<Self, MetricsError> {
        let registry = Registry::new();
        registry.register(Box::new(ProcessCollector::for_self()))?;
        let metrics = Self::register(&registry)?;
        metrics.build.with_label_values(&[env!("CARGO_PKG_VERSION"), pingora_version]).set(1);
        Ok(metrics)
    }

    /// Starts the series of a configuration at zero, so that `rate()` sees the first event.
    pub fn prepare(&self, settings: &Settings) {
        for result in HandoverResult::ALL {
            self.handovers.with_label_values(&[result.as_str()]);
        }
        for result in SpanResult::ALL {
            self.trace_spans.with_label_values(&[result.as_str()]);
        }
        for endpoint in &settings.batch {
            self.prepare_endpoint(endpoint, &Format::ALL.map(Format::as_str));
        }
        for bulk in &settings.bulk {
            self.prepare_endpoint(&bulk.endpoint, &RecordForm::ALL.map(RecordForm::as_str));
        }
        for route in settings.routes.routes() {
            self.item_duration.with_label_values(&[&route.name]);
            if route.coalesce {
                self.items_coalesced.with_label_values(&[&route.name]);
            }
            if !route.undo.is_empty() {
                for undone in Undone::ALL {
                    self.undos.with_label_values(&[&route.name, undone.as_str()]);
                }
            }
            for reason in limit_reasons() {
                self.item_failures.with_label_values(&[&route.name, reason]);
                self.request_failures.with_label_values(&[&route.name, reason]);
            }
        }
        for coding in ReplyCoding::ALL {
            self.record_compressed(coding, 0, 0);
        }
        for coding in Coding::ALL.into_iter().filter(|coding| *coding != Coding::Identity) {
            self.record_decompressed(coding, 0, 0);
        }
        self.connections.prepare();
        self.certificates.show(settings);
        self.authentication.prepare(settings);
        self.tls_failures.prepare("client", "");
        for upstream in &settings.upstreams {
            self.upstreams.prepare(&upstream.name);
            self.long_lived.prepare(&upstream.name);
            if upstream.targets.iter().any(|target| target.scheme.is_tls()) {
                self.tls_failures.prepare("upstream", &upstream.name);
            }
        }
    }

    /// Forgets the gauges of what a new configuration does not have. Counters and histograms stay: what they counted has happened.
    pub fn forget_removed(&self, settings: &Settings) {
        let has = |name: &str| settings.upstreams.iter().any(|upstream| upstream.name == name);
        self.upstreams.forget_removed(has);
        self.long_lived.forget_removed(has);
        self.authentication.forget_removed(settings);
    }

    fn prepare_endpoint(&self, endpoint: &BatchEndpoint, formats: &[&str]) {
        let endpoint = endpoint.path.as_str();
        for reason in refusal_reasons() {
            self.rejections.with_label_values(&[endpoint, reason]);
        }
        for format in formats {
            for word in BatchEnd::WORDS {
                self.batches.with_label_values(&[endpoint, format, word]);
            }
        }
        self.batch_duration.with_label_values(&[endpoint]);
        self.batch_items.with_label_values(&[endpoint]);
        self.straggler_ratio.with_label_values(&[endpoint]);
    }

    /// Records a load of the configuration.
    pub fn record_reload(&self, result: ReloadResult) {
        self.reload_ok.set(i64::from(result == ReloadResult::Taken));
        self.reloads.with_label_values(&[result.as_str()]).inc();
        if result == ReloadResult::Taken {
            self.reload_time.set(i64::try_from(crate::clock::unix_time().as_secs()).unwrap_or(i64::MAX));
        }
    }

    /// Records a hand-over.
    pub fn record_handover(&self, result: HandoverResult) {
        self.handovers.with_label_values(&[result.as_str()]).inc();
    }

    /// The work of this process, for its last log line: its metrics end with it.
    #[must_use]
    pub fn totals(&self) -> Totals {
        Totals { batches: sum(&self.batches), items: sum(&self.items), requests: sum(&self.requests) }
    }

    /// Records a finished batch, without its items.
    pub fn record_batch(&self, report: &BatchRecord) {
        let endpoint = report.endpoint.as_str();
        self.batches.with_label_values(&[endpoint, report.format, report.end.as_str()]).inc();
        if let BatchEnd::Refused(reason) = report.end {
            self.rejections.with_label_values(&[endpoint, reason]).inc();
        } else if report.end != BatchEnd::Explained {
            self.batch_items.with_label_values(&[endpoint]).observe(count(report.summary.items));
            self.batch_bytes_out.with_label_values(&[endpoint]).observe(bytes(report.bytes_out));
            if let Some(ratio) = report.durations.straggler_ratio() {
                self.straggler_ratio.with_label_values(&[endpoint]).observe(ratio);
            }
        }
        self.batch_bytes_in.with_label_values(&[endpoint]).observe(count(report.bytes_in));
        for (phase, took) in report.phases.iter() {
            self.phase_duration.with_label_values(&[phase.as_str()]).observe(took.as_secs_f64());
        }
        self.batch_duration.with_label_values(&[endpoint]).observe(report.phases.total().as_secs_f64());
    }

    /// Records finished items. Items of a batch are often alike, so a run with the same labels is counted at once.
    pub fn record_items(&self, items: &[ItemReport], names: Names<'_>) {
        let alike = |one: &ItemReport, other: &ItemReport| {
            (one.route, one.upstream, one.method, one.status, one.outcome, one.reason)
                == (other.route, other.upstream, other.method, other.status, other.outcome, other.reason)
        };
        for run in items.chunk_by(alike) {
            let Some(item) = run.first() else { continue };
            let (route, upstream) = (names.route(item.route), names.upstream(item.upstream));
            let labels = [route, upstream, item.method, item.status.as_str(), item.outcome.as_str()];
            self.items.with_label_values(&labels).inc_by(run.len() as u64);
            if let Some(reason) = item.reason {
                self.item_failures.with_label_values(&[route, reason]).inc_by(run.len() as u64);
            }
            let coalesced = run.iter().filter(|item| item.coalesced).count();
            if coalesced > 0 {
                self.items_coalesced.with_label_values(&[route]).inc_by(coalesced as u64);
            }
            for undone in run.iter().filter_map(|item| item.undone) {
                self.undos.with_label_values(&[route, undone.as_str()]).inc();
            }
            if item.outcome != OutcomeKind::Rejected {
                observe_all(&self.item_duration.with_label_values(&[route]), run);
            }
        }
    }

    /// Records a finished single request.
    pub fn record_request(&self, report: &RequestRecord, names: Names<'_>) {
        let route = names.route(report.route);
        let code = report.status.as_ref().map_or("", |status| status.as_str());
        let labels = [route, names.upstream(report.upstream), report.method, code];
        self.requests.with_label_values(&labels).inc();
        if let Some(status) = report.grpc_status {
            let labels = [route, names.upstream(report.upstream), status.as_str()];
            self.grpc_requests.with_label_values(&labels).inc();
        }
        if let Some(reason) = report.reason {
            self.request_failures.with_label_values(&[route, reason]).inc();
        }
        if report.lasted.is_none() {
            self.request_duration.with_label_values(&[route]).observe(report.elapsed.as_secs_f64());
        }
    }

    /// Records a reply that was compressed: the bytes of its body before and after.
    pub(crate) fn record_compressed(&self, coding: ReplyCoding, before: u64, after: u64) {
        self.compressed_bytes.with_label_values(&[coding.as_str(), "before"]).inc_by(before);
        self.compressed_bytes.with_label_values(&[coding.as_str(), "after"]).inc_by(after);
    }

    /// Records a request that was decompressed: the bytes of its body before and after.
    pub(crate) fn record_decompressed(&self, coding: Coding, before: u64, after: u64) {
        self.decompressed_bytes.with_label_values(&[coding.as_str(), "before"]).inc_by(before);
        self.decompressed_bytes.with_label_values(&[coding.as_str(), "after"]).inc_by(after);
    }

    /// Starts to count the lines that the log drops.
    pub fn watch_log(&self, dropped: Arc<AtomicU64>) {
        self.log.get_or_init(|| dropped);
    }

    /// Sets the gauges of held memory and of its limit.
    pub fn set_buffers(&self, held: usize, limit: usize) {
        self.buffer_bytes.set(i64::try_from(held).unwrap_or(i64::MAX));
        self.buffer_limit_bytes.set(i64::try_from(limit).unwrap_or(i64::MAX));
    }

    /// Sets the gauge of memory that is held for this purpose.
    pub fn set_memory(&self, purpose: MemoryPurpose, bytes: usize) {
        let gauge = self.memory_bytes.with_label_values(&[purpose.as_str()]);
        gauge.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    fn count_dropped_lines(&self) {
        let dropped = self.log.get().map_or(0, |dropped| dropped.load(Ordering::Relaxed));
        let more = dropped.saturating_sub(self.log_lines_dropped.get());
        if more > 0 {
            self.log_lines_dropped.inc_by(more);
            tracing::warn!(kind = "log", dropped = more, so_far = dropped, "log lines were dropped");
        }
    }

    fn count_tasks(&self) {
        let runtime = tokio::runtime::Handle::try_current();
        let tasks = runtime.map_or(0, |runtime| runtime.metrics().num_alive_tasks());
        self.tasks.set(i64::try_from(tasks).unwrap_or(i64::MAX));
    }

    /// All metrics, in this format.
    #[must_use]
    pub fn exposition(&self, format: Exposition) -> Vec<u8> {
        self.count_dropped_lines();
        self.count_tasks();
        let families = self.registry.gather();
        match format {
            Exposition::OpenMetrics => {
                OpenMetrics { families: &families, exemplars: &self.exemplars }.to_string().into_bytes()
            }
            Exposition::Text => {
                let mut text = Vec::new();
                if let Err(error) = TextEncoder::new().encode(&families, &mut text) {
                    tracing::error!(%error, "the metrics could not be written");
                }
                text
            }
        }
    }
}

fn observe_all(histogram: &Histogram, items: &[ItemReport]) {
    let local = histogram.local();
    for elapsed in items.iter().filter_map(|item| item.timeline.elapsed()) {
        local.observe(elapsed.as_secs_f64());
    }
    local.flush();
}

#[expect(clippy::cast_precision_loss, reason = "a histogram's buckets need no more than 52 bits")]
const fn count(number: usize) -> f64 {
    number as f64
}

#[expect(clippy::cast_precision_loss, reason = "a histogram's buckets need no more than 52 bits")]
const fn bytes(number: u64) -> f64 {
    number as f64
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
