//! The same verdicts on a request that is no batch: the rules are those of items, the words are not.

use http::StatusCode;

use super::limit::Limit;
use super::{ErrorReply, Row, error_reply, of_rejection};
use crate::batch::{ItemRejection, OutcomeKind};

/// An item's words, and a request's.
const WORDS: [(&str, &str); 8] = [
    ("the item's", "the request's"),
    ("The item's", "The request's"),
    ("the item", "the request"),
    ("The item", "The request"),
    ("can't be set by an item", "can't be set"),
    ("the record's", "the request's"),
    ("The record", "The request"),
    ("an item", "a request"),
];

/// The titles of items that single requests have too.
const TITLES: [(&str, &str); 5] = [
    ("The item's url is refused", "The request's url is refused"),
    ("The item has a header that it can't have", "The request has a header that it can't have"),
    ("The item leads elsewhere", "The request leads elsewhere"),
    ("The item is over a limit", "The request is over a limit"),
    ("The item's body is malformed", "The request's body is malformed"),
];

/// Why a single request's body could not be read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFailure {
    /// It breaks HTTP's framing.
    Unreadable,
    /// The client let the gateway wait for longer than so many seconds.
    TooSlow(u64),
}

/// The verdict on a single request whose body could not be read. The service may have seen a part of it.
#[must_use]
pub fn of_body(failure: BodyFailure) -> ErrorReply {
    match failure {
        BodyFailure::Unreadable => {
            let row = row!(
                BAD_REQUEST,
                "body_unreadable",
                "The request's body can't be read",
                "http_request_error"
            );
            let detail = "the request's body breaks HTTP's framing".to_owned();
            error_reply(&row, detail, None, OutcomeKind::Unknown)
        }
        BodyFailure::TooSlow(seconds) => {
            let row = row!(
                REQUEST_TIMEOUT,
                "body_timeout",
                "The request's body came too slowly",
                "http_request_error"
            );
            let detail = format!(
                "the gateway waited for the request's body for {seconds} s in all (limits.body_timeout)"
            );
            let limit = Some(Limit::Key("limits.body_timeout"));
            ErrorReply { limit, ..error_reply(&row, detail, None, OutcomeKind::Unknown) }
        }
    }
}

/// The verdict on a single request that the gateway refuses.
#[must_use]
pub fn of_request(rejection: &ItemRejection) -> ErrorReply {
    let mut error_reply = of_rejection(rejection);
    let problem = &mut error_reply.problem;
    if let Some((_, title)) = TITLES.iter().find(|(items, _)| *items == problem.title) {
        problem.title = title;
    }
    for (items, requests) in WORDS {
        if problem.detail.contains(items) {
            problem.detail = problem.detail.replace(items, requests);
        }
    }
    error_reply
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{AdmissionRefusal, Bounded};
    use crate::header::field::FieldError;

    #[test]
    fn a_single_request_is_never_called_an_item() {
        let name = || "Connection".to_owned();
        for rejection in [
            ItemRejection::ForbiddenUrl { problem: "has a fragment" },
            ItemRejection::BadHeader { name: name(), error: FieldError::NotOfTheConnection },
            ItemRejection::BadHeader { name: name(), error: FieldError::Forbidden },
            ItemRejection::ForbiddenReference { field: "Destination", problem: "leads to another host" },
            ItemRejection::OverLimit { what: Bounded::Url, limit: 3 },
            ItemRejection::BadBody { problem: "is malformed" },
            ItemRejection::NotImplemented { what: "the gateway does not answer TRACE itself" },
            ItemRejection::NoRoute,
            ItemRejection::MethodNotAllowed { allowed: "GET".to_owned() },
            ItemRejection::NotAdmitted(AdmissionRefusal::Forbidden),
        ] {
            let (error_reply, of_item) = (of_request(&rejection), of_rejection(&rejection));
            let words = format!("{} {}", error_reply.problem.title, error_reply.problem.detail);
            assert!(!words.contains("item") && !words.contains("record"), "{words}");
            assert_eq!(
                (error_reply.problem.status, error_reply.reason),
                (of_item.problem.status, of_item.reason)
            );
        }
    }
}
