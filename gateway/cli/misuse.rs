//! Command lines that clap takes, and whose arguments contradict each other or what they name.

use clap::error::ErrorKind;

/// The error of a command line that is wrong: exit code 2.
pub(super) fn usage(message: &str) -> clap::Error {
    clap::Error::raw(ErrorKind::ValueValidation, format!("{message}\n"))
}
