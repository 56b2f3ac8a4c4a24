//! The table's part for calls that brought no reply.

use std::time::Duration;

use http::{Method, StatusCode};

use super::limit::failure_limit;
use super::{ErrorReply, Row, UNAVAILABLE_FOR, error_reply, is_idempotent, share};
use crate::batch::OutcomeKind;
use crate::dispatch::{CallFailure, Sent};

/// The verdict on a call that brought no reply.
#[must_use]
pub fn of_failure(failure: CallFailure, sent: Sent, method: &Method) -> ErrorReply {
    let row = failure_row(failure);
    let outcome = match sent {
        Sent::No => OutcomeKind::NotSent,
        Sent::Maybe => OutcomeKind::Unknown,
    };
    let retryable = sent == Sent::No || is_idempotent(method);
    let unavailable = (row.status == StatusCode::SERVICE_UNAVAILABLE).then_some(UNAVAILABLE_FOR);
    let retry_after = if let CallFailure::CircuitOpen { seconds } = failure {
        Some(Duration::from_secs(seconds))
    } else {
        unavailable
    };
    let limit = failure_limit(failure);
    ErrorReply { retryable, retry_after, limit, ..error_reply(&row, failure.to_string(), None, outcome) }
}

/// The word for a failure in metrics and logs.
#[must_use]
pub fn failure_reason(failure: CallFailure) -> &'static str {
    failure_row(failure).reason
}

#[expect(clippy::too_many_lines, reason = "a table reads best in one piece")]
fn failure_row(failure: CallFailure) -> Row {
    match failure {
        CallFailure::NoTarget => {
            row!(SERVICE_UNAVAILABLE, "no_target", "The upstream is unavailable", "destination_unavailable")
        }
        // RFC 9209 §2.3.12.
        CallFailure::QueueFull => {
            row!(SERVICE_UNAVAILABLE, "queue_full", "Too many calls wait", "connection_limit_reached")
        }
        CallFailure::ClientShareFull => share::FULL,
        CallFailure::ClientShareTimeout => share::TIMEOUT,
        CallFailure::ClientShareDeadline => share::DEADLINE,
        CallFailure::UpgradedFull => share::UPGRADED,
        CallFailure::ClientUpgradedFull => share::CLIENT_UPGRADED,
        CallFailure::QueueTimeout => {
            row!(SERVICE_UNAVAILABLE, "queue_timeout", "The upstream is busy", "connection_limit_reached")
        }
        CallFailure::CircuitOpen { .. } => {
            row!(SERVICE_UNAVAILABLE, "circuit_open", "The upstream keeps failing", "destination_unavailable")
        }
        CallFailure::ConnectionRefused => {
            row!(
                BAD_GATEWAY,
                "connection_refused",
                "The upstream refused the connection",
                "connection_refused"
            )
        }
        CallFailure::ConnectionTimeout => {
            row!(GATEWAY_TIMEOUT, "connection_timeout", "No connection in time", "connection_timeout")
        }
        CallFailure::ConnectionFailed => {
            row!(
                BAD_GATEWAY,
                "connection_failed",
                "No connection to the upstream",
                "destination_ip_unroutable"
            )
        }
        CallFailure::TlsHandshake => {
            row!(BAD_GATEWAY, "tls_handshake", "No TLS with the upstream", "tls_protocol_error")
        }
        CallFailure::NotProcessed => {
            row!(
                SERVICE_UNAVAILABLE,
                "not_processed",
                "The upstream did not process the request",
                "destination_unavailable"
            )
        }
        CallFailure::DeadlineBeforeCall => {
            row!(
                GATEWAY_TIMEOUT,
                "deadline_before_call",
                "The batch's time was over",
                "http_response_timeout"
            )
        }
        CallFailure::TimeoutBeforeSending => {
            row!(GATEWAY_TIMEOUT, "timeout_before_sending", "The item's time was over", "connection_timeout")
        }
        CallFailure::ConnectionLost => {
            row!(BAD_GATEWAY, "connection_lost", "The upstream's reply was lost", "connection_terminated")
        }
        CallFailure::ReplyTimeout => {
            row!(GATEWAY_TIMEOUT, "reply_timeout", "No reply in time", "connection_read_timeout")
        }
        // RFC 9209 §2.3.26.
        CallFailure::RequestTimeout => {
            row!(
                GATEWAY_TIMEOUT,
                "request_timeout",
                "The request took too long in all",
                "http_response_timeout"
            )
        }
        CallFailure::IdleTimeout => {
            row!(
                GATEWAY_TIMEOUT,
                "idle_timeout",
                "The stream was quiet for too long",
                "http_response_timeout"
            )
        }
        CallFailure::DeadlineDuringCall => {
            row!(
                GATEWAY_TIMEOUT,
                "deadline_during_call",
                "The batch's time was over",
                "http_response_timeout"
            )
        }
        CallFailure::ReplyMalformed => {
            row!(BAD_GATEWAY, "reply_malformed", "The upstream's reply breaks HTTP", "http_protocol_error")
        }
        CallFailure::ReplyTooLarge { .. } | CallFailure::MappedBodyTooLarge => {
            row!(
                BAD_GATEWAY,
                "reply_too_large",
                "The upstream's reply is too large",
                "http_response_body_size"
            )
        }
        CallFailure::RepliesTooLarge { .. } => {
            row!(
                BAD_GATEWAY,
                "replies_too_large",
                "The batch's replies are too large",
                "http_response_body_size"
            )
        }
        CallFailure::MemoryFull => {
            row!(SERVICE_UNAVAILABLE, "memory_budget", "The gateway's memory is full", "proxy_internal_error")
        }
        CallFailure::ReplyCoding => {
            row!(
                BAD_GATEWAY,
                "reply_coding",
                "The upstream's reply can't be decoded",
                "http_response_content_coding"
            )
        }
        CallFailure::ClientGone => {
            row!(BAD_GATEWAY, "client_gone", "The client left", "connection_terminated")
        }
        CallFailure::Internal => {
            row!(BAD_GATEWAY, "internal", "The gateway failed", "proxy_internal_error")
        }
    }
}
