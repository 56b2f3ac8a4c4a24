//! Rejected single requests, and bodies of single requests that could not be read.

use super::admission::{self, of_admission};
use super::error_reply::{ErrorReply, UNAVAILABLE_FOR};
use super::table::{self, Row};
use crate::batch::{AdmissionRefusal, OutcomeKind, Unit, limit_text};
use crate::format::REQUEST_CODINGS;
use crate::route::{ReferenceProblem, RefusedReference};

/// Why the gateway rejects a single request. Nothing was sent for it. Items have
/// [`ItemRejection`](crate::batch::ItemRejection).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestRejection {
    /// The url has no host, or two servers could read it differently.
    #[error("the request's url {problem}")]
    ForbiddenUrl {
        /// The problem with it.
        problem: &'static str,
    },
    /// The connection was opened for another host.
    #[error("the certificate of this connection is not for the request's host; use another connection")]
    Misdirected,
    /// A header field that a request can't have.
    #[error("the request's header `{name}` {problem}")]
    BadHeader {
        /// The field's name.
        name: &'static str,
        /// The problem with it.
        problem: &'static str,
    },
    /// A `Destination` or `If` leads out of the route's upstream (RFC 4918 §10.3, §10.4).
    #[error("the request's `{field}` {problem}")]
    ForbiddenReference {
        /// The field's name.
        field: &'static str,
        /// The problem with it.
        problem: &'static str,
    },
    /// The url in a `Destination` or `If` is malformed.
    #[error("the request's `{field}` {problem}")]
    MalformedReference {
        /// The field's name.
        field: &'static str,
        /// The problem with it.
        problem: String,
    },
    /// No route has this path.
    #[error("no route is configured for this path")]
    NoRoute,
    /// The route does not allow the method.
    #[error("the route does not allow this method; it allows {allowed}")]
    MethodNotAllowed {
        /// The methods that it allows, comma-separated.
        allowed: String,
    },
    /// The body has more bytes than its route takes.
    #[error("the request's body is over the limit of {}", limit_text(*.limit, Unit::Bytes, "routes.max_body"))]
    BodyTooLarge {
        /// The limit.
        limit: usize,
    },
    /// The body has a content coding that the gateway can't undo for its route.
    #[error(
        "the request's Content-Encoding is not supported; Accept-Encoding in this reply says which ones are"
    )]
    UnsupportedContentEncoding,
    /// The client is not let in, or not now.
    #[error(transparent)]
    NotAdmitted(AdmissionRefusal),
    /// The request needs something that the gateway does not support.
    #[error("{what}")]
    NotImplemented {
        /// What that is, as a sentence.
        what: &'static str,
    },
}

/// Why a single request's body could not be read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFailure {
    /// It breaks HTTP's framing.
    Unreadable,
    /// The client kept the gateway waiting for longer than this many seconds.
    TooSlow(u64),
    /// It has more bytes than its route takes.
    TooLarge(usize),
    /// It is not in the content coding that its head names.
    NotDecodable(&'static str),
    /// There is no memory to decode it.
    NoMemory,
}

/// The reply to a single request that is rejected.
#[must_use]
pub fn of_request(rejection: &RequestRejection) -> ErrorReply {
    if let RequestRejection::NotAdmitted(refusal) = rejection {
        return of_admission(refusal);
    }
    let mut reply = ErrorReply::new(row(rejection), rejection.to_string(), OutcomeKind::Rejected);
    if let RequestRejection::MethodNotAllowed { allowed } = rejection {
        reply.allow = Some(allowed.clone());
    }
    if *rejection == RequestRejection::UnsupportedContentEncoding {
        reply.accept_encoding = Some(REQUEST_CODINGS);
    }
    reply
}

const fn row(rejection: &RequestRejection) -> Row {
    match rejection {
        RequestRejection::ForbiddenUrl { .. } => table::FORBIDDEN_URL,
        RequestRejection::Misdirected => table::MISDIRECTED,
        RequestRejection::BadHeader { .. } | RequestRejection::MalformedReference { .. } => table::BAD_HEADER,
        RequestRejection::ForbiddenReference { .. } => table::FORBIDDEN_REFERENCE,
        RequestRejection::NoRoute => table::NO_ROUTE,
        RequestRejection::MethodNotAllowed { .. } => table::ITEM_METHOD_NOT_ALLOWED,
        RequestRejection::BodyTooLarge { .. } => table::REQUEST_TOO_LARGE,
        RequestRejection::UnsupportedContentEncoding => table::UNSUPPORTED_CONTENT_ENCODING,
        RequestRejection::NotAdmitted(refusal) => admission::row(refusal),
        RequestRejection::NotImplemented { .. } => table::NOT_IMPLEMENTED,
    }
}

