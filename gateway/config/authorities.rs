//! Authorities from a PEM file: who may have signed the certificate of a target or of a client.
//!
//! In: the name of a file. Out: [`Authorities`], with the certificates that the file had when it was read.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;

/// Certificates to trust, and the file that has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorities {
    /// The file.
    pub file: PathBuf,
    /// Its certificates; at least one, and each can be a root.
    pub certificates: Arc<[CertificateDer<'static>]>,
}

impl Authorities {
    pub(super) fn new(file: PathBuf, certificates: Vec<CertificateDer<'static>>) -> Self {
        Self { file, certificates: certificates.into() }
    }
}
