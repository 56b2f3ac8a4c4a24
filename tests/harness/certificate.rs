//! A certificate for 127.0.0.1 and localhost and the authority that signed it, made by openssl for one
//! test. Or one that is its own authority, as `openssl req -x509` makes it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::programs::{program, succeed};

/// A certificate and its key, in a folder of their own.
#[derive(Debug)]
pub(crate) struct Certificate(TempDir);

impl Certificate {
    /// Makes one, and the authority that signs it.
    pub(crate) fn for_loopback() -> Self {
        let certificate = Self(tempfile::tempdir().unwrap());
        fs::write(certificate.file("openssl.cnf"), "[req]\ndistinguished_name = name\n[name]\n").unwrap();
        let (authority, authority_key) = (certificate.authority(), certificate.file("authority-key.pem"));
        let mut root = certificate.openssl("/CN=the authority of a test");
        root.args([
            "-addext",
            "basicConstraints=critical,CA:TRUE",
            "-addext",
            "keyUsage=critical,keyCertSign",
        ]);
        succeed(root.arg("-keyout").arg(&authority_key).arg("-out").arg(&authority));
        let mut leaf = certificate.openssl("/CN=localhost");
        leaf.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
        leaf.args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]);
        leaf.arg("-CA").arg(&authority).arg("-CAkey").arg(&authority_key);
        succeed(leaf.arg("-keyout").arg(certificate.key()).arg("-out").arg(certificate.chain()));
        certificate
    }

    /// Makes one that signed itself and says that it is an authority, for these names.
    pub(crate) fn self_signed(names: &str) -> Self {
        let certificate = Self(tempfile::tempdir().unwrap());
        fs::write(certificate.file("openssl.cnf"), "[req]\ndistinguished_name = name\n[name]\n").unwrap();
        let mut own = certificate.openssl("/CN=localhost");
        own.args(["-addext", "basicConstraints=critical,CA:TRUE"]);
        own.args(["-addext", &format!("subjectAltName={names}")]);
        succeed(own.arg("-keyout").arg(certificate.key()).arg("-out").arg(certificate.chain()));
        certificate
    }

    /// One that is signed with this one's key, whatever this one may sign.
    pub(crate) fn sign_another(&self) -> Self {
        let other = Self(tempfile::tempdir().unwrap());
        fs::write(other.file("openssl.cnf"), "[req]\ndistinguished_name = name\n[name]\n").unwrap();
        let mut leaf = other.openssl("/CN=another");
        leaf.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
        leaf.args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]);
        leaf.arg("-CA").arg(self.chain()).arg("-CAkey").arg(self.key());
        succeed(leaf.arg("-keyout").arg(other.key()).arg("-out").arg(other.chain()));
        other
    }

    /// A client's certificate by this authority, with this subject and these alternative names.
    pub(crate) fn client(&self, subject: &str, names: &str) -> Self {
        let client = Self(tempfile::tempdir().unwrap());
        fs::write(client.file("openssl.cnf"), "[req]\ndistinguished_name = name\n[name]\n").unwrap();
        let mut leaf = client.openssl(subject);
        leaf.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
        leaf.args(["-addext", &format!("subjectAltName={names}")]);
        leaf.arg("-CA").arg(self.authority()).arg("-CAkey").arg(self.file("authority-key.pem"));
        succeed(leaf.arg("-keyout").arg(client.key()).arg("-out").arg(client.chain()));
        client
    }

    /// openssl, about to make a key and a certificate with nothing of the system's configuration.
    fn openssl(&self, subject: &str) -> Command {
        let mut openssl = Command::new(program("openssl"));
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
        openssl.args(["-days", "2", "-subj", subject]).arg("-config").arg(self.file("openssl.cnf"));
        openssl
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The file with the authority's certificate, for who is to trust it.
    pub(crate) fn authority(&self) -> PathBuf {
        self.file("authority.pem")
    }

    /// The file with the certificate.
    pub(crate) fn chain(&self) -> PathBuf {
        self.file("certificate.pem")
    }

    /// The file with the private key.
    pub(crate) fn key(&self) -> PathBuf {
        self.file("key.pem")
    }
}
