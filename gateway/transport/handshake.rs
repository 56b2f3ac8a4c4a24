//! Finds out why a TLS handshake failed. rustls reports it in its own error type, which I/O errors may wrap. pingora's
//! acceptor keeps only the text, which we compare with the beginnings of rustls' messages.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError, Error as TlsError};

use crate::telemetry::TlsCause;

/// Characters of a detail that are kept: certificates may have many names.
const MAX_DETAIL: usize = 300;

/// Returns the cause, and the exact error on one line.
pub(crate) fn cause_of(error: &(dyn Error + 'static)) -> (TlsCause, String) {
    // pingora's errors don't implement `source` as std's do.
    let error: &(dyn Error + 'static) = match error.downcast_ref::<pingora::Error>() {
        Some(error) => error.root_cause(),
        None => error,
    };
    let (cause, detail) = match (find::<TlsError>(error), find::<io::Error>(error)) {
        (Some(tls), _) => (from_tls(tls), tls.to_string()),
        (None, Some(io)) => {
            let by_text = from_text(&io.to_string());
            (if by_text == TlsCause::Other { from_io(io) } else { by_text }, io.to_string())
        }
        (None, None) => {
            let text = innermost(error).to_string();
            // pingora wrote the text before it.
            let rustls = text.rsplit_once("failed: ").map_or(&*text, |(_, rustls)| rustls).to_owned();
            (from_text(&rustls), rustls)
        }
    };
    let detail = detail.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_DETAIL).collect();
    (cause, detail)
}

/// The first error of this type among an error and its causes.
fn find<'error, E: Error + 'static>(error: &'error (dyn Error + 'static)) -> Option<&'error E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            // An I/O error that wraps another hides it from `source`.
            return Some(found);
        }
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = inner.and_then(|inner| inner.downcast_ref::<E>()) {
            return Some(found);
        }
        next = error.source();
    }
    None
}

fn innermost<'error>(mut error: &'error (dyn Error + 'static)) -> &'error (dyn Error + 'static) {
    while let Some(source) = error.source() {
        error = source;
    }
    error
}

#[expect(clippy::wildcard_enum_match_arm, reason = "rustls' enum is non-exhaustive")]
fn from_tls(error: &TlsError) -> TlsCause {
    match error {
        TlsError::InvalidCertificate(error) => from_certificate(error),
        TlsError::NoCertificatesPresented => TlsCause::NoCertificate,
        TlsError::AlertReceived(alert) => from_alert(*alert),
        TlsError::PeerIncompatible(_) | TlsError::NoApplicationProtocol => TlsCause::NothingInCommon,
        TlsError::InappropriateMessage { .. }
        | TlsError::InappropriateHandshakeMessage { .. }
        | TlsError::InvalidMessage(_)
        | TlsError::PeerMisbehaved(_)
        | TlsError::PeerSentOversizedRecord
        | TlsError::DecryptError => TlsCause::Protocol,
        _ => TlsCause::Other,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "rustls' enum is non-exhaustive")]
fn from_certificate(error: &CertificateError) -> TlsCause {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsCause::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => TlsCause::NotYetValid,
        // A signature that does not fit: by an issuer with a trusted name but another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => TlsCause::UnknownIssuer,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            TlsCause::NameMismatch
        }
        _ => TlsCause::BadCertificate,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "no other alert says more")]
const fn from_alert(alert: AlertDescription) -> TlsCause {
    match alert {
        AlertDescription::ProtocolVersion
        | AlertDescription::HandshakeFailure
        | AlertDescription::InsufficientSecurity
        | AlertDescription::NoApplicationProtocol => TlsCause::NothingInCommon,
        AlertDescription::CertificateRequired => TlsCause::NoCertificate,
        _ => TlsCause::RefusedByPeer,
    }
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
const TEXTS: [(&str, TlsCause); 18] = [
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
    ("received fatal alert", TlsCause::RefusedByPeer),
    ("peer is incompatible", TlsCause::NothingInCommon),
    ("peer doesn't support any known protocol", TlsCause::NothingInCommon),
    ("received corrupt message", TlsCause::Protocol),
    ("peer misbehaved", TlsCause::Protocol),
    ("handshake eof", TlsCause::Closed),
];

fn from_text(text: &str) -> TlsCause {
    TEXTS.iter().find(|(part, _)| text.contains(part)).map_or(TlsCause::Other, |(_, cause)| *cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_its_cause_wrapped_or_as_text() {
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
        let eof = io::Error::new(io::ErrorKind::UnexpectedEof, "tls handshake eof");
        assert_eq!(cause_of(&eof).0, TlsCause::Closed);
        assert_eq!(cause_of(&io::Error::from(io::ErrorKind::ConnectionReset)).0, TlsCause::Closed);
    }
}
