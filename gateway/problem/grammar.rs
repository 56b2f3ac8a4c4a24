//! The table's part for requests that break HTTP's grammar.

use http::StatusCode;

use super::limit::Limit;
use super::{ErrorReply, Row, error_reply};
use crate::batch::OutcomeKind;
use crate::http1::Fault;

/// The verdict on a request that breaks HTTP's grammar. The connection has to be closed after it.
#[must_use]
pub fn of_fault(fault: Fault) -> ErrorReply {
    let row = match fault.status() {
        StatusCode::URI_TOO_LONG => {
            row!(URI_TOO_LONG, "target_too_long", "The request target is too long", "http_request_error")
        }
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => row!(
            REQUEST_HEADER_FIELDS_TOO_LARGE,
            "header_too_large",
            "The request's header section is too large",
            "http_request_error"
        ),
        StatusCode::NOT_IMPLEMENTED => {
            row!(NOT_IMPLEMENTED, "not_implemented", "The gateway can't do this", "http_request_error")
        }
        StatusCode::HTTP_VERSION_NOT_SUPPORTED => row!(
            HTTP_VERSION_NOT_SUPPORTED,
            "version_not_supported",
            "The gateway does not speak this version of HTTP",
            "http_request_error"
        ),
        _ => row!(BAD_REQUEST, "malformed_request", "The request is malformed", "http_request_error"),
    };
    let detail = fault.to_string();
    ErrorReply {
        limit: fault.limit().map(Limit::Key),
        ..error_reply(&row, detail, None, OutcomeKind::Rejected)
    }
}

/// The verdict on a request that pingora can't read, so that nothing else is known of it.
#[must_use]
pub fn of_bad_message(detail: String) -> ErrorReply {
    let row = row!(BAD_REQUEST, "malformed_request", "The request is malformed", "http_request_error");
    error_reply(&row, detail, None, OutcomeKind::Rejected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::Flaw;

    #[test]
    fn each_flaw_has_the_status_it_deserves() {
        for (flaw, status, reason, limit) in [
            (Flaw::TargetTooLong, 414, "target_too_long", Some("limits.target_bytes")),
            (Flaw::HeadTooLarge, 431, "header_too_large", Some("limits.header_bytes")),
            (Flaw::TooManyFields, 431, "header_too_large", Some("limits.header_fields")),
            (Flaw::UnknownCoding, 501, "not_implemented", None),
            (Flaw::UnsupportedVersion, 505, "version_not_supported", None),
            (Flaw::ChunkSize, 400, "malformed_request", None),
        ] {
            let error_reply = of_fault(Fault { flaw, place: 7 });
            assert_eq!((error_reply.problem.status.as_u16(), error_reply.reason), (status, reason));
            assert_eq!(error_reply.limit, limit.map(Limit::Key));
            assert!(error_reply.problem.detail.ends_with("(at byte 7 of the message)"));
        }
    }
}
