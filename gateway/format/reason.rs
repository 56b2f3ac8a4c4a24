//! The reason phrase of a status line. HTTP lets it be empty; readers of multipart replies do not.

use http::StatusCode;

/// The registered phrase, or one for the class of the status.
pub(crate) fn phrase(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or(match status.as_u16() {
        ..200 => "Informational",
        200..300 => "Success",
        300..400 => "Redirection",
        400..500 => "Client Error",
        500.. => "Server Error",
    })
}
