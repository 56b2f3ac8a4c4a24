//! The metrics (README, "Metrics"). Dashboards rely on their names and labels. Label values come from the configuration
//! and from closed sets only, so that clients can't add series.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus::{
    Encoder, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, Registry, TextEncoder,
};

use tracing_appender::non_blocking::ErrorCounter;

use crate::batch::OutcomeKind;
use crate::config::{BatchEndpoint, Settings};
use crate::format::{Format, RecordForm};
use crate::problem::{LIMIT_REASONS, REFUSAL_REASONS};
use crate::stitch::ItemReport;

use super::registry::{LATENCY, MetricRegistry};
use super::{
    BatchEnd, BatchRecord, ConnectionMetrics, LongLivedMetrics, Names, RequestRecord, TlsFailures,
    UpstreamMetrics,
};

const ITEMS: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];
const BYTES: [f64; 9] =
    [256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262_144.0, 1_048_576.0, 4_194_304.0, 16_777_216.0];

/// All metrics of a gateway.
pub struct Metrics {
    registry: Registry,
    pub(super) items: IntCounterVec,
    item_duration: HistogramVec,
    item_failures: IntCounterVec,
    items_coalesced: IntCounterVec,
    pub(super) batches: IntCounterVec,
    batch_items: HistogramVec,
    batch_duration: HistogramVec,
    batch_bytes_in: HistogramVec,
    batch_bytes_out: HistogramVec,
    phase_duration: HistogramVec,
    rejections: IntCounterVec,
    pub(super) requests: IntCounterVec,
    request_duration: HistogramVec,
    grpc_requests: IntCounterVec,
    request_failures: IntCounterVec,
    reload_ok: IntGauge,
    reload_time: IntGauge,
    reloads: IntCounterVec,
    pub(super) handovers: IntCounterVec,
    /// Batches in progress.
    pub batches_in_flight: IntGauge,
    /// Upstreams and their targets.
    pub upstreams: UpstreamMetrics,
    /// Upgraded connections and streams.
    pub long_lived: LongLivedMetrics,
    /// Clients' connections.
    pub connections: ConnectionMetrics,
    /// Failed TLS handshakes.
    pub tls_failures: Arc<TlsFailures>,
    buffer_bytes: IntGauge,
    buffer_limit_bytes: IntGauge,
    /// Batches and streams cut off because their client stalled while others waited for memory.
    pub memory_gave_way: IntCounter,
    /// Items and requests that exceeded a rate limit, by limit.
    pub rate_limited: IntCounterVec,
    /// Clients that a rate limit forgot because it was tracking too many, by limit.
    pub limit_clients_forgotten: IntCounterVec,
    log_lines_dropped: IntCounter,
    tasks: IntGauge,
    log: OnceLock<ErrorCounter>,
}

/// How a load of the configuration ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReloadResult {
    /// The configuration is in use.
    Taken,
    /// It has errors, and changes nothing.
    Refused,
}

impl ReloadResult {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Refused => "refused",
        }
    }
}

/// How a hand-over ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandoverResult {
    /// This process took over from another one.
    Taken,
    /// Another process failed to take over from this one.
    Failed,
}

