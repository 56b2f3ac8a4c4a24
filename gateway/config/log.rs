//! `log`: the settings of the log.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

use super::access_log::{AccessFormat, AccessLevel, AccessLogSettings};
use super::resolver::{Resolved, Resolver};
use super::yaml::diagnostic::nearest;
use super::yaml::quantity::{Delay, TimeLimit};

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    /// How a line looks.
    pub format: LogFormat,
    /// `off`, `error`, `warn`, `info`, `debug` or `trace`; also by part: `warn,batchgate=debug`.
    pub level: String,
    /// The lines of requests, batches and items.
    pub access: AccessLogSettings,
    /// An item or a request that takes this long is slow. An endpoint's `trace.slow` can say otherwise for its items.
    #[serde(with = "TimeLimit")]
    pub slow: Duration,
    /// Lines wait for at most this time to be written together. Warnings and errors never wait.
    #[serde(with = "Delay")]
    pub flush: Duration,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// Text for people.
    Text,
}

impl From<LogFormat> for AccessFormat {
    fn from(format: LogFormat) -> Self {
        match format {
            LogFormat::Json => Self::Json,
            LogFormat::Text => Self::Text,
        }
    }
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            format: LogFormat::Json,
            level: "info".to_owned(),
            access: AccessLogSettings::default(),
            slow: Duration::from_secs(1),
            flush: Duration::from_millis(100),
        }
    }
}

impl LogSettings {
    /// Which lines of requests, batches and items are written.
    #[must_use]
    pub fn access_level(&self) -> AccessLevel {
        let hint = || EnvFilter::builder().parse(&self.level).ok()?.max_level_hint();
        self.access.level.unwrap_or_else(|| match hint() {
            Some(most) if most < tracing::level_filters::LevelFilter::INFO => AccessLevel::Off,
            Some(_) | None => AccessLevel::Requests,
        })
    }
}

impl Resolver<'_> {
    /// A filter takes any lone word that is not a level for a module's name, and would log nothing at all;
    /// so those are checked here.
    pub(super) fn log(&mut self, log: &LogSettings) -> Resolved<LogSettings> {
        let level = log.level.as_str();
        let stray = level.split(',').map(str::trim).find(|directive| {
            !directive.contains(['=', '['])
                && !LEVELS.iter().any(|level| level.eq_ignore_ascii_case(directive))
        });
        if stray.is_none() && EnvFilter::builder().parse(level).is_ok() {
            let mut log = log.clone();
            if let Some(path) = log.access.path_mut() {
                let span = self.written.key("log").key("access").key("file").span();
                *path = self.findings.base(span).join(&*path).to_string_lossy().into_owned();
            }
            return Ok(log);
        }
        let help = match stray.and_then(|stray| nearest(stray, LEVELS)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("write one of {}; by part: `warn,batchgate=debug`", LEVELS.join(", ")),
        };
        let written = self.written.key("log").key("level");
        self.refuse(written.span(), format!("{} is not a log level", written.shown(level)), help)
    }
}
