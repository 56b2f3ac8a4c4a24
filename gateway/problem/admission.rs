//! Clients that are not let in: the same for batches, items and single requests.

use std::sync::Arc;

use super::error_reply::{ErrorReply, Limit, UNAVAILABLE_FOR};
use super::table::{self, Row};
use crate::batch::{AdmissionRefusal, OutcomeKind};

/// The reply to a client that is not let in.
#[must_use]
pub fn of_admission(refusal: &AdmissionRefusal) -> ErrorReply {
    // A retry may help only if the refusal is for now.
    let retry_after = match refusal {
        AdmissionRefusal::RateLimited { retry_after, .. }
        | AdmissionRefusal::WrongPasswords { retry_after } => Some(*retry_after),
        AdmissionRefusal::AuthenticationUnavailable { .. } => Some(UNAVAILABLE_FOR),
        AdmissionRefusal::Unauthenticated { .. }
        | AdmissionRefusal::OverBurst { .. }
        | AdmissionRefusal::Forbidden
        | AdmissionRefusal::NoWay
        | AdmissionRefusal::OtherCredential
        | AdmissionRefusal::Loop { .. } => None,
    };
    let outcome = if retry_after.is_some() { OutcomeKind::NotSent } else { OutcomeKind::Rejected };
    let mut reply = ErrorReply::new(row(refusal), refusal.to_string(), outcome);
    reply.retryable = retry_after.is_some();
    reply.retry_after = retry_after;
    if let AdmissionRefusal::Unauthenticated { challenge, .. } = refusal {
        reply.challenge = Some(challenge.clone());
    }
    if let AdmissionRefusal::RateLimited { limit, .. } | AdmissionRefusal::OverBurst { limit, .. } = refusal {
        reply.limit = Some(Limit::Rate(Arc::clone(limit)));
    }
    reply
}

pub(super) const fn row(refusal: &AdmissionRefusal) -> Row {
    match refusal {
        AdmissionRefusal::RateLimited { .. } => table::RATE_LIMITED,
        AdmissionRefusal::Unauthenticated { .. } => table::UNAUTHENTICATED,
        AdmissionRefusal::Forbidden | AdmissionRefusal::NoWay | AdmissionRefusal::OtherCredential => {
            table::CLIENT_FORBIDDEN
        }
        AdmissionRefusal::WrongPasswords { .. } => table::WRONG_PASSWORDS,
        AdmissionRefusal::AuthenticationUnavailable { .. } => table::AUTHENTICATION_UNAVAILABLE,
        AdmissionRefusal::Loop { .. } => table::LOOP_DETECTED,
        AdmissionRefusal::OverBurst { .. } => table::OVER_BURST,
    }
}
