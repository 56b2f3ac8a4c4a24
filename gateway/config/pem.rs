//! PEM files: whether they are there, and hold what they should.
//!
//! Looked at when the configuration is, so that a wrong file is an error with a place and not a
//! listener that fails at its first handshake.

use std::io::{ErrorKind, Read};
use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A system's complete bundle has about 250 KiB.
pub(super) const MAX_PEM: u64 = 4 << 20;

/// Why a file can't be used; reads on from its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PemError {
    #[error("does not exist")]
    Missing,
    #[error("can't be read: permission denied")]
    Forbidden,
    #[error("is a folder")]
    Folder,
    #[error("can't be read")]
    Unreadable,
    #[error("is too large")]
    TooLarge,
    #[error("is empty")]
    Empty,
    #[error("is not text in UTF-8")]
    NotText,
    #[error("has no certificate in PEM form (`-----BEGIN CERTIFICATE-----`)")]
    NoCertificate,
    #[error("has a certificate that can't be read")]
    BadCertificate,
    #[error("has no private key in PEM form (`-----BEGIN PRIVATE KEY-----`)")]
    NoKey,
}

impl PemError {
    /// What to do about it.
    pub(super) const fn help(self) -> &'static str {
        match self {
            Self::Missing => "paths are relative to the configuration file's folder",
            Self::Forbidden => "let the gateway's user read the file, and enter its folder",
            Self::Folder => "name a file in it",
            Self::Unreadable
            | Self::TooLarge
            | Self::Empty
            | Self::NotText
            | Self::NoCertificate
            | Self::BadCertificate
            | Self::NoKey => "is it the right file? Paths are relative to the configuration file's folder",
        }
    }
}

/// A file's bytes, `limit` of them at most.
pub(super) fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, PemError> {
    let failure = |error: std::io::Error| {
        let named = [
            (ErrorKind::NotFound, PemError::Missing),
            (ErrorKind::PermissionDenied, PemError::Forbidden),
            (ErrorKind::IsADirectory, PemError::Folder),
        ];
        let named = named.into_iter().find(|(kind, _)| *kind == error.kind());
        named.map_or(PemError::Unreadable, |(_, named)| named)
    };
    let file = std::fs::File::open(path).map_err(failure)?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(failure)?;
    if bytes.len() as u64 > limit { Err(PemError::TooLarge) } else { Ok(bytes) }
}

/// A chain of certificates, at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let bytes = read_file(path, MAX_PEM)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let chain = chain.map_err(|_| PemError::BadCertificate)?;
    if chain.is_empty() { Err(PemError::NoCertificate) } else { Ok(chain) }
}

/// The first private key.
pub(super) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, PemError> {
    let bytes = read_file(path, MAX_PEM)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| PemError::NoKey)
}

/// Certificates that can all be trusted as roots.
pub(super) fn roots(path: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let mut store = RootCertStore::empty();
    let roots = certificates(path)?;
    for root in &roots {
        store.add(root.clone()).map_err(|_| PemError::BadCertificate)?;
    }
    Ok(roots)
}
