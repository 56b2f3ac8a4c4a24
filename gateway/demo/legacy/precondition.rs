//! `If-Match` and `If-None-Match` (RFC 9110 §13.1, in the order of §13.2.2).

use http::header::{IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName, Method};

use super::fault::Fault;

/// The result of checking preconditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Permission {
    /// The request may go on.
    Go,
    /// The client already has the current version: 304.
    Unchanged,
}

/// Checks a request's preconditions against the resource's `ETag`; `None`: there is no resource.
pub(super) fn check(
    method: &Method,
    headers: &HeaderMap,
    current: Option<&str>,
) -> Result<Permission, Fault> {
    if names(headers, &IF_MATCH, current) == Some(false) {
        return Err(Fault::PreconditionFailed);
    }
    match names(headers, &IF_NONE_MATCH, current) {
        Some(true) if *method == Method::GET || *method == Method::HEAD => Ok(Permission::Unchanged),
        Some(true) => Err(Fault::PreconditionFailed),
        Some(false) | None => Ok(Permission::Go),
    }
}

/// Whether the field names the current `ETag`; `None` if there is no such field.
fn names(headers: &HeaderMap, field: &HeaderName, current: Option<&str>) -> Option<bool> {
    let mut values = headers.get_all(field).iter().peekable();
    values.peek()?;
    let named = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|tag| current.is_some_and(|current| tag.trim() == "*" || tag.trim() == current));
    Some(named)
}
