//! What it means that the gateway does not let something in; the same for batches, items and single
//! requests.

use http::StatusCode;

use super::{ErrorReply, Row, UNAVAILABLE_FOR, error_reply, limit};
use crate::batch::{AdmissionRefusal, OutcomeKind};

/// The verdict on what is not let in.
#[must_use]
pub fn of_admission(refusal: &AdmissionRefusal) -> ErrorReply {
    let row = row(refusal);
    let error_reply = match refusal {
        // Nothing was sent, and later there is room.
        AdmissionRefusal::RateLimited { retry_after, .. } => ErrorReply {
            retryable: true,
            retry_after: Some(*retry_after),
            ..error_reply(&row, refusal.to_string(), None, OutcomeKind::NotSent)
        },
        AdmissionRefusal::AuthenticationUnavailable => ErrorReply {
            retryable: true,
            retry_after: Some(UNAVAILABLE_FOR),
            ..error_reply(&row, refusal.to_string(), None, OutcomeKind::NotSent)
        },
        AdmissionRefusal::Unauthenticated { challenge, .. } => ErrorReply {
            challenge: Some(challenge.clone()),
            ..error_reply(&row, refusal.to_string(), None, OutcomeKind::Rejected)
        },
        AdmissionRefusal::OverBurst { .. } | AdmissionRefusal::Forbidden | AdmissionRefusal::Loop { .. } => {
            error_reply(&row, refusal.to_string(), None, OutcomeKind::Rejected)
        }
    };
    ErrorReply { limit: limit::of_admission(refusal), ..error_reply }
}

pub(super) fn row(refusal: &AdmissionRefusal) -> Row {
    match refusal {
        AdmissionRefusal::RateLimited { .. } => {
            row!(TOO_MANY_REQUESTS, "rate_limited", "A rate limit is reached", "http_request_denied")
        }
        AdmissionRefusal::Unauthenticated { .. } => {
            row!(UNAUTHORIZED, "unauthenticated", "The client is not known", "http_request_denied")
        }
        AdmissionRefusal::Forbidden => {
            row!(FORBIDDEN, "client_forbidden", "The client may not come in", "http_request_denied")
        }
        AdmissionRefusal::AuthenticationUnavailable => {
            row!(
                SERVICE_UNAVAILABLE,
                "authentication_unavailable",
                "Nobody can tell who may come in",
                "destination_unavailable"
            )
        }
        // RFC 9209 §2.3.32. Not the 502 that it recommends: 502 is asked again (`retry.status`), and that in each
        // round of the loop.
        AdmissionRefusal::Loop { .. } => {
            row!(LOOP_DETECTED, "loop_detected", "The request goes round in circles", "proxy_loop_detected")
        }
        AdmissionRefusal::OverBurst { .. } => {
            row!(PAYLOAD_TOO_LARGE, "too_many_items", "The batch has too many items", "http_request_denied")
        }
    }
}
