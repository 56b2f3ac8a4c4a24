//! Content codings (RFC 9110 §8.4): how bodies that arrive compressed become plain again.

mod brotli;
mod decode;
mod decoded;

pub use decode::{codings_of, decode_batch, decode_reply};
pub use decoded::CodingError;
