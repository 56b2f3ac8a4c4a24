//! Content codings (RFC 9110 §8.4): how bodies that arrive compressed become plain again, and how replies are compressed.

mod body;
mod brotli;
mod decode;
mod decoded;
mod decoder;
mod encode;
mod negotiate;

pub(crate) use body::{BodyDecoder, Pulled};
pub use decode::{codings_of, decode_batch, decode_reply};
pub use decoded::CodingError;
pub(crate) use decoded::{Coding, Codings, REQUEST_CODINGS};
pub(crate) use encode::{Encoder, ReplyCoding, gzip};
pub(crate) use negotiate::{Asked, Compression, DIGESTS, names_gzip};
