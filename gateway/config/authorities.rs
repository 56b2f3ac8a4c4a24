//! Authorities from a PEM file: who may have signed the certificate of a target or of a client.
//!
//! In: the name of a file. Out: [`Authorities`], with the certificates that the file had when it was read.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;

use super::pem::{self, PemError};
use super::resolver::{Resolved, Resolver};
use super::yaml::wrappers::At;

/// Certificates to trust, and the file that has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorities {
    /// The file.
    pub file: PathBuf,
    /// Its certificates; at least one, and each can be a root.
    pub certificates: Arc<[CertificateDer<'static>]>,
}

impl Authorities {
    pub(super) fn read(file: PathBuf) -> Result<Self, PemError> {
        let certificates = pem::roots(&file)?.into();
        Ok(Self { file, certificates })
    }
}

impl Resolver<'_> {
    /// The authorities in this file.
    pub(super) fn authorities(&mut self, file: &At<String>) -> Resolved<Authorities> {
        self.watch_certificate(file);
        self.pem(file, Authorities::read(self.file(file)))
    }
}
