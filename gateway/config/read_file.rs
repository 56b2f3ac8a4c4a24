//! The files that a configuration takes parts, keys, secrets and certificates from, and whether they have
//! changed since they were read.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ring::digest::{Context, Digest, SHA256, digest};

use super::pem::read_file;

/// Bytes of such a file that are looked at; more than any kind of them may have.
const MAX_FILE: u64 = 16 << 20;

/// A file, and what it held when it was read: its SHA-256, for it may hold secrets. Or a pattern, and which files it fitted.
#[derive(Clone, Debug)]
pub struct ReadFile {
    path: PathBuf,
    kind: Kind,
    held: Digest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    File,
    Pattern,
}

impl ReadFile {
    pub(super) fn new(path: PathBuf, bytes: &[u8]) -> Self {
        Self { path, kind: Kind::File, held: digest(&SHA256, bytes) }
    }

    /// A pattern, and the files that it fits.
    pub(super) fn from_pattern(path: PathBuf, files: &[PathBuf]) -> Self {
        let mut names = Context::new(&SHA256);
        for file in files {
            names.update(file.as_os_str().as_bytes());
            names.update(b"\0");
        }
        Self { path, kind: Kind::Pattern, held: names.finish() }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it holds something else now. One that can't be read has not changed: it may be about to be replaced.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        self.now().is_some_and(|now| now.held.as_ref() != self.held.as_ref())
    }

    /// Why it can't be read now, if it is a file; reads on from its name.
    #[must_use]
    pub fn why_unreadable(&self) -> Option<String> {
        match self.kind {
            Kind::File => why_unreadable(&self.path),
            Kind::Pattern => None,
        }
    }

    /// The file as it is now, so that it has not changed.
    pub fn remember(&mut self) {
        if let Some(now) = self.now() {
            *self = now;
        }
    }

    fn now(&self) -> Option<Self> {
        match self.kind {
            Kind::File => Some(Self::new(self.path.clone(), &read_file(&self.path, MAX_FILE).ok()?)),
            Kind::Pattern => Some(Self::from_pattern(self.path.clone(), &matches(&self.path)?)),
        }
    }
}

/// Why this file can't be read now; reads on from its name.
#[must_use]
pub fn why_unreadable(path: &Path) -> Option<String> {
    read_file(path, MAX_FILE).err().map(|error| error.to_string())
}

/// The files that fit a pattern in the last part of this path, by name. `None`: it is not a pattern.
pub(super) fn matches(pattern: &Path) -> Option<Vec<PathBuf>> {
    let folder = glob::Pattern::escape(pattern.parent()?.to_str()?);
    let folder = if folder.is_empty() { ".".to_owned() } else { folder };
    let name = pattern.file_name()?.to_str()?;
    let options = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::new() };
    let found = glob::glob_with(&format!("{folder}/{name}"), options).ok()?;
    Some(found.filter_map(Result::ok).filter(|path| path.is_file()).collect())
}
