//! The commands that read a configuration.

use std::path::Path;
use std::process::ExitCode;

use crate::settings::Settings;
use crate::terminal::{complain, say};

/// A configuration that was read.
struct Loaded {
    settings: Settings,
    warnings: Vec<String>,
}

/// Why none was.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    /// This build of the program can't.
    #[error("configurations are not built in")]
    NotBuiltIn,
}

/// Serves until it is told to end.
pub(super) fn run(_file: &Path) -> ExitCode {
    complain("batchgate: the gateway is not built in");
    ExitCode::FAILURE
}

/// Says what is wrong with a configuration.
pub(super) fn check(file: &Path) -> ExitCode {
    match load(file) {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                complain(warning);
            }
            say(ok_line(file, &loaded.settings));
            ExitCode::SUCCESS
        }
        Err(diagnostics) => {
            complain(diagnostics);
            ExitCode::FAILURE
        }
    }
}

/// Prints the JSON Schema of configurations.
pub(super) fn schema() -> ExitCode {
    complain("batchgate: the schema is not built in");
    ExitCode::FAILURE
}

fn load(_file: &Path) -> Result<Loaded, LoadError> {
    Err(LoadError::NotBuiltIn)
}

fn ok_line(file: &Path, settings: &Settings) -> String {
    format!(
        "{}: ok ({} upstreams, {} routes, {} batch endpoints)",
        file.display(),
        settings.upstreams.len(),
        settings.routes.routes().len(),
        settings.batch.len(),
    )
}
