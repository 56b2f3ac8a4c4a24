//! A self-signed certificate for 127.0.0.1 and localhost, made by openssl for one test.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::programs::{program, succeed};

/// A certificate and its key, in a folder of their own.
#[derive(Debug)]
pub(crate) struct Certificate(TempDir);

impl Certificate {
    /// Makes one.
    pub(crate) fn for_loopback() -> Self {
        let certificate = Self(tempfile::tempdir().unwrap());
        let mut openssl = Command::new(program("openssl"));
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
        openssl.args(["-days", "2", "-subj", "/CN=localhost"]);
        openssl.args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]);
        openssl.arg("-keyout").arg(certificate.key()).arg("-out").arg(certificate.chain());
        succeed(&mut openssl);
        certificate
    }

    /// The file with the certificate.
    pub(crate) fn chain(&self) -> PathBuf {
        self.0.path().join("certificate.pem")
    }

    /// The file with the private key.
    pub(crate) fn key(&self) -> PathBuf {
        self.0.path().join("key.pem")
    }
}
