//! Requests that break HTTP's grammar.

use http::StatusCode;

use super::error_reply::{ErrorReply, Limit};
use super::table;
use crate::batch::OutcomeKind;
use crate::http1::Fault;

/// The reply to a request that breaks HTTP's grammar. The connection has to be closed after it.
#[must_use]
pub fn of_fault(fault: Fault) -> ErrorReply {
    let row = match fault.status() {
        StatusCode::URI_TOO_LONG => table::TARGET_TOO_LONG,
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => table::HEADER_TOO_LARGE,
        StatusCode::NOT_IMPLEMENTED => table::NOT_IMPLEMENTED,
        StatusCode::HTTP_VERSION_NOT_SUPPORTED => table::VERSION_NOT_SUPPORTED,
        _ => table::MALFORMED_REQUEST,
    };
    let limit = fault.limit().map(Limit::Key);
    ErrorReply { limit, ..ErrorReply::new(row, fault.to_string(), OutcomeKind::Rejected) }
}

/// The reply to a request that pingora can't read, so that nothing else is known about it.
#[must_use]
pub fn of_bad_message(detail: String) -> ErrorReply {
    ErrorReply::new(table::MALFORMED_REQUEST, detail, OutcomeKind::Rejected)
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
