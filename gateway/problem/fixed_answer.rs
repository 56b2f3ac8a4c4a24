//! A route's fixed error answer without a body: the client gets a problem detail, as for every other refusal.

use std::time::Duration;

use http::StatusCode;
use http::header::RETRY_AFTER;

use super::error_reply::ErrorReply;
use super::table::Row;
use crate::batch::OutcomeKind;
use crate::route::Respond;

/// How long a client should wait before it tries a route again that the operator has closed for now.
const CLOSED_FOR: Duration = Duration::from_secs(60);

/// The reply of a route with a fixed answer, for items and single requests alike. `None` if the answer has a body or is
/// not an error: it is then sent as the operator wrote it.
#[must_use]
pub fn of_fixed_answer(respond: &Respond) -> Option<ErrorReply> {
    if respond.status.as_u16() < 400 || !respond.body.is_empty() {
        return None;
    }
    let row = Row {
        status: respond.status,
        reason: "fixed_answer",
        kind: "urn:batchgate:problem:fixed_answer",
        title: respond.status.canonical_reason().unwrap_or("Refused"),
        error: "http_request_denied",
        limit: None,
    };
    let detail = format!("the route answers every request with {}", respond.status.as_u16());
    let reply = ErrorReply::new(row, detail, OutcomeKind::Rejected);
    // Protocol §3: a rejected request is not retryable, but these statuses say when to come again.
    let for_now = matches!(respond.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    let is_said = respond.header(&RETRY_AFTER).is_some();
    let retry_after = (for_now && !is_said).then_some(CLOSED_FOR);
    Some(ErrorReply { retry_after, fields: respond.headers.clone(), ..reply })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn respond(status: u16, body: &'static str) -> Respond {
        let status = StatusCode::from_u16(status).unwrap();
        let (body, content_type) = (Bytes::from_static(body.as_bytes()), "text/plain".into());
        Respond { status, body, content_type, headers: Vec::new() }
    }

    #[test]
    fn an_error_answer_without_a_body_gets_a_problem_detail() {
        for (status, title, after) in [
            (403, "Forbidden", None),
            (404, "Not Found", None),
            (410, "Gone", None),
            (599, "Refused", None),
            (503, "Service Unavailable", Some(60)),
            (429, "Too Many Requests", Some(60)),
        ] {
            let error_reply = of_fixed_answer(&respond(status, "")).unwrap();
            assert_eq!((error_reply.problem.status.as_u16(), error_reply.problem.title), (status, title));
            assert_eq!(error_reply.made.outcome, OutcomeKind::Rejected);
            assert_eq!(error_reply.retry_after.map(|after| after.as_secs()), after);
            assert!(!error_reply.retryable);
        }
    }

    #[test]
    fn its_fields_are_those_of_the_operator() {
        let said = (RETRY_AFTER, "7".parse().unwrap());
        let error_reply =
            of_fixed_answer(&Respond { headers: vec![said.clone()], ..respond(503, "") }).unwrap();
        assert_eq!((error_reply.retry_after, error_reply.fields), (None, vec![said]));
    }

    #[test]
    fn an_answer_of_the_operators_own_stays() {
        for (status, body) in [(200, ""), (204, ""), (304, ""), (404, "gone"), (503, "later")] {
            assert_eq!(of_fixed_answer(&respond(status, body)), None, "{status}");
        }
    }
}
