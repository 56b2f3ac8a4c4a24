//! Starts the log: the gateway's own lines, which are `tracing` events, and the [access log](super::access). Values are fields
//! of a line and never part of its text, so that nothing a client sends can begin a line of its own. Never logged: bodies,
//! credentials, query strings, lines of libraries.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::{EnvFilter, Registry, fmt};

use crate::config::{LogFormat, LogSettings};

use super::access::AccessLog;
use super::item_record::ItemRecord;
use super::libraries;
use super::log_file::LogFile;
use super::log_json::JsonLines;
use super::log_throttle::LogThrottle;
use super::log_writer::{self, WriterThread};
use super::record::Sender;

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
    /// The access log's file can't be opened.
    #[error("log.access.file {path} could not be opened: {error}")]
    File {
        /// Its path.
        path: String,
        /// Why.
        error: std::io::Error,
    },
}

/// Logging that has started. Dropping it writes the lines that still wait.
pub struct Logging {
    _threads: Vec<WriterThread>,
    dropped: Arc<AtomicU64>,
}

impl Logging {
    /// Counts the lines that were dropped because the log's reader was too slow, or because they could not be written.
    #[must_use]
    pub fn dropped_lines(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.dropped)
    }
}

/// Starts logging to standard error, and the access log where the settings say. Only the gateway's own lines are written:
/// messages of libraries and panics become lines of ours or are left out (`libraries`). Threads of their own write the lines
/// (`log_writer`).
///
/// # Errors
/// The level is not a filter, logging was started before, a file can't be opened, or the system gives no thread.
pub fn start_logging(settings: &LogSettings) -> Result<(Logging, AccessLog), LogError> {
    let level = EnvFilter::try_new(&settings.level)?;
    let dropped = Arc::new(AtomicU64::new(0));
    // Nobody is left to hear of standard error that can't be written: `batchgate_log_lines_dropped_total` alone says so.
    let (writer, own_thread) =
        log_writer::start(std::io::stderr(), settings.flush, Arc::clone(&dropped), |_, _| {})?;
    let mut threads = Vec::new();
    let access = match access_output(settings)? {
        None => AccessLog::new(settings, writer.clone()),
        Some(output) => {
            let (writer, thread) =
                log_writer::start(output, settings.flush, Arc::clone(&dropped), say_lost())?;
            threads.push(thread);
            AccessLog::new(settings, writer)
        }
    };
    // The last to end, because it says what the other has lost.
    threads.push(own_thread);
    let lines = fmt::layer().with_span_events(FmtSpan::NONE).with_writer(writer).with_target(false);
    let lines = match settings.format {
        LogFormat::Json => lines.event_format(JsonLines).boxed(),
        LogFormat::Text => lines.with_ansi(false).boxed(),
    };
    let ours = filter_fn(|metadata| libraries::is_ours(metadata.target()));
    // Not `try_init`, which would have the records of the `log` crate written as they are.
    tracing::subscriber::set_global_default(Registry::default().with(lines).with(level).with(ours))?;
    libraries::listen();
    Ok((Logging { _threads: threads, dropped }, access))
}

/// Says that the access log can't be written, once a second at most.
fn say_lost() -> impl FnMut(u64, &std::io::Error) {
    let (throttle, mut unsaid) = (LogThrottle::default(), 0);
    move |lines, error| {
        unsaid += lines;
        if throttle.may_log() {
            tracing::warn!(kind = "log", dropped = unsaid, error = %error, "lines of the access log could not be written");
            unsaid = 0;
        }
    }
}

/// Where the access log goes; `None`: to standard error, between the other lines.
fn access_output(settings: &LogSettings) -> Result<Option<Box<dyn Write + Send>>, LogError> {
    match settings.access.file.as_deref() {
        None | Some("stderr") => Ok(None),
        Some("stdout") => Ok(Some(Box::new(std::io::stdout()))),
        Some(path) => match LogFile::open(path.into()) {
            Ok(file) => Ok(Some(Box::new(file))),
            Err(error) => Err(LogError::File { path: path.to_owned(), error }),
        },
    }
}

/// Warns of an item that could not be undone.
pub(super) fn log_left_over(sender: &Sender<'_>, left_over: &ItemRecord) {
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
