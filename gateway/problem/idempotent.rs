//! The methods that may be sent again when it is not known whether they were carried out.

use http::Method;

/// RFC 9110 §9.2.2, and the idempotent methods of RFC 4918, RFC 3253 and RFC 5323.
#[must_use]
pub fn is_idempotent(method: &Method) -> bool {
    matches!(
        method.as_str(),
        "GET"
            | "HEAD"
            | "PUT"
            | "DELETE"
            | "OPTIONS"
            | "TRACE"
            | "PROPFIND"
            | "PROPPATCH"
            | "MKCOL"
            | "COPY"
            | "MOVE"
            | "UNLOCK"
            | "REPORT"
            | "SEARCH"
            | "QUERY"
            | "ACL"
            | "MKCALENDAR"
    )
}