/// The reply to a single request whose body could not be read. The service may have received a part of it.
#[must_use]
pub fn of_body(failure: BodyFailure) -> ErrorReply {
    let (row, detail) = match failure {
        BodyFailure::TooLarge(limit) => {
            (table::REQUEST_TOO_LARGE, RequestRejection::BodyTooLarge { limit }.to_string())
        }
        BodyFailure::Unreadable => {
            (table::BODY_UNREADABLE, "the request's body breaks HTTP's framing".to_owned())
        }
        BodyFailure::NotDecodable(coding) => (
            table::BAD_CONTENT_ENCODING,
            format!("the request's body is not valid {coding}, which its Content-Encoding names"),
        ),
        BodyFailure::NoMemory => {
            let detail = "the gateway has no memory left to decompress the request's body (limits.memory)";
            let mut reply = ErrorReply::new(table::MEMORY_BUDGET, detail.to_owned(), OutcomeKind::NotSent);
            (reply.retryable, reply.retry_after) = (true, Some(UNAVAILABLE_FOR));
            return reply;
        }
        BodyFailure::TooSlow(seconds) => (
            table::BODY_TIMEOUT,
            format!(
                "the gateway waited {seconds} seconds in total for the request's body (limits.body_timeout)"
            ),
        ),
    };
    ErrorReply::new(row, detail, OutcomeKind::Unknown)
}

impl From<RefusedReference> for RequestRejection {
    fn from(RefusedReference { field, problem }: RefusedReference) -> Self {
        match problem {
            ReferenceProblem::Forbidden(problem) => Self::ForbiddenReference { field, problem },
            ReferenceProblem::Malformed(problem) => Self::MalformedReference { field, problem },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Bounded, ItemRejection};
    use crate::problem::of_rejection;

    /// Rejections with the same meaning for an item and for a single request.
    fn pairs() -> Vec<(RequestRejection, ItemRejection)> {
        let allowed = || "GET".to_owned();
        let problem = "leads elsewhere";
        let what = "this can't be done";
        let header = ItemRejection::BadHeader {
            name: "connection".to_owned(),
            error: crate::header::field::FieldError::Value,
        };
        vec![
            (RequestRejection::ForbiddenUrl { problem }, ItemRejection::ForbiddenUrl { problem }),
            (RequestRejection::BadHeader { name: "Connection", problem }, header),
            (
                RequestRejection::ForbiddenReference { field: "If", problem },
                ItemRejection::ForbiddenReference { field: "If", problem },
            ),
            (
                RequestRejection::MalformedReference { field: "If", problem: allowed() },
                ItemRejection::MalformedReference { field: "If", problem: allowed() },
            ),
            (RequestRejection::NoRoute, ItemRejection::NoRoute),
            (
                RequestRejection::MethodNotAllowed { allowed: allowed() },
                ItemRejection::MethodNotAllowed { allowed: allowed() },
            ),
            (
                RequestRejection::NotAdmitted(AdmissionRefusal::Forbidden),
                ItemRejection::NotAdmitted(AdmissionRefusal::Forbidden),
            ),
            (RequestRejection::NotImplemented { what }, ItemRejection::NotImplemented { what }),
        ]
    }

    #[test]
    fn a_single_request_is_never_called_an_item() {
        for (rejection, item) in pairs() {
            let (reply, of_item) = (of_request(&rejection), of_rejection(&item));
            let words = format!("{} {}", reply.problem.title, reply.problem.detail);
            assert!(!words.contains("item") && !words.contains("record"), "{words}");
            assert_eq!((reply.problem.status, reply.reason), (of_item.problem.status, of_item.reason));
            assert_eq!((reply.problem.title, reply.allow), (of_item.problem.title, of_item.allow));
        }
        let over = of_rejection(&ItemRejection::OverLimit { what: Bounded::Url, limit: 3 });
        assert!(!over.problem.title.contains("item"));
    }
}
