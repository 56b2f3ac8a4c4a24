//! A file that a command makes. One that exists is never changed.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

/// Why a file was not made.
#[derive(Debug, thiserror::Error)]
pub(super) enum NewFileError {
    #[error("{0} exists already; nothing was changed")]
    Exists(String),
    #[error("{0} can't be written: {1}")]
    Unwritable(String, io::Error),
}

/// Writes a new file.
pub(super) fn write(file: &Path, text: &str) -> Result<(), NewFileError> {
    let name = || file.display().to_string();
    let opened = OpenOptions::new().write(true).create_new(true).open(file);
    let written = opened.and_then(|mut file| file.write_all(text.as_bytes()));
    let is_there = |error: &io::Error| error.kind() == io::ErrorKind::AlreadyExists;
    written.map_err(|error| {
        if is_there(&error) { NewFileError::Exists(name()) } else { NewFileError::Unwritable(name(), error) }
    })
}