impl HandoverResult {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Taken, Self::Failed];

    /// The word for metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Failed => "failed",
        }
    }
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
    // Long because it is a list: each field of the struct is one metric with its name, help and labels. A new metric is
    // one entry here, and the parts of a split list would need an order or names of their own.
    #[expect(clippy::too_many_lines, reason = "a list of all metrics reads best in one piece")]
    pub fn new(pingora_version: &str) -> Result<Self, MetricsError> {
        let make = MetricRegistry(Registry::new());
        let build = make.gauges(
            "batchgate_build_info",
            "Always 1; the labels are the versions of batchgate and of pingora.",
            &["version", "pingora"],
        )?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION"), pingora_version]).set(1);
        make.0.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        Ok(Self {
            items: make.counters(
                "batchgate_items_total",
                "Finished items by final status; outcome says whether the service or the gateway made the status.",
                &["route", "upstream", "method", "code", "outcome"],
            )?,
            item_duration: make.histograms(
                "batchgate_item_duration_seconds",
                "Time from the start of an item to its end, without the time that it waited in its batch.",
                &["route"],
                &LATENCY,
            )?,
            item_failures: make.counters(
                "batchgate_item_failures_total",
                "Items whose status was made by the gateway, by reason.",
                &["route", "reason"],
            )?,
            items_coalesced: make.counters(
                "batchgate_items_coalesced_total",
                "Items that shared the call of an equal item of their batch (coalesce).",
                &["route"],
            )?,
            batches: make.counters(
                "batchgate_batches_total",
                "Finished batches by endpoint, format and outcome.",
                &["endpoint", "format", "outcome"],
            )?,
            batch_items: make.histograms(
                "batchgate_batch_items",
                "Number of items in a batch.",
                &["endpoint"],
                &ITEMS,
            )?,
            batch_duration: make.histograms(
                "batchgate_batch_duration_seconds",
                "Time from the header of a batch request to the end of its reply.",
                &["endpoint"],
                &LATENCY,
            )?,
            batch_bytes_in: make.histograms(
                "batchgate_batch_request_bytes",
                "Size of a batch request's body as sent, before decoding.",
                &["endpoint"],
                &BYTES,
            )?,
            batch_bytes_out: make.histograms(
                "batchgate_batch_reply_bytes",
                "Size of the body of a batch's reply.",
                &["endpoint"],
                &BYTES,
            )?,
            phase_duration: make.histograms(
                "batchgate_batch_phase_seconds",
                "Time that a batch spent in each phase.",
                &["phase"],
                &LATENCY,
            )?,
            rejections: make.counters(
                "batchgate_rejections_total",
                "Batches that were refused as a whole, by reason.",
                &["endpoint", "reason"],
            )?,
            requests: make.counters(
                "batchgate_requests_total",
                "Finished requests that are not batches, by final status.",
                &["route", "upstream", "method", "code"],
            )?,
            request_duration: make.histograms(
                "batchgate_request_duration_seconds",
                "Time from the header of a request that is not a batch to the end of its reply.",
                &["route"],
                &LATENCY,
            )?,
            grpc_requests: make.counters(
                "batchgate_grpc_requests_total",
                "Finished gRPC requests by their gRPC status.",
                &["route", "upstream", "grpc_status"],
            )?,
            request_failures: make.counters(
                "batchgate_request_failures_total",
                "Requests that are not batches and did not get the service's complete reply, by reason.",
                &["route", "reason"],
            )?,
            reload_ok: make.gauge(
                "batchgate_config_last_reload_successful",
                "1 if the last load or reload of the configuration succeeded, otherwise 0.",
            )?,
            reload_time: make.gauge(
                "batchgate_config_last_reload_success_timestamp_seconds",
                "Time of the last successful load of the configuration, in seconds since the epoch.",
            )?,
            handovers: make.counters(
                "batchgate_handovers_total",
                "Hand-overs between processes: taken over from a predecessor, or failed to hand over to a successor.",
                &["result"],
            )?,
            reloads: make.counters(
                "batchgate_config_reloads_total",
                "Loads and reloads of the configuration, by result.",
                &["result"],
            )?,
            batches_in_flight: make.gauge("batchgate_batches_in_flight", "Batches in progress.")?,
            upstreams: UpstreamMetrics::new(&make)?,
            long_lived: LongLivedMetrics::new(&make)?,
            connections: ConnectionMetrics::new(
                make.gauge("batchgate_connections", "Open connections of clients.")?,
                &make.counters(
                    "batchgate_connections_refused_total",
                    "Connections of clients that the gateway closed, by reason.",
                    &["reason"],
                )?,
            ),
            tls_failures: Arc::new(TlsFailures::new(make.counters(
                "batchgate_tls_failures_total",
                "Failed TLS handshakes with clients and with targets, by cause.",
                &["side", "upstream", "cause"],
            )?)),
            buffer_bytes: make.gauge("batchgate_buffer_bytes", "Memory held for the bodies of all batches, in bytes.")?,
            buffer_limit_bytes: make.gauge("batchgate_buffer_limit_bytes", "The limit of batchgate_buffer_bytes (limits.memory), in bytes.")?,
            memory_gave_way: make.counter(
                "batchgate_memory_gave_way_total",
                "Batches and streams that were cut off because their client stalled while others waited for memory.",
            )?,
            rate_limited: make.counters(
                "batchgate_rate_limited_total",
                "Items and requests that exceeded a rate limit, by limit.",
                &["limit"],
            )?,
            limit_clients_forgotten: make.counters(
                "batchgate_rate_limit_clients_forgotten_total",
                "Clients that a rate limit forgot because it was tracking max_clients, by limit.",
                &["limit"],
            )?,
            log_lines_dropped: make.counter(
                "batchgate_log_lines_dropped_total",
                "Log lines that were dropped because the reader of the log was too slow.",
            )?,
            tasks: make.gauge(
                "batchgate_tasks",
                "Tasks of the async runtime: one for each connection and batch, and a few more.",
            )?,
            log: OnceLock::new(),
            registry: make.0,
        })
    }

    /// Starts the series of a configuration at zero, so that `rate()` sees the first event.
    pub fn prepare(&self, settings: &Settings) {
        for result in HandoverResult::ALL {
            self.handovers.with_label_values(&[result.as_str()]);
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
            for reason in LIMIT_REASONS {
                self.item_failures.with_label_values(&[&route.name, reason]);
                self.request_failures.with_label_values(&[&route.name, reason]);
            }
        }
        for upstream in &settings.upstreams {
            self.upstreams.prepare(&upstream.name);
            self.long_lived.prepare(&upstream.name);
            if upstream.targets.iter().any(|target| target.scheme.is_tls()) {
                self.tls_failures.prepare(&upstream.name);
            }
        }
    }

    fn prepare_endpoint(&self, endpoint: &BatchEndpoint, formats: &[&str]) {
        let endpoint = endpoint.path.as_str();
        for reason in REFUSAL_REASONS {
            self.rejections.with_label_values(&[endpoint, reason]);
        }
        for format in formats {
            for word in BatchEnd::WORDS {
                self.batches.with_label_values(&[endpoint, format, word]);
            }
        }
        self.batch_duration.with_label_values(&[endpoint]);
        self.batch_items.with_label_values(&[endpoint]);
    }

    /// Records a load of the configuration.
    pub fn record_reload(&self, result: ReloadResult) {
        self.reload_ok.set(i64::from(result == ReloadResult::Taken));
        self.reloads.with_label_values(&[result.as_str()]).inc();
        if result == ReloadResult::Taken {
            self.reload_time.set(i64::try_from(crate::clock::unix_time().as_secs()).unwrap_or(i64::MAX));
        }
    }

    /// Records a finished batch, without its items.
    pub fn record_batch(&self, report: &BatchRecord) {
        let endpoint = report.endpoint.as_str();
        self.batches.with_label_values(&[endpoint, report.format, report.end.as_str()]).inc();
        if let BatchEnd::Refused(reason) = report.end {
            self.rejections.with_label_values(&[endpoint, reason]).inc();
        } else if report.end != BatchEnd::Explained {
            self.batch_items.with_label_values(&[endpoint]).observe(count(report.summary.items));
            self.batch_bytes_out.with_label_values(&[endpoint]).observe(count(report.bytes_out));
        }
        self.batch_bytes_in.with_label_values(&[endpoint]).observe(count(report.bytes_in));
        let mut whole = Duration::ZERO;
        for (phase, took) in report.phases.iter() {
            whole += took;
            self.phase_duration.with_label_values(&[phase.as_str()]).observe(took.as_secs_f64());
        }
        self.batch_duration.with_label_values(&[endpoint]).observe(whole.as_secs_f64());
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

    /// Starts to count the lines that the log drops.
    pub fn watch_log(&self, dropped: ErrorCounter) {
        self.log.get_or_init(|| dropped);
    }

    /// Sets the gauges of held memory and of its limit.
    pub fn set_buffers(&self, held: usize, limit: usize) {
        self.buffer_bytes.set(i64::try_from(held).unwrap_or(i64::MAX));
        self.buffer_limit_bytes.set(i64::try_from(limit).unwrap_or(i64::MAX));
    }

    fn count_dropped_lines(&self) {
        let dropped = self.log.get().map_or(0, ErrorCounter::dropped_lines) as u64;
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

    /// All metrics in Prometheus' text format 0.0.4.
    #[must_use]
    pub fn exposition(&self) -> Vec<u8> {
        self.count_dropped_lines();
        self.count_tasks();
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "the metrics could not be written");
        }
        text
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
