//! Log lines: one for each batch, one for each failed item, one for each single request. Values are fields of a line and
//! never part of its text, so that nothing a client sends can begin a line of its own. Never logged: bodies,
//! credentials, query strings, lines of libraries.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tracing::field::DisplayValue;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::{EnvFilter, Registry, fmt};

use crate::config::{LogFormat, LogSettings};
use crate::problem::Limit;

use super::item_record::ItemRecord;
use super::libraries;
use super::log_json::JsonLines;
use super::log_writer::{self, WriterThread};
use super::names::Names;
use super::record::{BatchEnd, BatchRecord, RequestRecord, Sender};
use super::{GrpcStatus, LongLivedEnd};

/// Logging can't start.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// `log.level` is not a filter.
    #[error("log.level is not a filter: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Logging was started before.
    #[error("logging was started before: {0}")]
    Started(#[from] tracing::subscriber::SetGlobalDefaultError),
    /// The system gives no thread to write the log.
    #[error("no thread could be started to write the log: {0}")]
    Thread(#[from] std::io::Error),
}

/// Logging that has started. Dropping it writes the lines that still wait.
pub struct Logging {
    _thread: WriterThread,
    dropped: Arc<AtomicU64>,
}

impl Logging {
    /// Counts the lines that were dropped because the log's reader was too slow.
    #[must_use]
    pub fn dropped_lines(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.dropped)
    }
}

/// Starts logging to standard error. Only the gateway's own lines are written: messages of libraries and panics become
/// lines of ours or are left out (`libraries`). A thread of its own writes the lines (`log_writer`).
///
/// # Errors
/// The level is not a filter, logging was started before, or the system gives no thread.
pub fn start_logging(settings: &LogSettings) -> Result<Logging, LogError> {
    let level = EnvFilter::try_new(&settings.level)?;
    let (writer, thread) = log_writer::start(std::io::stderr(), settings.flush)?;
    let dropped = writer.dropped();
    let lines = fmt::layer().with_span_events(FmtSpan::NONE).with_writer(writer).with_target(false);
    let lines = match settings.format {
        LogFormat::Json => lines.event_format(JsonLines).boxed(),
        LogFormat::Text => lines.with_ansi(false).boxed(),
    };
    let ours = filter_fn(|metadata| libraries::is_ours(metadata.target()));
    // Not `try_init`, which would have the records of the `log` crate written as they are.
    tracing::subscriber::set_global_default(Registry::default().with(lines).with(level).with(ours))?;
    libraries::listen();
    Ok(Logging { _thread: thread, dropped })
}

/// Writes a batch's line and a line for each failed item.
#[inline(never)] // tests/benches/instructions.py finds it by its name
pub(super) fn log_batch(sender: &Sender<'_>, batch: &BatchRecord) {
    let reason = if let BatchEnd::Refused(reason) = batch.end { reason } else { "" };
    let duration: Duration = batch.phases.iter().map(|(_, took)| took).sum();
    tracing::info!(
        kind = "batch",
        request_id = sender.request_id.as_str(),
        trace_id = sender.trace.trace_id(),
        span_id = sender.trace.span_id(),
        client = sender.client,
        client_name = sender.client_name,
        endpoint = batch.endpoint,
        format = batch.format,
        outcome = batch.end.as_str(),
        reason,
        limit = shown(batch.limit.as_ref()),
        status = batch.status.as_u16(),
        items = batch.summary.items,
        failed = batch.summary.failed,
        slow = (batch.kept.slow > 0).then_some(batch.kept.slow),
        omitted = (batch.kept.omitted > 0).then_some(batch.kept.omitted),
        coalesced = (batch.coalesced > 0).then_some(batch.coalesced),
        independent = (batch.independent > 0).then_some(batch.independent),
        undone = (batch.undone > 0).then_some(batch.undone),
        undo_failed = (!batch.left_over.is_empty()).then_some(batch.left_over.len()),
        bytes_in = batch.bytes_in,
        bytes_out = batch.bytes_out,
        duration_ms = milliseconds(duration),
    );
    for left_over in &batch.left_over {
        log_left_over(sender, left_over);
    }
    for record in &batch.kept.records {
        log_item(sender, record);
    }
}

fn log_left_over(sender: &Sender<'_>, left_over: &ItemRecord) {
    tracing::warn!(
        kind = "undo",
        request_id = sender.request_id.as_str(),
        trace_id = sender.trace.trace_id(),
        position = left_over.position,
        id = left_over.id,
        route = left_over.route,
        upstream = left_over.upstream,
        method = left_over.report.method,
        path = left_over.path,
        "an item of a group that failed could not be undone: what it did may still be there"
    );
}

fn log_item(sender: &Sender<'_>, record: &ItemRecord) {
    let item = &record.report;
    let timeline = &item.timeline;
    tracing::info!(
        kind = "item",
        request_id = sender.request_id.as_str(),
        trace_id = sender.trace.trace_id(),
        position = record.position,
        id = record.id,
        path = record.path,
        route = record.route,
        upstream = record.upstream,
        target = timeline.target(),
        method = item.method,
        status = item.status.as_u16(),
        outcome = item.outcome.as_str(),
        reason = item.reason.unwrap_or(""),
        limit = shown(item.limit.as_ref()),
        attempts = timeline.attempts.count(),
        span_id = timeline.attempts.last().and_then(|attempt| attempt.span).map(tracing::field::display),
        queued_ms = timeline.queue_time().map(milliseconds),
        connect_ms = timeline.connect_time().map(milliseconds),
        first_byte_ms = timeline.first_byte_time().map(milliseconds),
        duration_ms = milliseconds(timeline.elapsed().unwrap_or_default()),
    );
}

/// Writes the line of a request that is not a batch.
#[inline(never)] // tests/benches/instructions.py finds it by its name
pub(super) fn log_request(sender: &Sender<'_>, request: &RequestRecord, names: Names<'_>) {
    tracing::info!(
        kind = "request",
        request_id = sender.request_id.as_str(),
        trace_id = sender.trace.trace_id(),
        client = sender.client,
        client_name = sender.client_name,
        route = names.route(request.route),
        upstream = names.upstream(request.upstream),
        method = request.method,
        status = request.status.map_or(0, |status| status.as_u16()),
        grpc_status = request.grpc_status.map(GrpcStatus::as_str),
        reason = request.reason.unwrap_or(""),
        limit = shown(request.limit.as_ref()),
        ended = request.lasted.map(LongLivedEnd::as_str),
        duration_ms = milliseconds(request.elapsed),
    );
}

/// The limit that was the reason; without one, the line has no such field.
fn shown(limit: Option<&Limit>) -> Option<DisplayValue<&Limit>> {
    limit.map(tracing::field::display)
}

/// With three decimals: microseconds are enough for a log.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
