//! Whether a target's certificate is trusted. rustls' own verifier judges it by the authorities of `tls.ca`, or the
//! system's. A certificate that is itself in `tls.ca` is trusted where the target presents exactly that one: for its
//! names, while it is valid. So a self-signed certificate works whatever its basic constraints are, and so does one
//! that was signed by an untrusted authority.
//!
//! That the target has the certificate's key is always checked, by rustls, also with `verify: false`.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Whom to trust.
#[derive(Debug)]
pub(super) enum Trusted {
    /// Everyone (`verify: false`).
    Everyone,
    /// These.
    Only {
        /// Who may have signed a certificate.
        roots: RootCertStore,
        /// Certificates that are trusted themselves.
        pinned: Vec<CertificateDer<'static>>,
    },
}

impl Trusted {
    /// The certificates of a file. One that denies being an authority (RFC 5280 §4.2.1.9) may be presented, but can't
    /// have signed another.
    pub(super) fn only(certificates: Vec<CertificateDer<'static>>) -> Self {
        let mut roots = RootCertStore::empty();
        for certificate in certificates.iter().filter(|certificate| !is_no_authority(certificate)) {
            if let Err(error) = roots.add(certificate.clone()) {
                tracing::warn!(%error, "a certificate of tls.ca can't be an authority");
            }
        }
        Self::Only { roots, pinned: certificates }
    }
}

fn is_no_authority(certificate: &CertificateDer<'_>) -> bool {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else { return false };
    matches!(parsed.basic_constraints(), Ok(Some(constraints)) if !constraints.value.ca)
}

/// Judges certificates for an upstream's connections.
#[derive(Debug)]
pub(super) struct Verifier {
    provider: Arc<CryptoProvider>,
    trusts_everyone: bool,
    /// `None`: no authority is trusted.
    authorities: Option<Arc<WebPkiServerVerifier>>,
    pinned: Vec<CertificateDer<'static>>,
}

impl Verifier {
    pub(super) fn new(provider: Arc<CryptoProvider>, trusted: Trusted) -> Self {
        let (trusts_everyone, roots, pinned) = match trusted {
            Trusted::Everyone => (true, RootCertStore::empty(), Vec::new()),
            Trusted::Only { roots, pinned } => (false, roots, pinned),
        };
        let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        // Without a root there is nothing to build.
        let authorities = builder.build().ok();
        Self { provider, trusts_everyone, authorities, pinned }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.trusts_everyone {
            return Ok(ServerCertVerified::assertion());
        }
        let by_authority = self.authorities.as_ref().map_or(
            Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
            |authorities| {
                authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            },
        );
        match by_authority {
            Err(_) if self.pinned.iter().any(|pinned| pinned == end_entity) => {
                verify_pinned(end_entity, server_name, now)
            }
            judged => judged,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// A certificate that the operator named: it has to be for this name, and valid now.
fn verify_pinned(
    certificate: &CertificateDer<'_>,
    server_name: &ServerName<'_>,
    now: UnixTime,
) -> Result<ServerCertVerified, Error> {
    let invalid = |error| Err(Error::InvalidCertificate(error));
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        return invalid(CertificateError::BadEncoding);
    };
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if now < parsed.validity().not_before.timestamp() {
        return invalid(CertificateError::NotValidYet);
    }
    if now > parsed.validity().not_after.timestamp() {
        return invalid(CertificateError::Expired);
    }
    verify_server_name(&ParsedCertificate::try_from(certificate)?, server_name)?;
    Ok(ServerCertVerified::assertion())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustls::crypto::ring;
    use rustls::pki_types::pem::PemObject;

    use super::*;

    /// Signed by itself, an authority by its own account, for `pinned.example`.
    const PINNED: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBdjCCAR2gAwIBAgIUdtdVBFcT44qHMDLpxrU4DkQ6cCswCgYIKoZIzj0EAwIw\n\
FDESMBAGA1UEAwwJbG9jYWxob3N0MB4XDTI2MTEyNjEzNDQzMloXDTM2MTEyMzEz\n\
NDQzMlowFDESMBAGA1UEAwwJbG9jYWxob3N0MFkwEwYHKoZIzj0CAQYIKoZIzj0D\n\
AQcDQgAEzEviw2AF581f0ChrZ5tI7QYgKzX3U+birTDtc8tz/lsBRBkymuebu9mh\n\
y3APqnIcRHmIoQQVNGlVxVXIt4oMbaNNMEswDwYDVR0TAQH/BAUwAwEB/zAZBgNV\n\
HREEEjAQgg5waW5uZWQuZXhhbXBsZTAdBgNVHQ4EFgQUovu6i7CiUgiW1/pqVt3X\n\
o8ceckswCgYIKoZIzj0EAwIDRwAwRAIgGiTXdHWw0Cncd+U0IqFnUeo89NcQ4eLi\n\
tuWJBReaH+0CICCLr2aPVdyd81qzamhYGUp2ZzMM3bvycIfCYZHjvbYQ\n\
-----END CERTIFICATE-----";
    const NOT_BEFORE: u64 = 1_795_700_672;
    const NOT_AFTER: u64 = 2_111_060_672;

    #[test]
    fn a_named_certificate_is_trusted_for_its_names_while_it_is_valid() {
        let certificate = CertificateDer::from_pem_slice(PINNED.as_bytes()).unwrap();
        let trusting =
            |certificates| Verifier::new(Arc::new(ring::default_provider()), Trusted::only(certificates));
        let cases = [
            ("pinned.example", NOT_BEFORE + 1, "ok"),
            ("pinned.example", NOT_BEFORE - 1, "NotValidYet"),
            ("pinned.example", NOT_AFTER + 1, "Expired"),
            ("other.example", NOT_BEFORE + 1, "NotValidForName"),
            ("127.0.0.1", NOT_BEFORE + 1, "NotValidForName"),
        ];
        for (name, now, expected) in cases {
            let judge = |verifier: &Verifier| {
                let name = ServerName::try_from(name).unwrap();
                let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
                let judged = verifier.verify_server_cert(&certificate, &[], &name, &[], now);
                judged.map_or_else(|error| format!("{error:?}"), |_| "ok".to_owned())
            };
            let judged = judge(&trusting(vec![certificate.clone()]));
            assert!(judged.contains(expected), "{name} {now}: {judged}");
            let by_nobody = judge(&trusting(Vec::new()));
            assert!(by_nobody.contains("UnknownIssuer"), "{by_nobody}");
        }
    }
}
