//! Refused batches.

use http::StatusCode;

use super::admission::{self, of_admission};
use super::error_reply::{ErrorReply, UNAVAILABLE_FOR};
use super::table::{self, Row};
use crate::batch::{BatchRefusal, OutcomeKind};
use crate::format::REQUEST_CODINGS;

/// The reply to a batch that is refused. None of its items was started.
#[must_use]
pub fn of_refusal(refusal: &BatchRefusal) -> ErrorReply {
    if let BatchRefusal::NotAdmitted(refusal) = refusal {
        return of_admission(refusal);
    }
    let row = row(refusal);
    let mut reply = ErrorReply::new(row, refusal.to_string(), OutcomeKind::Rejected);
    reply.problem.place = refusal.place();
    reply.allow = (*refusal == BatchRefusal::MethodNotAllowed).then(|| "GET, HEAD, POST".to_owned());
    reply.accept_encoding = (*refusal == BatchRefusal::UnsupportedContentEncoding).then_some(REQUEST_CODINGS);
    reply.retry_after = (row.status == StatusCode::SERVICE_UNAVAILABLE).then_some(UNAVAILABLE_FOR);
    reply
}

fn row(refusal: &BatchRefusal) -> Row {
    match refusal {
        BatchRefusal::Malformed { .. } => table::MALFORMED,
        BatchRefusal::NotABatch { .. } => table::NOT_A_BATCH,
        BatchRefusal::DuplicateMember { .. } => table::DUPLICATE_MEMBER,
        BatchRefusal::ForbiddenXml { .. } => table::FORBIDDEN_XML,
        BatchRefusal::DuplicateId { .. } => table::DUPLICATE_ID,
        BatchRefusal::BadGroup { .. } => table::BAD_GROUP,
        BatchRefusal::UnknownDependency { .. } => table::UNKNOWN_DEPENDENCY,
        BatchRefusal::ForwardDependency { .. } => table::FORWARD_DEPENDENCY,
        BatchRefusal::SelfDependency { .. } => table::SELF_DEPENDENCY,
        BatchRefusal::BadContentEncoding { .. } => table::BAD_CONTENT_ENCODING,
        BatchRefusal::BodyUnreadable => table::BODY_UNREADABLE,
        BatchRefusal::TooDeep { .. } => table::TOO_DEEP,
        BatchRefusal::TooManyItems { .. } => table::TOO_MANY_ITEMS,
        BatchRefusal::StreamTooLong { .. } => table::STREAM_TOO_LONG,
        BatchRefusal::BodyTooLarge { .. } => table::BODY_TOO_LARGE,
        BatchRefusal::UnsupportedContentEncoding => table::UNSUPPORTED_CONTENT_ENCODING,
        BatchRefusal::UnsupportedMediaType(_) | BatchRefusal::NoRecords => table::UNSUPPORTED_MEDIA_TYPE,
        BatchRefusal::NotAcceptable(_) => table::NOT_ACCEPTABLE,
        BatchRefusal::OdataVersion => table::ODATA_VERSION,
        BatchRefusal::NotAtomic | BatchRefusal::NoUndo { .. } => table::NOT_IMPLEMENTED,
        BatchRefusal::NoIsolation => table::NO_ISOLATION,
        BatchRefusal::CrossSite => table::CROSS_SITE,
        BatchRefusal::NotAdmitted(refusal) => admission::row(refusal),
        BatchRefusal::MethodNotAllowed => table::METHOD_NOT_ALLOWED,
        BatchRefusal::BodyTimeout { .. } => table::BODY_TIMEOUT,
        BatchRefusal::MemoryFull => table::MEMORY_BUDGET,
        BatchRefusal::Internal => table::INTERNAL,
    }
}
