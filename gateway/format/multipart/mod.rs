//! `multipart/mixed` of `application/http` (protocol §2.3, §4.3): what OData 4.0 and Google's clients
//! send, one HTTP message a part (RFC 2046 §5.1, RFC 9112 §10.2).
//!
//! The framing comes first: a body that the boundary does not cut into parts refuses the batch.
//! An error within a part rejects its item alone.

mod boundary;
mod conventions;
mod error;
mod fields;
mod parts;
mod part;
mod query;
mod target;
mod message;
mod body;
mod change_set;
mod reading;
mod reader;
mod writer;
#[cfg(test)]
mod tests;

pub(crate) use conventions::{ContentIds, Sets};
pub use conventions::{MultipartInput, MultipartOutput};
pub(crate) use reader::read;
pub(crate) use writer::MultipartWriter;
pub use writer::SetReply;
