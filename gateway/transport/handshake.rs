//! Finds out why a TLS handshake failed. rustls reports it in its own error type, which I/O errors may wrap, but pingora's
//! acceptor keeps only the text. So we compare the text with parts of rustls' messages, whoever reports it.

use std::error::Error;
use std::io;

use crate::telemetry::TlsCause;
use crate::tls_advice::advice;

/// Characters of a detail that are kept: certificates may have many names.
const MAX_DETAIL: usize = 300;

/// Returns the cause, and the exact error on one line.
pub(crate) fn cause_of(error: &(dyn Error + 'static)) -> (TlsCause, String) {
    // pingora's errors don't implement `source` as std's do.
    let mut error: &(dyn Error + 'static) = match error.downcast_ref::<pingora::Error>() {
        Some(error) => error.root_cause(),
        None => error,
    };
    while let Some(source) = error.source() {
        error = source;
    }
    let text = error.to_string();
    // pingora wrote the text before it.
    let text = text.rsplit_once("failed: ").map_or(&*text, |(_, rustls)| rustls);
    let by_kind = || error.downcast_ref().map_or(TlsCause::Other, from_io);
    let mut detail: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_DETAIL).collect();
    if let Some(advice) = advice(text) {
        detail.extend([": ", advice]);
    }
    (from_text(text).unwrap_or_else(by_kind), detail)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "no other kind says anything about TLS")]
fn from_io(error: &io::Error) -> TlsCause {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, TimedOut, UnexpectedEof};
    match error.kind() {
        UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe => TlsCause::Closed,
        TimedOut => TlsCause::Timeout,
        _ => TlsCause::Other,
    }
}

/// Parts of rustls' messages, in the order we look for them.
const TEXTS: [(&str, TlsCause); 24] = [
    ("certificate expired", TlsCause::Expired),
    ("peer certificate: Expired", TlsCause::Expired),
    ("certificate not valid yet", TlsCause::NotYetValid),
    ("peer certificate: NotValidYet", TlsCause::NotYetValid),
    ("UnknownIssuer", TlsCause::UnknownIssuer),
    ("peer certificate: BadSignature", TlsCause::UnknownIssuer),
    ("not valid for name", TlsCause::NameMismatch),
    ("NotValidForName", TlsCause::NameMismatch),
    ("invalid peer certificate", TlsCause::BadCertificate),
    ("peer sent no certificates", TlsCause::NoCertificate),
    ("fatal alert: ProtocolVersion", TlsCause::NothingInCommon),
    ("fatal alert: HandshakeFailure", TlsCause::NothingInCommon),
    ("fatal alert: InsufficientSecurity", TlsCause::NothingInCommon),
    ("fatal alert: NoApplicationProtocol", TlsCause::NothingInCommon),
    ("fatal alert: CertificateRequired", TlsCause::NoCertificate),
    ("received fatal alert", TlsCause::RefusedByPeer),
    ("peer is incompatible", TlsCause::NothingInCommon),
    ("peer doesn't support any known protocol", TlsCause::NothingInCommon),
    ("received corrupt message", TlsCause::Protocol),
    ("received unexpected ", TlsCause::Protocol),
    ("cannot decrypt peer's message", TlsCause::Protocol),
    ("peer sent excess record size", TlsCause::Protocol),
    ("peer misbehaved", TlsCause::Protocol),
    ("handshake eof", TlsCause::Closed),
];

fn from_text(text: &str) -> Option<TlsCause> {
    TEXTS.iter().find(|(part, _)| text.contains(part)).map(|(_, cause)| *cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_its_cause_wrapped_or_as_text() {
        use rustls::{AlertDescription, CertificateError, Error as TlsError};
        use rustls::{InvalidMessage, PeerIncompatible, PeerMisbehaved};
        let name = rustls::pki_types::ServerName::try_from("a.example").unwrap();
        let elsewhere =
            CertificateError::NotValidForNameContext { expected: name, presented: vec!["b".to_owned()] };
        let cases = [
            (TlsError::InvalidCertificate(CertificateError::Expired), "expired"),
            (TlsError::InvalidCertificate(CertificateError::NotValidYet), "not_yet_valid"),
            (TlsError::InvalidCertificate(CertificateError::UnknownIssuer), "unknown_issuer"),
            (TlsError::InvalidCertificate(CertificateError::NotValidForName), "name_mismatch"),
            (TlsError::InvalidCertificate(elsewhere), "name_mismatch"),
            (TlsError::InvalidCertificate(CertificateError::BadSignature), "unknown_issuer"),
            (TlsError::InvalidCertificate(CertificateError::Revoked), "bad_certificate"),
            (TlsError::NoCertificatesPresented, "no_certificate"),
            (TlsError::AlertReceived(AlertDescription::UnknownCA), "refused_by_peer"),
            (TlsError::AlertReceived(AlertDescription::ProtocolVersion), "nothing_in_common"),
            (TlsError::AlertReceived(AlertDescription::InsufficientSecurity), "nothing_in_common"),
            (TlsError::AlertReceived(AlertDescription::CertificateRequired), "no_certificate"),
            (TlsError::DecryptError, "protocol"),
            (TlsError::PeerSentOversizedRecord, "protocol"),
            (TlsError::General("x".to_owned()), "other"),
            (TlsError::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon), "nothing_in_common"),
            (TlsError::NoApplicationProtocol, "nothing_in_common"),
            (TlsError::InvalidMessage(InvalidMessage::InvalidContentType), "protocol"),
            (TlsError::PeerMisbehaved(PeerMisbehaved::TooManyEmptyFragments), "protocol"),
        ];
        for (error, cause) in cases {
            let text = format!("TLS accept() failed: {error}");
            let told = pingora::Error::explain(pingora::ErrorType::TLSHandshakeFailure, text);
            assert_eq!(cause_of(&*told).0.as_str(), cause, "as text: {told}");
            let wrapped = io::Error::new(io::ErrorKind::InvalidData, error);
            assert_eq!(cause_of(&wrapped).0.as_str(), cause, "{wrapped}");
            let again = pingora::Error::because(pingora::ErrorType::TLSHandshakeFailure, "tls", wrapped);
            assert_eq!(cause_of(&*again).0.as_str(), cause, "{again}");
        }
        let told =
            "TLS connect() failed: invalid peer certificate: Other(OtherError(UnsupportedCertVersion))";
        let told = pingora::Error::explain(pingora::ErrorType::TLSHandshakeFailure, told);
        assert!(cause_of(&*told).1.contains(": the certificate is one of X.509 version 1; "));
        let eof = io::Error::new(io::ErrorKind::UnexpectedEof, "tls handshake eof");
        assert_eq!(cause_of(&eof).0, TlsCause::Closed);
        assert_eq!(cause_of(&io::Error::from(io::ErrorKind::ConnectionReset)).0, TlsCause::Closed);
    }
}
