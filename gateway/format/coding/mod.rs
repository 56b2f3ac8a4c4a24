//! Content codings (RFC 9110 §8.4): how bodies that arrive compressed become plain again.

mod brotli;
mod decode;
mod decoded;

pub use decode::{ReplyCodingError, decode_batch, decode_reply};
