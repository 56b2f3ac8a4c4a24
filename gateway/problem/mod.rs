//! The only chooser of status codes: what each way to fail means for the client.
//!
//! One table for refused batches, one for rejected items, one for items that were not started
//! (`problem/skipped.rs`), one for calls without a reply. A row
//! is the status, the problem type (RFC 9457 §3.1.1), the error of Proxy-Status (RFC 9209 §2.3),
//! the outcome, whether the item may be sent again (protocol §3), and a reason for metrics. The test
//! beside it pins every row.

mod idempotent;
mod reasons;

use std::time::Duration;

use http::StatusCode;

use crate::batch::{BatchRefusal, GatewayMade, ItemRejection, OutcomeKind, Place, Problem, ProxyError};

use crate::header::GATEWAY_NAME;

pub use idempotent::is_idempotent;
pub use reasons::{LIMIT_REASONS, REFUSAL_REASONS};
pub use request::{BodyFailure, of_body, of_request};

/// What a failure means for the client and for metrics.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorReply {
    /// The problem detail.
    pub problem: Problem,
    /// The outcome and Proxy-Status error.
    pub made: GatewayMade,
    /// Whether sending it again is safe and may help.
    pub retryable: bool,
    /// How long to wait before that.
    pub retry_after: Option<Duration>,
    /// The methods for an Allow field.
    pub allow: Option<String>,
    /// The value of a WWW-Authenticate field.
    pub challenge: Option<String>,
    /// A word of a closed set, for metrics and logs.
    pub reason: &'static str,
    /// The limit that bit, if it was one; for logs.
    pub limit: Option<Limit>,
}

impl ErrorReply {
    /// The value of Proxy-Status (RFC 9209 §2): the gateway, the error, and our own parameters
    /// `outcome` and `retryable`.
    #[must_use]
    pub fn proxy_status(&self) -> String {
        let ProxyError(error) = self.made.error;
        let retryable = if self.retryable { "; retryable" } else { "" };
        let outcome = self.made.outcome.as_str();
        format!("{GATEWAY_NAME}; error={error}; outcome={outcome}{retryable}")
    }
}

/// A row of a table.
struct Row {
    status: StatusCode,
    reason: &'static str,
    kind: &'static str,
    title: &'static str,
    error: &'static str,
}

macro_rules! row {
    ($status:ident, $reason:literal, $title:literal, $error:literal) => {
        Row {
            status: StatusCode::$status,
            reason: $reason,
            kind: concat!("urn:batchgate:problem:", $reason),
            title: $title,
            error: $error,
        }
    };
}

/// The reason of items that were not started because the batch stopped before them.
pub const BATCH_STOPPED: &str = "batch_stopped";
// Below the macro, which they use.
mod admission;
mod request;
mod grammar;
mod failure;
mod fixed_answer;
mod limit;
mod share;
mod skipped;

pub use admission::of_admission;
pub use failure::{failure_reason, of_failure};
pub use fixed_answer::of_fixed_answer;
pub use grammar::{of_bad_message, of_fault};
pub use limit::{Limit, failure_limit};
pub use skipped::of_skip;

/// How long a client should wait before it sends again what found no target.
const UNAVAILABLE_FOR: Duration = Duration::from_secs(1);

/// The verdict on a batch that is refused whole.
#[must_use]
pub fn of_refusal(refusal: &BatchRefusal) -> ErrorReply {
    let row = refusal_row(refusal);
    if let BatchRefusal::NotAdmitted(refusal) = refusal {
        return of_admission(refusal);
    }
    let allow = (*refusal == BatchRefusal::MethodNotAllowed).then(|| "GET, HEAD, POST".to_owned());
    let retry_after = (row.status == StatusCode::SERVICE_UNAVAILABLE).then_some(UNAVAILABLE_FOR);
    let made = error_reply(&row, refusal.to_string(), refusal.place(), OutcomeKind::Rejected);
    ErrorReply { retry_after, allow, limit: limit::of_refusal(refusal), ..made }
}

