//! The commands that read a configuration.

use std::path::Path;
use std::process::ExitCode;

use crate::config::{self, Settings};
use crate::terminal::{print_error, say};

/// Serves until it is told to end.
pub(super) fn run(file: &Path) -> ExitCode {
    crate::process::lifecycle::run(file)
}

/// Says what is wrong with a configuration. If `strict`, a warning fails it, too.
pub(super) fn check(file: &Path, strict: bool) -> ExitCode {
    match config::load(file) {
        Ok(loaded) => {
            if !loaded.warnings.is_empty() {
                print_error(&loaded.warnings);
                if strict {
                    return ExitCode::FAILURE;
                }
            }
            say(ok_line(file, &loaded.settings));
            ExitCode::SUCCESS
        }
        Err(diagnostics) => {
            print_error(diagnostics);
            ExitCode::FAILURE
        }
    }
}

/// Prints the JSON Schema of configurations.
pub(super) fn schema() -> ExitCode {
    say(config::schema().trim_end());
    ExitCode::SUCCESS
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
