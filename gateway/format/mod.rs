//! How batches are read and results are written. Pure: bytes in, a [`Batch`] or a refusal out;
//! results in, bytes out. Nothing here knows of routes, time or connections.
//!
//! One folder a format, each with its reader and its writer; which one is used is negotiated from
//! Content-Type and Accept (protocol §2, §4). A new format is a new folder and a new variant.

pub(crate) mod body_kind;
pub(crate) mod chunk_writer;
pub(crate) mod item_builder;
mod accept;
mod encoded_body;
mod kind;
mod read;
mod read_context;
mod shown;
mod write;
mod bulk;
mod base64;
mod charset;
mod lookalike;
mod groups;
mod media;
mod negotiation;
mod odata_headers;
mod coding;
mod reason;
mod relative;
mod template;
pub mod json;
pub mod ndjson;
pub mod xml;
mod multipart;
#[cfg(test)]
mod properties;

pub use body_kind::{BodyKind, InputFormat};
pub use bulk::{Bulk, RecordForm, takes_query};
pub use coding::{ReplyCodingError, decode_batch, decode_reply};
pub use encoded_body::EncodedBody;
pub use kind::Format;
pub use media::{is_json, is_xml};
pub use negotiation::{
    cross_site, is_ndjson, is_postable_cross_site, problem_format, reply_format, request_format,
    wants_text_xml,
};
pub use odata_headers::{USUAL_ODATA_VERSION, odata_version};
pub use read_context::ReadContext;