#[expect(clippy::too_many_lines, reason = "a table reads best in one piece")]
fn refusal_row(refusal: &BatchRefusal) -> Row {
    match refusal {
        BatchRefusal::Malformed { .. } => {
            row!(BAD_REQUEST, "malformed", "The batch is not well-formed", "http_request_error")
        }
        BatchRefusal::NotABatch { .. } => {
            row!(BAD_REQUEST, "not_a_batch", "The body is no batch", "http_request_error")
        }
        BatchRefusal::DuplicateMember { .. } => {
            row!(BAD_REQUEST, "duplicate_member", "A member stands twice", "http_request_error")
        }
        BatchRefusal::ForbiddenXml { .. } => {
            row!(BAD_REQUEST, "forbidden_xml", "XML that a batch can't have", "http_request_error")
        }
        BatchRefusal::DuplicateId { .. } => {
            row!(BAD_REQUEST, "duplicate_id", "Two items have the same id", "http_request_error")
        }
        BatchRefusal::BadGroup { .. } => {
            row!(BAD_REQUEST, "bad_group", "A group that can't be", "http_request_error")
        }
        BatchRefusal::UnknownDependency { .. } => {
            row!(
                BAD_REQUEST,
                "unknown_dependency",
                "An item depends on what the batch does not have",
                "http_request_error"
            )
        }
        BatchRefusal::ForwardDependency { .. } => {
            row!(BAD_REQUEST, "forward_dependency", "An item depends on a later one", "http_request_error")
        }
        BatchRefusal::SelfDependency { .. } => {
            row!(BAD_REQUEST, "self_dependency", "An item depends on itself", "http_request_error")
        }
        BatchRefusal::BadContentEncoding { .. } => {
            row!(
                BAD_REQUEST,
                "bad_content_encoding",
                "The body is not in its Content-Encoding",
                "http_request_error"
            )
        }
        BatchRefusal::BodyUnreadable => {
            row!(BAD_REQUEST, "body_unreadable", "The body could not be read", "http_request_error")
        }
        BatchRefusal::TooDeep { .. } => {
            row!(BAD_REQUEST, "too_deep", "The batch nests too deeply", "http_request_error")
        }
        BatchRefusal::TooManyItems { .. } | BatchRefusal::StreamTooLong { .. } => {
            row!(PAYLOAD_TOO_LARGE, "too_many_items", "The batch has too many items", "http_request_error")
        }
        BatchRefusal::BodyTooLarge { .. } => {
            row!(PAYLOAD_TOO_LARGE, "body_too_large", "The batch is too large", "http_request_error")
        }
        BatchRefusal::UnsupportedContentEncoding => {
            row!(
                UNSUPPORTED_MEDIA_TYPE,
                "unsupported_content_encoding",
                "Unsupported Content-Encoding",
                "http_request_error"
            )
        }
        BatchRefusal::UnsupportedMediaType(_) | BatchRefusal::NoRecords => {
            row!(
                UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "Unsupported Content-Type",
                "http_request_error"
            )
        }
        BatchRefusal::NotAcceptable(_) => {
            row!(NOT_ACCEPTABLE, "not_acceptable", "No format in Accept can be written", "http_request_error")
        }
        BatchRefusal::OdataVersion => {
            row!(BAD_REQUEST, "odata_version", "A version of OData that is not ours", "http_request_error")
        }
        BatchRefusal::NoIsolation => {
            row!(PRECONDITION_FAILED, "no_isolation", "The items share no snapshot", "http_request_error")
        }
        BatchRefusal::CrossSite => {
            row!(FORBIDDEN, "cross_site", "Cross-site batches are refused", "http_request_denied")
        }
        BatchRefusal::NotAdmitted(refusal) => admission::row(refusal),
        BatchRefusal::MethodNotAllowed => {
            row!(METHOD_NOT_ALLOWED, "method_not_allowed", "The method is not allowed", "http_request_error")
        }
        BatchRefusal::BodyTimeout { .. } => {
            row!(REQUEST_TIMEOUT, "body_timeout", "The batch did not arrive in time", "http_request_error")
        }
        BatchRefusal::MemoryFull => {
            row!(SERVICE_UNAVAILABLE, "memory_budget", "The gateway's memory is full", "proxy_internal_error")
        }
        BatchRefusal::Internal => {
            row!(INTERNAL_SERVER_ERROR, "internal", "The gateway failed", "proxy_internal_error")
        }
    }
}

