//! What pingora's errors mean for a call.

use pingora::{Error, ErrorType};

use crate::dispatch::CallFailure;

/// Why a connection could not be opened.
pub(super) fn of_connect(error: &Error) -> CallFailure {
    let is = |kinds: &[ErrorType]| kinds.contains(error.etype());
    if is(&[ErrorType::ConnectTimedout]) {
        CallFailure::ConnectionTimeout
    } else if is(&[ErrorType::ConnectRefused]) {
        CallFailure::ConnectionRefused
    } else if is(&[
        ErrorType::TLSHandshakeFailure,
        ErrorType::TLSHandshakeTimedout,
        ErrorType::TLSWantX509Lookup,
        ErrorType::InvalidCert,
        ErrorType::HandshakeError,
    ]) {
        CallFailure::TlsHandshake
    } else {
        CallFailure::ConnectionFailed
    }
}

/// Why an exchange on an open connection failed.
pub(super) fn of_exchange(error: &Error) -> CallFailure {
    let is = |kinds: &[ErrorType]| kinds.contains(error.etype());
    if is(&[ErrorType::ReadTimedout, ErrorType::WriteTimedout]) {
        CallFailure::ReplyTimeout
    } else if is(&[ErrorType::InvalidHTTPHeader, ErrorType::H1Error, ErrorType::InvalidH2]) {
        CallFailure::ReplyMalformed
    } else if error.etype().as_str().contains("Chunk") {
        // pingora's v1 body reader names a broken chunk only by a custom error.
        CallFailure::ReplyMalformed
    } else {
        CallFailure::ConnectionLost
    }
}

/// Whether a client's body breaks HTTP's framing, as against one that ends because the client has left.
pub(super) fn breaks_framing(error: &Error) -> bool {
    // pingora's v1 body reader names what is broken only by custom errors: InvalidChunk, InvalidTrailerEnd.
    error.etype().as_str().starts_with("Invalid")
}

/// Whether the error is one of opening a connection.
pub(super) fn is_connect(error: &Error) -> bool {
    let kinds = [
        ErrorType::ConnectTimedout,
        ErrorType::ConnectRefused,
        ErrorType::ConnectNoRoute,
        ErrorType::ConnectError,
        ErrorType::TLSHandshakeFailure,
        ErrorType::TLSHandshakeTimedout,
        ErrorType::TLSWantX509Lookup,
        ErrorType::InvalidCert,
        ErrorType::HandshakeError,
        ErrorType::BindError,
        ErrorType::SocketError,
    ];
    kinds.contains(error.etype())
}
