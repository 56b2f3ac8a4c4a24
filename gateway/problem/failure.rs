//! Calls without a reply.

use std::time::Duration;

use http::{Method, StatusCode};

use super::error_reply::{ErrorReply, Limit, UNAVAILABLE_FOR};
use super::table::{self, Row};
use crate::batch::OutcomeKind;
use crate::dispatch::{CallFailure, Sent};

/// The reply for a call that brought none, to an item or to a single request.
#[must_use]
pub fn of_failure(failure: CallFailure, sent: Sent, method: &Method) -> ErrorReply {
    let row = row(failure);
    let outcome = match sent {
        Sent::No => OutcomeKind::NotSent,
        Sent::Maybe => OutcomeKind::Unknown,
    };
    let mut reply = ErrorReply::new(row, failure.to_string(), outcome);
    reply.retryable = sent == Sent::No || is_idempotent(method);
    reply.retry_after = if let CallFailure::CircuitOpen { seconds } = failure {
        Some(Duration::from_secs(seconds))
    } else {
        (row.status == StatusCode::SERVICE_UNAVAILABLE).then_some(UNAVAILABLE_FOR)
    };
    reply
}

/// Whether it may be sent again when it is not known whether it was carried out: RFC 9110 §9.2.2, and the idempotent
/// methods of RFC 4918, RFC 3253 and RFC 5323.
#[must_use]
pub fn is_idempotent(method: &Method) -> bool {
    method.is_idempotent()
        || matches!(
            method.as_str(),
            "PROPFIND"
                | "PROPPATCH"
                | "MKCOL"
                | "COPY"
                | "MOVE"
                | "UNLOCK"
                | "REPORT"
                | "SEARCH"
                | "QUERY"
                | "ACL"
                | "MKCALENDAR"
        )
}

/// The word for a failure in metrics and logs.
#[must_use]
pub fn failure_reason(failure: CallFailure) -> &'static str {
    row(failure).reason
}

/// The limit that a failed call exceeded, if it did.
#[must_use]
pub fn failure_limit(failure: CallFailure) -> Option<Limit> {
    row(failure).limit.map(Limit::Key)
}

const fn row(failure: CallFailure) -> Row {
    match failure {
        CallFailure::NoTarget => table::NO_TARGET,
        CallFailure::QueueFull => table::QUEUE_FULL,
        CallFailure::ClientShareFull => table::CLIENT_SHARE_FULL,
        CallFailure::ClientShareTimeout => table::CLIENT_SHARE_TIMEOUT,
        CallFailure::ClientShareDeadline => table::CLIENT_SHARE_DEADLINE,
        CallFailure::UpgradedFull => table::LONG_LIVED_FULL,
        CallFailure::ClientUpgradedFull => table::CLIENT_LONG_LIVED_FULL,
        CallFailure::QueueTimeout => table::QUEUE_TIMEOUT,
        CallFailure::CircuitOpen { .. } => table::CIRCUIT_OPEN,
        CallFailure::ConnectionRefused => table::CONNECTION_REFUSED,
        CallFailure::ConnectionTimeout => table::CONNECTION_TIMEOUT,
        CallFailure::ConnectionFailed => table::CONNECTION_FAILED,
        CallFailure::TlsHandshake => table::TLS_HANDSHAKE,
        CallFailure::NotProcessed => table::NOT_PROCESSED,
        CallFailure::DeadlineBeforeCall => table::DEADLINE_BEFORE_CALL,
        CallFailure::TimeoutBeforeSending => table::TIMEOUT_BEFORE_SENDING,
        CallFailure::ConnectionLost => table::CONNECTION_LOST,
        CallFailure::ReplyTimeout => table::REPLY_TIMEOUT,
        CallFailure::RequestTimeout => table::REQUEST_TIMEOUT,
        CallFailure::IdleTimeout => table::IDLE_TIMEOUT,
        CallFailure::DeadlineDuringCall => table::DEADLINE_DURING_CALL,
        CallFailure::ReplyMalformed => table::REPLY_MALFORMED,
        CallFailure::ReplyTooLarge { .. } => table::REPLY_TOO_LARGE,
        CallFailure::MappedBodyTooLarge => table::MAPPED_BODY_TOO_LARGE,
        CallFailure::RepliesTooLarge { .. } => table::REPLIES_TOO_LARGE,
        CallFailure::NoSnapshot { .. } => table::NO_SNAPSHOT,
        CallFailure::MemoryFull => table::MEMORY_BUDGET,
        CallFailure::ReplyCoding => table::REPLY_CODING,
        CallFailure::ClientGone => table::CLIENT_GONE,
        CallFailure::Internal => table::CALL_INTERNAL,
    }
}
