//! Maps pingora's errors to [`CallFailure`]. Items and single requests, and the reader of a client's connection, ask here;
//! no other module inspects an error.
//!
//! The mapping depends on when the error came: while a connection was opened, before a byte of the reply, or later. pingora
//! names some causes only by text, and h2 wraps its own errors; both are read here.

use std::io;

use http::HeaderMap;
use http::header::TRANSFER_ENCODING;
use pingora::{Error, ErrorSource, ErrorType};

use crate::dispatch::CallFailure;
use crate::http1::Fault;

/// Returns the fault in HTTP's grammar, if that is why a read failed, from a client or from an upstream.
pub(crate) fn fault_of(error: &Error) -> Option<Fault> {
    error.root_cause().downcast_ref::<io::Error>()?.get_ref()?.downcast_ref().copied()
}

/// Why a connection could not be opened.
#[expect(clippy::wildcard_enum_match_arm, reason = "all other kinds are treated alike")]
pub(crate) fn of_connect(error: &Error) -> CallFailure {
    match error.etype() {
        ErrorType::ConnectTimedout => CallFailure::ConnectionTimeout,
        ErrorType::ConnectRefused => CallFailure::ConnectionRefused,
        ErrorType::TLSHandshakeFailure
        | ErrorType::TLSHandshakeTimedout
        | ErrorType::TLSWantX509Lookup
        | ErrorType::InvalidCert
        | ErrorType::HandshakeError => CallFailure::TlsHandshake,
        _ => CallFailure::ConnectionFailed,
    }
}

/// What the log says of an error: the system's words, which contain nothing of a peer's, or the kind of the error.
pub(crate) fn in_words(error: &Error) -> String {
    let system =
        error.root_cause().downcast_ref::<io::Error>().filter(|error| error.raw_os_error().is_some());
    system.map_or_else(|| error.etype().as_str().to_owned(), ToString::to_string)
}

/// Why an exchange on an open connection failed.
#[expect(clippy::wildcard_enum_match_arm, reason = "all other kinds are treated alike")]
pub(crate) fn of_exchange(error: &Error) -> CallFailure {
    match error.etype() {
        _ if fault_of(error).is_some() => CallFailure::ReplyMalformed,
        ErrorType::ReadTimedout | ErrorType::WriteTimedout => CallFailure::ReplyTimeout,
        ErrorType::InvalidHTTPHeader | ErrorType::H1Error | ErrorType::InvalidH2 => {
            CallFailure::ReplyMalformed
        }
        // pingora's v1 body reader names a broken chunk only by a custom error.
        other if other.as_str().contains("Chunk") => CallFailure::ReplyMalformed,
        _ => CallFailure::ConnectionLost,
    }
}

/// Why an exchange failed before any byte of a reply came, interim replies included.
pub(crate) fn before_reply(error: &Error) -> CallFailure {
    match error.root_cause().downcast_ref::<io::Error>() {
        _ if is_not_processed(error) => CallFailure::NotProcessed,
        Some(alert) if is_tls_alert(alert) => CallFailure::TlsHandshake,
        Some(_) | None if is_tls_alert_of_h2(error) => CallFailure::TlsHandshake,
        Some(_) | None => of_exchange(error),
    }
}

/// Whether the other side ended TLS with an alert. With TLS 1.3 a target that wants another certificate of ours, or one at all,
/// says so only when the handshake is over for us.
pub(crate) fn is_tls_alert(error: &io::Error) -> bool {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(tls, Some(rustls::Error::AlertReceived(_)))
}

/// The same over HTTP/2: h2 keeps only the text of an error.
fn is_tls_alert_of_h2(error: &Error) -> bool {
    let of_h2 = error.root_cause().downcast_ref::<h2::Error>().and_then(h2::Error::get_io);
    of_h2.is_some_and(|error| error.to_string().contains("received fatal alert"))
}

/// Why the stream of a request could not be opened, so that nothing of it was sent.
pub(crate) fn of_opening(error: &Error) -> CallFailure {
    let is_connection_gone = error
        .root_cause()
        .downcast_ref::<h2::Error>()
        .is_some_and(|error| error.is_io() || error.is_go_away() || error.is_reset());
    if is_connection_gone { CallFailure::NotProcessed } else { CallFailure::Internal }
}

/// Whether the upstream said that it did not process the request, so that sending it again is safe whatever its
/// method: it reset the stream with `REFUSED_STREAM` (RFC 9113 §8.7), or said GOAWAY with a last stream below this one
/// (§6.8), whatever its reason. h2 gives the error of a remote GOAWAY to those streams only, and to streams that were
/// to be opened after it. Once a byte of a reply has come, the request was processed, whatever an error says.
fn is_not_processed(error: &Error) -> bool {
    error.root_cause().downcast_ref::<h2::Error>().is_some_and(|error| {
        let is_refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
        error.is_remote() && (error.is_go_away() || is_refused)
    })
}

/// The reason why a client's stream is reset when its reply breaks off: the upstream's own reason if that is true of
/// this hop too, otherwise an internal error (RFC 9113 §7).
pub(crate) fn reset_reason(error: &Error) -> h2::Reason {
    const OF_THE_OTHER_HOP: [h2::Reason; 4] = [
        h2::Reason::NO_ERROR,
        h2::Reason::REFUSED_STREAM,
        h2::Reason::HTTP_1_1_REQUIRED,
        h2::Reason::FLOW_CONTROL_ERROR,
    ];
    let given = error.root_cause().downcast_ref::<h2::Error>().filter(|error| error.is_reset());
    given
        .and_then(h2::Error::reason)
        .filter(|reason| !OF_THE_OTHER_HOP.contains(reason))
        .unwrap_or(h2::Reason::INTERNAL_ERROR)
}

/// Whether the framing of an upstream's reply is undone here: chunks, once, and no other transfer coding (RFC 9112 §6.1,
/// §7). No call asks for another (it has no TE), and one that stayed would be taken for the body.
pub(crate) fn is_framing_read(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    codings.next().is_none_or(|coding| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"))
        && codings.next().is_none()
}

/// Whether a client's body breaks HTTP's framing, rather than that the client has left.
pub(crate) fn breaks_framing(error: &Error) -> bool {
    // pingora's v1 body reader reports faults only by custom errors: InvalidChunk, InvalidTrailerEnd.
    error.etype().as_str().starts_with("Invalid") || fault_of(error).is_some()
}

/// Whether a client took nothing of its reply for so long that the connection was given up.
pub(crate) fn is_client_stalled(error: &Error) -> bool {
    *error.etype() == ErrorType::WriteTimedout && *error.esource() != ErrorSource::Upstream
}