/// The verdict on an item that the gateway refuses.
#[must_use]
pub fn of_rejection(rejection: &ItemRejection) -> ErrorReply {
    if let ItemRejection::NotAdmitted(refusal) = rejection {
        return of_admission(refusal);
    }
    let allow = if let ItemRejection::MethodNotAllowed { allowed } = rejection {
        Some(allowed.clone())
    } else {
        None
    };
    let place = if let ItemRejection::BadLine { place, .. } = rejection { Some(*place) } else { None };
    ErrorReply {
        allow,
        limit: limit::of_rejection(rejection),
        ..error_reply(&rejection_row(rejection), rejection.to_string(), place, OutcomeKind::Rejected)
    }
}

#[expect(clippy::too_many_lines, reason = "a table reads best in one piece")]
fn rejection_row(rejection: &ItemRejection) -> Row {
    match rejection {
        ItemRejection::BadLine { .. } => {
            row!(BAD_REQUEST, "bad_line", "The line is malformed", "http_request_error")
        }
        ItemRejection::WrongShape { .. }
        | ItemRejection::MissingMember { .. }
        | ItemRejection::UnknownMember { .. }
        | ItemRejection::BadVariable { .. }
        | ItemRejection::BadRecordLine { .. }
        | ItemRejection::BadMember { .. } => {
            row!(BAD_REQUEST, "bad_item", "The item is malformed", "http_request_error")
        }
        ItemRejection::BadHeader { .. } => {
            row!(BAD_REQUEST, "bad_header", "The item has a header that it can't have", "http_request_error")
        }
        ItemRejection::BadBody { .. } => {
            row!(BAD_REQUEST, "bad_body", "The item's body is malformed", "http_request_error")
        }
        ItemRejection::OverLimit { .. } => {
            row!(PAYLOAD_TOO_LARGE, "item_over_limit", "The item is over a limit", "http_request_error")
        }
        ItemRejection::ForbiddenUrl { .. } => {
            row!(BAD_REQUEST, "forbidden_url", "The item's url is refused", "http_request_error")
        }
        ItemRejection::BadReference { .. } => {
            row!(BAD_REQUEST, "bad_reference", "The item's reference is refused", "http_request_error")
        }
        ItemRejection::BadCondition { .. } => {
            row!(BAD_REQUEST, "bad_condition", "The item's condition is malformed", "http_request_error")
        }
        // OData JSON Format 4.01 §19.1 has this status for a dependency that is not supported.
        ItemRejection::UnsupportedCondition { .. } => {
            row!(
                FAILED_DEPENDENCY,
                "condition_not_supported",
                "The gateway can't tell this condition",
                "http_request_error"
            )
        }
        ItemRejection::ForbiddenReference { .. } => {
            row!(FORBIDDEN, "forbidden_reference", "The item leads elsewhere", "http_request_denied")
        }
        ItemRejection::OtherRoute => {
            row!(FORBIDDEN, "other_route", "The record leads elsewhere", "http_request_denied")
        }
        ItemRejection::NestedBatch => {
            row!(FORBIDDEN, "nested_batch", "A batch can't hold a batch", "http_request_denied")
        }
        ItemRejection::NotBatchable => {
            row!(FORBIDDEN, "not_batchable", "The route takes single requests only", "http_request_denied")
        }
        ItemRejection::NotAdmitted(refusal) => admission::row(refusal),
        ItemRejection::NoRoute => {
            row!(NOT_FOUND, "no_route", "No route has this path", "destination_not_found")
        }
        ItemRejection::MethodNotAllowed { .. } => {
            row!(METHOD_NOT_ALLOWED, "method_not_allowed", "The method is not allowed", "http_request_denied")
        }
        ItemRejection::NotImplemented { .. } => {
            row!(NOT_IMPLEMENTED, "not_implemented", "The gateway can't do this", "http_request_error")
        }
    }
}

fn error_reply(row: &Row, detail: String, place: Option<Place>, outcome: OutcomeKind) -> ErrorReply {
    ErrorReply {
        problem: Problem { kind: row.kind, title: row.title, status: row.status, detail, place },
        made: GatewayMade { outcome, error: ProxyError(row.error) },
        retryable: false,
        retry_after: None,
        allow: None,
        challenge: None,
        reason: row.reason,
        limit: None,
    }
}

#[cfg(test)]
mod tests;
