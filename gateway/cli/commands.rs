//! The commands that read a configuration.

use std::path::Path;
use std::process::ExitCode;

use crate::config::{self, Settings};
use crate::terminal::{print_error, print_line};

/// Serves until it is stopped.
pub(super) fn run(file: &Path) -> ExitCode {
    crate::process::lifecycle::run(file)
}

/// What a warning does to the exit code of a check.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum OnWarning {
    Succeed,
    Fail,
}

/// Lists the errors and warnings of a configuration.
pub(super) fn check(file: &Path, on_warning: OnWarning) -> ExitCode {
    match config::load(file) {
        Ok(loaded) => {
            if !loaded.warnings.is_empty() {
                print_error(&loaded.warnings);
                if on_warning == OnWarning::Fail {
                    return ExitCode::FAILURE;
                }
            }
            print_line(ok_line(file, &loaded.settings));
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
    print_line(config::schema().trim_end());
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
