//! A certificate and its private key, read from two PEM files that fit each other. The gateway presents it to clients, or to
//! targets that want to know who calls.
//!
//! In: the names of two files. Out: a [`KeyPair`], which is ready for a handshake. It holds what the files had when they were
//! read, so the code that uses it never meets a missing or half-written file.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use httpdate::fmt_http_date;
use ring::digest::{Digest, SHA256, digest};
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::certified_names::CertifiedNames;
use super::pem;
use super::resolver::{Resolved, Resolver};
use super::yaml::wrappers::At;
use crate::clock::unix_time;

/// A certificate chain and its key.
#[derive(Clone)]
pub struct KeyPair {
    /// The file of the chain.
    pub certificate: PathBuf,
    /// The file of the private key.
    pub key: PathBuf,
    /// When the certificate begins and ends to be valid.
    pub validity: Validity,
    /// The names that it is for.
    pub names: CertifiedNames,
    /// What a handshake needs.
    pub certified: Arc<CertifiedKey>,
    key_digest: Digest,
}

/// When a certificate is valid, as times since 1970 (UTC).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// From then on.
    pub begins: Duration,
    /// Until then.
    pub ends: Duration,
}

impl KeyPair {
    /// Makes a pair of what two files have; the error reads on from the key's name.
    fn new(
        files: PairFiles,
        chain: Vec<CertificateDer<'static>>,
        secret: &PrivateKeyDer<'static>,
    ) -> Result<Self, &'static str> {
        let validity =
            chain.first().and_then(validity_of).ok_or("belongs to a certificate that can't be read")?;
        let names = chain.first().map(CertifiedNames::of).unwrap_or_default();
        let certified = certified(chain, secret)?;
        let key_digest = digest(&SHA256, secret.secret_der());
        let PairFiles { certificate, key } = files;
        Ok(Self { certificate, key, validity, names, certified: Arc::new(certified), key_digest })
    }
}

impl KeyPair {
    /// The pair that the same files have now.
    ///
    /// # Errors
    /// What is wrong with it; reads on from the certificate's name.
    pub(super) fn reread(&self) -> Result<Self, String> {
        let files = PairFiles { certificate: self.certificate.clone(), key: self.key.clone() };
        let chain = pem::certificates(&files.certificate).map_err(|error| error.to_string())?;
        let of_key = |problem: String| format!("has a key, {}, that {problem}", self.key.display());
        let secret = pem::private_key(&files.key).map_err(|error| of_key(error.to_string()))?;
        Self::new(files, chain, &secret).map_err(|problem| of_key(problem.to_owned()))
    }
}

/// The files of a pair.
struct PairFiles {
    certificate: PathBuf,
    key: PathBuf,
}

/// Equal pairs come from the same files with the same content.
impl PartialEq for KeyPair {
    fn eq(&self, other: &Self) -> bool {
        self.certificate == other.certificate
            && self.key == other.key
            && self.certified.cert == other.certified.cert
            && self.key_digest.as_ref() == other.key_digest.as_ref()
    }
}

impl Eq for KeyPair {}

/// Shows no secret.
impl fmt::Debug for KeyPair {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { certificate, key, validity, names, certified: _, key_digest: _ } = self;
        let mut shown = formatter.debug_struct("KeyPair");
        shown.field("certificate", certificate).field("key", key);
        shown.field("validity", validity).field("names", names);
        shown.finish_non_exhaustive()
    }
}

/// A chain with its key; the error reads on from the key's name.
fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: &PrivateKeyDer<'static>,
) -> Result<CertifiedKey, &'static str> {
    let key = any_supported_type(key).map_err(|_| "is of a kind that is not supported")?;
    let pair = CertifiedKey::new(chain, key);
    match pair.keys_match() {
        // Not every key reveals its public part; then only the handshake can tell.
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(pair),
        Err(Error::InvalidCertificate(_)) => Err("belongs to a certificate that can't be read"),
        Err(_) => Err("does not belong to the certificate"),
    }
}

fn validity_of(certificate: &CertificateDer<'_>) -> Option<Validity> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let time = |seconds: i64| Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    let validity = parsed.validity();
    Some(Validity {
        begins: time(validity.not_before.timestamp()),
        ends: time(validity.not_after.timestamp()),
    })
}

impl Resolver<'_> {
    /// The pair in these two files.
    pub(super) fn key_pair(&mut self, certificate: &At<String>, key: &At<String>) -> Resolved<KeyPair> {
        let files = PairFiles { certificate: self.file(certificate), key: self.file(key) };
        self.watch_certificate(certificate);
        self.watch_certificate(key);
        let chain = self.pem(certificate, pem::certificates(&files.certificate));
        let secret = self.pem(key, pem::private_key(&files.key));
        match KeyPair::new(files, chain?, &secret?) {
            Ok(pair) => {
                self.warn_of_validity(certificate, pair.validity);
                Ok(pair)
            }
            Err(problem) => {
                let message = format!("the key {} {problem}", key.shown());
                self.refuse(key.span, message, format!("the certificate is {}", certificate.shown()))
            }
        }
    }

    /// The pair of a section that has one or none.
    pub(super) fn pair(
        &mut self,
        certificate: Option<&At<String>>,
        key: Option<&At<String>>,
    ) -> Resolved<Option<KeyPair>> {
        match (certificate, key) {
            (Some(certificate), Some(key)) => self.key_pair(certificate, key).map(Some),
            (None, None) => Ok(None),
            (Some(certificate), None) => {
                let help = "add the file of its private key, for example `key: server.key`";
                self.refuse(certificate.span, "`certificate` does nothing without `key`", help)
            }
            (None, Some(key)) => {
                let help = "add the file of its certificate, for example `certificate: server.crt`";
                self.refuse(key.span, "`key` does nothing without `certificate`", help)
            }
        }
    }

    fn warn_of_validity(&mut self, certificate: &At<String>, validity: Validity) {
        let now = unix_time();
        let date = |since_1970| fmt_http_date(SystemTime::UNIX_EPOCH + since_1970);
        let when = if now > validity.ends {
            format!("expired on {}", date(validity.ends))
        } else if now < validity.begins {
            format!("is not valid until {}", date(validity.begins))
        } else {
            return;
        };
        let message = format!("the certificate {} {when}", certificate.shown());
        self.warn(
            certificate.span,
            message,
            "the other side will not trust it; renew it, or set the clock right",
        );
    }
}
