//! How batches are read and results are written. Pure: bytes in, a [`crate::batch::Batch`] or a refusal out; results in,
//! bytes out. Nothing here knows routes, time, connections or dialects.
//!
//! Each format has a folder with a reader and a [`ResultWriter`]. Which one is used is negotiated from Content-Type and
//! Accept (`negotiation`; protocol §2, §4). A dialect (`dialect`) chooses among the formats and hands the JSON reader and
//! writer what it does differently. A new format is a new folder, a variant of [`Format`] and a line each in `read`, in
//! `negotiation` and in the dialects' `result_writer`.

mod accept;
mod base64;
mod bulk;
mod charset;
mod coding;
mod cross_site;
mod duplicate_id;
mod encoded_body;
mod groups;
mod kind;
mod lookalike;
mod media;
mod negotiation;
mod read;
mod read_context;
mod reason;
mod relative;
mod reply_writer;
mod result_writer;
mod shown;
mod template;
mod unique_ids;
mod write;
pub(crate) mod chunk_writer;
pub(crate) mod item_builder;
pub mod json;
pub mod multipart;
pub mod ndjson;
pub mod xml;
#[cfg(test)]
mod properties;

pub use accept::Accept;
pub(crate) use bulk::check_quotes;
pub use bulk::{Bulk, RecordForm, takes_query};
pub use coding::{CodingError, codings_of, decode_batch, decode_reply};
pub use cross_site::{cross_site, is_postable_cross_site};
pub use encoded_body::EncodedBody;
pub use kind::Format;
pub use media::{is_json, is_xml};
pub use negotiation::{is_ndjson, problem_format, reply_format, request_format, wants_text_xml};
pub use read::read;
pub use read_context::ReadContext;
pub use reply_writer::{ReplyWriter, write_all};
pub use result_writer::{ReplyEnd, ResultWriter};
pub use write::write_problem;

pub(crate) use coding::{
    Asked, BodyDecoder, Coding, Codings, Compression, DIGESTS, Encoder, Pulled, REQUEST_CODINGS, ReplyCoding,
    gzip, names_gzip,
};
pub(crate) use media::TextTypes;
pub(crate) use reason::phrase as reason_phrase;
pub(crate) use relative::UrlBase;
