//! Log lines: one a batch, one a failed item, one a proxied request. Values are fields, never
//! pasted into text, so that what a client sends can't start a line of its own. Never logged:
//! bodies, credentials, query strings, lines of libraries.

use std::time::Duration;

use tracing::field::DisplayValue;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::{EnvFilter, Registry, fmt};

use crate::config::{LogFormat, LogSettings};
use crate::problem::Limit;
use crate::stitch::ItemReport;

use super::libraries;
use super::{BatchEnd, BatchReport, FailedItem, GrpcStatus, LongLivedEnd, Names, RequestReport};

/// Log lines of failed items that one batch may write.
const MAX_FAILED_ITEMS: usize = 100;

/// Log lines that may wait to be written.
const MAX_WAITING_LINES: usize = 16 * 1024;

/// Logging can't start.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// `log.level` is no filter.
    #[error("log.level is no filter: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Logging was started before.
    #[error("logging was started before: {0}")]
    Started(#[from] tracing::subscriber::SetGlobalDefaultError),
}

/// Logging at work. Lines that still wait are written when it is dropped.
pub struct Logging {
    _writer: WorkerGuard,
    dropped: ErrorCounter,
}

impl Logging {
    /// Counts the lines that were dropped because the log's reader was too slow.
    #[must_use]
    pub fn dropped_lines(&self) -> ErrorCounter {
        self.dropped.clone()
    }
}

/// Starts logging to standard error: the gateway's own lines, and nothing else. What libraries say, and panics, become
/// lines of ours or are left out (`libraries`). Lines are written by a thread of their own; when 16384 wait for
/// it, further ones are dropped and counted.
///
/// # Errors
/// The level is no filter, or logging was started before.
pub fn start_logging(settings: &LogSettings) -> Result<Logging, LogError> {
    let level = EnvFilter::try_new(&settings.level)?;
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(MAX_WAITING_LINES)
        .finish(std::io::stderr());
    let dropped = writer.error_counter();
    let lines = fmt::layer().with_span_events(FmtSpan::NONE).with_writer(writer).with_target(false);
    let lines = match settings.format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        LogFormat::Text => lines.with_ansi(false).boxed(),
    };
    let ours = filter_fn(|metadata| libraries::is_ours(metadata.target()));
    // Not `try_init`, which would have the records of the `log` crate written as they are.
    tracing::subscriber::set_global_default(Registry::default().with(lines).with(level).with(ours))?;
    libraries::listen();
    Ok(Logging { _writer: guard, dropped })
}

impl BatchReport {
    /// Notes a failed item for its log line, up to a sensible number.
    pub fn note_failure(failures: &mut Vec<FailedItem>, position: usize, id: &str, item: &ItemReport) {
        if failures.len() < MAX_FAILED_ITEMS {
            failures.push(FailedItem { position, id: id.chars().take(64).collect(), item: item.clone() });
        }
    }

    /// Writes the batch's line and a line for each failed item.
    pub fn log(&self, names: Names<'_>) {
        let reason = if let BatchEnd::Refused(reason) = self.end { reason } else { "" };
        let whole: Duration = self.phases.iter().map(|(_, took)| took).sum();
        tracing::info!(
            kind = "batch",
            request_id = self.request_id.as_str(),
            trace_id = self.trace.trace_id(),
            span_id = self.trace.span_id(),
            client = self.client,
            client_name = self.client_name.as_deref(),
            endpoint = self.endpoint,
            format = self.format,
            outcome = self.end.as_str(),
            reason,
            limit = shown(self.limit.as_ref()),
            status = self.status.as_u16(),
            items = self.summary.items,
            failed = self.summary.failed,
            coalesced = (self.coalesced > 0).then_some(self.coalesced),
            bytes_in = self.bytes_in,
            bytes_out = self.bytes_out,
            duration_ms = milliseconds(whole),
        );
        for failure in &self.failures {
            self.log_item(failure, names);
        }
    }

    fn log_item(&self, failure: &FailedItem, names: Names<'_>) {
        let item = &failure.item;
        tracing::info!(
            kind = "item",
            request_id = self.request_id.as_str(),
            trace_id = self.trace.trace_id(),
            position = failure.position,
            id = failure.id,
            route = names.route(item.route),
            upstream = names.upstream(item.upstream),
            method = item.method,
            status = item.status.as_u16(),
            outcome = item.outcome.as_str(),
            reason = item.reason.unwrap_or(""),
            limit = shown(item.limit.as_ref()),
            duration_ms = milliseconds(item.elapsed.unwrap_or_default()),
        );
    }
}

impl RequestReport {
    /// Writes the request's line.
    pub fn log(&self, names: Names<'_>) {
        tracing::info!(
            kind = "request",
            request_id = self.request_id.as_str(),
            trace_id = self.trace.trace_id(),
            client = self.client,
            client_name = self.client_name.as_deref(),
            route = names.route(self.route),
            upstream = names.upstream(self.upstream),
            method = self.method,
            status = self.status.map_or(0, |status| status.as_u16()),
            grpc_status = self.grpc_status.map(GrpcStatus::as_str),
            reason = self.reason.unwrap_or(""),
            limit = shown(self.limit.as_ref()),
            ended = self.lasted.map(LongLivedEnd::as_str),
            duration_ms = milliseconds(self.elapsed),
        );
    }
}

/// The limit that bit; the field is left out where none did.
fn shown(limit: Option<&Limit>) -> Option<DisplayValue<&Limit>> {
    limit.map(tracing::field::display)
}

/// With three digits: microseconds are enough for a log.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
