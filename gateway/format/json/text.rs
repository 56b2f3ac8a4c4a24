//! The body of a JSON batch as text.

use crate::batch::{BatchRefusal, Place};

/// The body as text. RFC 8259 §8.1: UTF-8, and no byte order mark.
pub(super) fn text_of(body: &[u8]) -> Result<&str, BatchRefusal> {
    let malformed =
        |reason: &str, at| Err(BatchRefusal::Malformed { reason: reason.into(), place: Place::at(body, at) });
    if body.is_empty() {
        return malformed("the body is empty", 0);
    }
    match std::str::from_utf8(body) {
        Ok(text) if text.starts_with('\u{feff}') => {
            malformed("JSON must not start with a byte order mark", 0)
        }
        Ok(text) => Ok(text),
        Err(error) => malformed("JSON has to be UTF-8", error.valid_up_to()),
    }
}
