//! The files that a configuration takes keys, secrets and certificates from, and whether they have
//! changed since they were read.

use std::path::{Path, PathBuf};

use ring::digest::{Digest, SHA256, digest};

use super::pem::read_file;

/// Bytes of such a file that are looked at; more than any kind of them may have.
const MAX_FILE: u64 = 16 << 20;

/// A file, and what it held when it was read: its SHA-256, for it may hold secrets.
#[derive(Clone, Debug)]
pub struct ReadFile {
    path: PathBuf,
    held: Digest,
}

impl ReadFile {
    pub(super) fn new(path: PathBuf, bytes: &[u8]) -> Self {
        Self { path, held: digest(&SHA256, bytes) }
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

    /// The file as it is now, so that it has not changed.
    pub fn remember(&mut self) {
        if let Some(now) = self.now() {
            *self = now;
        }
    }

    fn now(&self) -> Option<Self> {
        let bytes = read_file(&self.path, MAX_FILE).ok()?;
        Some(Self::new(self.path.clone(), &bytes))
    }
}
