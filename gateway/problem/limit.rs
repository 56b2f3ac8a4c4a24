//! Which limit bit, where one did: log lines name it beside the reason.

use std::fmt;
use std::sync::Arc;

use crate::batch::{AdmissionRefusal, BatchRefusal, ItemRejection};
use crate::dispatch::CallFailure;

/// The limit that bit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The one with this key, or with this name where it is fixed.
    Key(&'static str),
    /// The rate limit with this name; written as `rate_limits.NAME`.
    Rate(Arc<str>),
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => formatter.write_str(key),
            Self::Rate(name) => write!(formatter, "rate_limits.{name}"),
        }
    }
}

pub(super) fn of_refusal(refusal: &BatchRefusal) -> Option<Limit> {
    Some(Limit::Key(match refusal {
        BatchRefusal::NotAdmitted(refusal) => return of_admission(refusal),
        BatchRefusal::TooDeep { .. } => "max_depth",
        BatchRefusal::TooManyItems { .. } => "max_items",
        BatchRefusal::StreamTooLong { .. } => "max_stream_items",
        BatchRefusal::BodyTooLarge { .. } => "max_body",
        BatchRefusal::BodyTimeout { .. } => "limits.body_timeout",
        BatchRefusal::MemoryFull => "limits.memory",
        BatchRefusal::Malformed { .. }
        | BatchRefusal::NotABatch { .. }
        | BatchRefusal::DuplicateMember { .. }
        | BatchRefusal::ForbiddenXml { .. }
        | BatchRefusal::DuplicateId { .. }
        | BatchRefusal::BadGroup { .. }
        | BatchRefusal::UnknownDependency { .. }
        | BatchRefusal::ForwardDependency { .. }
        | BatchRefusal::SelfDependency { .. }
        | BatchRefusal::BadContentEncoding { .. }
        | BatchRefusal::UnsupportedContentEncoding
        | BatchRefusal::UnsupportedMediaType(_)
        | BatchRefusal::NoRecords
        | BatchRefusal::NotAcceptable(_)
        | BatchRefusal::OdataVersion
        | BatchRefusal::NoIsolation
        | BatchRefusal::CrossSite
        | BatchRefusal::MethodNotAllowed
        | BatchRefusal::BodyUnreadable
        | BatchRefusal::Internal => return None,
    }))
}

pub(super) fn of_rejection(rejection: &ItemRejection) -> Option<Limit> {
    if let ItemRejection::OverLimit { what, .. } = rejection {
        return Some(Limit::Key(what.limit()));
    }
    None
}

pub(super) fn of_admission(refusal: &AdmissionRefusal) -> Option<Limit> {
    match refusal {
        AdmissionRefusal::RateLimited { limit, .. } | AdmissionRefusal::OverBurst { limit, .. } => {
            Some(Limit::Rate(Arc::clone(limit)))
        }
        AdmissionRefusal::Loop { .. } => Some(Limit::Key("limits.hops")),
        AdmissionRefusal::Unauthenticated { .. }
        | AdmissionRefusal::Forbidden
        | AdmissionRefusal::AuthenticationUnavailable => None,
    }
}

/// The limit for which a call failed, if one is at fault.
#[must_use]
pub fn failure_limit(failure: CallFailure) -> Option<Limit> {
    Some(Limit::Key(match failure {
        CallFailure::QueueFull => "queue",
        CallFailure::UpgradedFull => "upgraded",
        CallFailure::ClientShareFull
        | CallFailure::ClientShareTimeout
        | CallFailure::ClientShareDeadline
        | CallFailure::ClientUpgradedFull => "client_share",
        CallFailure::CircuitOpen { .. } => "breaker",
        CallFailure::ConnectionTimeout => "timeout.connect",
        CallFailure::QueueTimeout | CallFailure::TimeoutBeforeSending | CallFailure::ReplyTimeout => {
            "timeout.item"
        }
        CallFailure::RequestTimeout => "timeout.request",
        CallFailure::IdleTimeout => "timeout.idle",
        CallFailure::DeadlineBeforeCall | CallFailure::DeadlineDuringCall => "deadline",
        CallFailure::ReplyTooLarge { .. } => "max_item_reply",
        CallFailure::MappedBodyTooLarge => "mapped_body",
        CallFailure::RepliesTooLarge { .. } => "max_reply",
        CallFailure::MemoryFull => "limits.memory",
        CallFailure::NoTarget
        | CallFailure::ConnectionRefused
        | CallFailure::ConnectionFailed
        | CallFailure::NotProcessed
        | CallFailure::TlsHandshake
        | CallFailure::ConnectionLost
        | CallFailure::ReplyMalformed
        | CallFailure::ReplyCoding
        | CallFailure::ClientGone
        | CallFailure::Internal => return None,
    }))
}
