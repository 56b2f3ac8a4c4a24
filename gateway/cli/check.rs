//! `batchgate check`: lists the errors and warnings of a configuration, for people or for machines.

use std::error::Error;

use serde::Serialize;

use super::config_file::ConfigFile;
use super::routes::RouteRows;
use crate::config::{Diagnostic, Diagnostics, Loaded, Severity};
use crate::terminal::{counted, print_error, print_line};

#[derive(Debug, clap::Args)]
pub(super) struct CheckArguments {
    #[command(flatten)]
    pub(super) file: ConfigFile,
    /// Fail on warnings, too
    #[arg(long)]
    pub(super) strict: bool,
    /// Print JSON: every error and warning with its file, line and column
    #[arg(long)]
    pub(super) json: bool,
    /// Print the routes, too, in their order of precedence: of those that fit a request, the first one wins
    #[arg(long)]
    pub(super) routes: bool,
}

/// Why a configuration does not pass.
#[derive(Debug, thiserror::Error)]
enum CheckError {
    #[error("{0}")]
    Reported(Diagnostics),
    #[error("{0}: the configuration does not pass; see the JSON on standard output")]
    ReportedAsJson(String),
}

/// What was found, as JSON.
#[derive(Serialize)]
struct Report<'a> {
    /// Whether the configuration passes.
    ok: bool,
    errors: usize,
    warnings: usize,
    diagnostics: Vec<Entry<'a>>,
    /// How many more there are, of either kind.
    omitted: usize,
    /// The routes by precedence, if they were asked for and the file can be served.
    #[serde(skip_serializing_if = "Option::is_none")]
    routes: Option<RouteRows>,
}

#[derive(Serialize)]
struct Entry<'a> {
    severity: &'static str,
    file: &'a str,
    line: Option<usize>,
    column: Option<usize>,
    message: &'a str,
    help: Option<&'a str>,
}

/// Lists what is wrong.
pub(super) fn run(arguments: &CheckArguments) -> Result<(), Box<dyn Error>> {
    let source = arguments.file.source();
    // `-` would look like an option.
    let name =
        source.as_ref().map_or_else(|_| arguments.file.config.display().to_string(), ToString::to_string);
    let (loaded, found) = match source.and_then(|source| source.load()) {
        Ok(Loaded { settings, warnings, .. }) => (Some(settings), warnings),
        Err(errors) => (None, errors),
    };
    let passes = loaded.is_some() && (found.is_empty() || !arguments.strict);
    let routes = loaded.as_ref().filter(|_| arguments.routes).map(RouteRows::new);
    if arguments.json {
        let report = Report { ok: passes, routes, ..Report::from_found(&found) };
        print_line(serde_json::to_string_pretty(&report)?)?;
        return if passes { Ok(()) } else { Err(CheckError::ReportedAsJson(name).into()) };
    }
    let Some(settings) = loaded.filter(|_| passes) else { return Err(CheckError::Reported(found).into()) };
    if !found.is_empty() {
        print_error(found);
    }
    if let Some(routes) = routes {
        print_line(routes)?;
    }
    print_line(format_args!(
        "{name}: ok ({}, {}, {})",
        counted(settings.upstreams.len() as u64, "upstream", "upstreams"),
        counted(settings.routes.routes().len() as u64, "route", "routes"),
        counted(settings.batch.len() as u64, "batch endpoint", "batch endpoints"),
    ))?;
    Ok(())
}

impl<'a> Report<'a> {
    /// A report that does not pass.
    fn from_found(found: &'a Diagnostics) -> Self {
        let count = |severity| found.iter().filter(|entry| entry.severity == severity).count();
        let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
        let diagnostics = found.iter().map(Entry::new).collect();
        Self {
            ok: false,
            errors,
            warnings,
            diagnostics,
            omitted: found.len() - errors - warnings,
            routes: None,
        }
    }
}

impl<'a> Entry<'a> {
    fn new(entry: &'a Diagnostic) -> Self {
        let severity = match entry.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let (line, column) = (entry.line(), entry.column());
        Self {
            severity,
            file: entry.file(),
            line,
            column,
            message: &entry.message,
            help: entry.hint.as_deref(),
        }
    }
}
