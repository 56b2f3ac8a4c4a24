//! `log`: the settings of the log.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

use super::access_log::{AccessField, AccessFormat, AccessLevel, AccessLogSettings};
use super::resolver::{Resolved, Resolver};
use super::yaml::diagnostic::{nearest, quoted};
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
                if let Some(problem) = cannot_be_opened(Path::new(path)) {
                    let message = format!("the file of the access log can't be opened: {problem}");
                    let help = "make its folder, and let the gateway's user write there";
                    self.warn(span, message, help);
                }
            }
            self.fields_of_combined(&log);
            self.fields_are_once(log.access.fields.as_deref().unwrap_or_default())?;
            return Ok(log);
        }
        let help = match stray.and_then(|stray| nearest(stray, LEVELS)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("write one of {}; by part: `warn,batchgate=debug`", LEVELS.join(", ")),
        };
        let written = self.written.key("log").key("level");
        self.refuse(written.span(), format!("{} is not a log level", written.shown(level)), help)
    }

    /// Refuses a field that each line would have twice.
    fn fields_are_once(&mut self, fields: &[AccessField]) -> Resolved<()> {
        let twice =
            |(place, field): &(usize, &AccessField)| fields.iter().take(*place).any(|other| other == *field);
        let Some((place, field)) = fields.iter().enumerate().find(twice) else { return Ok(()) };
        let span = self.written.key("log").key("access").key("fields").element(place).span();
        self.refuse(
            span,
            format!("the field {} is there twice", quoted(field.as_str())),
            "remove one of the two",
        )
    }

    /// Warns of fields that no line has.
    fn fields_of_combined(&mut self, log: &LogSettings) {
        if log.access.format == Some(AccessFormat::Combined) && log.access.fields.is_some() {
            let span = self.written.key("log").key("access").key("fields").span();
            let message =
                "`fields` does nothing with `format: combined`, whose lines have fields of their own";
            self.warn(span, message, "remove it, or write `format: json` or `format: text`");
        }
    }
}

/// Why a log file can't be opened or made, as far as that shows without making it. A pipe is left alone: opening it would wait.
fn cannot_be_opened(path: &Path) -> Option<io::Error> {
    match std::fs::metadata(path) {
        Ok(about) if about.is_file() => OpenOptions::new().append(true).open(path).err(),
        Ok(about) if about.is_dir() => Some(io::ErrorKind::IsADirectory.into()),
        Ok(_) => None,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            std::fs::read_dir(folder.unwrap_or(Path::new("."))).err()
        }
        Err(error) => Some(error),
    }
}
