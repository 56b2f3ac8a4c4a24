//! Why a TLS handshake failed, told from the error that came of it. rustls says it in its own type, which may be
//! wrapped by I/O errors; pingora's acceptor keeps only its text, whose beginnings are those of rustls.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError, Error as TlsError};

use crate::telemetry::TlsCause;

/// Characters of a detail: certificates may have many names.
const MAX_DETAIL: usize = 300;

/// The cause, and what exactly was wrong, on one line.
pub(crate) fn cause_of(error: &(dyn Error + 'static)) -> (TlsCause, String) {
    // pingora's errors don't say their cause as those of std do.
    let error: &(dyn Error + 'static) = match error.downcast_ref::<pingora::Error>() {
        Some(error) => error.root_cause(),
        None => error,
    };
    let (cause, detail) = match (find::<TlsError>(error), find::<io::Error>(error)) {
        (Some(tls), _) => (of_tls(tls), tls.to_string()),
        (None, Some(io)) => {
            let told = of_text(&io.to_string());
            (if told == TlsCause::Other { of_io(io) } else { told }, io.to_string())
        }
        (None, None) => {
            let text = innermost(error).to_string();
            // What comes before it is pingora's.
            let told = text.rsplit_once("failed: ").map_or(&*text, |(_, told)| told).to_owned();
            (of_text(&told), told)
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

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "rustls adds errors, and means others to have such an arm"
)]
fn of_tls(error: &TlsError) -> TlsCause {
    match error {
        TlsError::InvalidCertificate(error) => of_certificate(error),
        TlsError::NoCertificatesPresented => TlsCause::NoCertificate,
        TlsError::AlertReceived(alert) => of_alert(*alert),
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

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "rustls adds errors, and means others to have such an arm"
)]
fn of_certificate(error: &CertificateError) -> TlsCause {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsCause::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => TlsCause::NotYetValid,
        // A signature that does not fit: by somebody with the name of one who is trusted, but with another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => TlsCause::UnknownIssuer,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            TlsCause::NameMismatch
        }
        _ => TlsCause::BadCertificate,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "any other alert says no more")]
const fn of_alert(alert: AlertDescription) -> TlsCause {
    match alert {
        AlertDescription::ProtocolVersion
        | AlertDescription::HandshakeFailure
        | AlertDescription::InsufficientSecurity
        | AlertDescription::NoApplicationProtocol => TlsCause::NothingInCommon,
        AlertDescription::CertificateRequired => TlsCause::NoCertificate,
        _ => TlsCause::RefusedByPeer,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds say nothing of TLS")]
fn of_io(error: &io::Error) -> TlsCause {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, TimedOut, UnexpectedEof};
    match error.kind() {
        UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe => TlsCause::Closed,
        TimedOut => TlsCause::Timeout,
        _ => TlsCause::Other,
    }
}

/// What rustls' errors say as text, in the order in which they are looked for.
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

fn of_text(text: &str) -> TlsCause {
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
