//! How batches are read and results are written. Pure: bytes in, a [`Batch`] or a refusal out;
//! results in, bytes out. Nothing here knows of routes, time or connections.
//!
//! One folder a format, each with its reader and its writer; which one is used is negotiated from
//! Content-Type and Accept (protocol §2, §4). A new format is a new folder and a new variant.

pub(crate) mod body_kind;
pub(crate) mod chunk_writer;
pub(crate) mod item_builder;
mod accept;
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

use std::borrow::Cow;

use bytes::Bytes;

use crate::batch::{
    Batch, BatchItem, BatchLimits, BatchRefusal, Dialect, IdForm, Item, ItemForm, ItemId, ItemIndex,
    ItemRejection, ItemResult, MultiStatus, Place, Problem, ResultBody, Subject,
};
use crate::header::field::{FieldError, Fields, checked_field};
use chunk_writer::ChunkWriter;

pub use body_kind::{BodyKind, InputFormat};
pub use bulk::{Bulk, RecordForm, takes_query};
pub use coding::{ReplyCodingError, decode_batch, decode_reply};
pub use negotiation::{
    cross_site, is_ndjson, is_postable_cross_site, problem_format, reply_format, request_format,
    wants_text_xml,
};
pub use odata_headers::{USUAL_ODATA_VERSION, odata_version};

/// Whether a Content-Type is JSON's, or that of a type made of it.
#[must_use]
pub fn is_json(content_type: &str) -> bool {
    media::MediaType::parse(content_type).kind == media::MediaKind::Json
}

/// Whether a Content-Type is XML's, or that of a type made of it; in what case it is written, and which parameters
/// follow, doesn't count.
#[must_use]
pub fn is_xml(content_type: &str) -> bool {
    media::MediaType::parse(content_type).kind == media::MediaKind::Xml
}

/// A format of batches and results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// `application/json` (protocol §2.1, §4.1).
    Json,
    /// `application/xml` (protocol §2.2, §4.2).
    Xml,
    /// `application/x-ndjson` (protocol §2.4, §4.4).
    Ndjson,
    /// `multipart/mixed` of `application/http` (protocol §2.3, §4.3).
    Multipart,
}

/// What a reader knows of a batch beside its body.
#[derive(Clone, Copy, Debug)]
pub struct ReadContext<'context> {
    /// What the batch may cost.
    pub limits: &'context BatchLimits,
    /// The batch's Content-Type, if it has one.
    pub content_type: Option<&'context str>,
    /// The path of the endpoint it was sent to, against which relative urls are resolved.
    pub endpoint: &'context str,
    /// The authority under which the client reached the gateway.
    pub own_authority: &'context str,
    /// The endpoint's dialect.
    pub dialect: Dialect,
}

/// Something written, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedBody {
    /// The media type, as it stands in Content-Type.
    pub content_type: Cow<'static, str>,
    /// The bytes; the large chunks are shared with the upstream's replies. None is empty.
    pub chunks: Vec<Bytes>,
}

impl EncodedBody {
    /// One piece; its media type stands elsewhere.
    #[must_use]
    pub fn of(body: Bytes) -> Self {
        Self {
            content_type: Cow::Borrowed(""),
            chunks: if body.is_empty() { Vec::new() } else { vec![body] },
        }
    }

    /// Bytes in all chunks together.
    #[must_use]
    pub fn length(&self) -> usize {
        self.chunks.iter().map(Bytes::len).sum()
    }
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 4] = [Self::Json, Self::Xml, Self::Multipart, Self::Ndjson];

    /// Whether the dialect has the format.
    #[must_use]
    pub const fn is_of(self, dialect: Dialect) -> bool {
        match dialect {
            Dialect::Batchgate => true,
            Dialect::Odata => matches!(self, Self::Json | Self::Multipart),
            Dialect::Graph | Dialect::Apisix | Dialect::Tyk => matches!(self, Self::Json),
        }
    }

    /// The format's name in metrics and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Xml => "xml",
            Self::Ndjson => "ndjson",
            Self::Multipart => "multipart",
        }
    }

    /// The media type that a client asks for it by.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Xml => "application/xml",
            Self::Ndjson => ndjson::MEDIA_TYPE,
            Self::Multipart => "multipart/mixed",
        }
    }

    /// Reads a batch. What is wrong with one item alone stands in that item.
    ///
    /// # Errors
    /// Says why the batch is refused whole, and where it is wrong.
    pub fn read(self, body: &Bytes, context: &ReadContext<'_>) -> Result<Batch, BatchRefusal> {
        match self {
            Self::Json => match context.dialect {
                Dialect::Batchgate | Dialect::Odata | Dialect::Graph => json::read(body, context),
                Dialect::Apisix | Dialect::Tyk => json::plain::read(body, context),
            },
            Self::Xml => xml::read(body, context.limits),
            Self::Ndjson => ndjson::read(body, context.limits),
            Self::Multipart => multipart::read(body, context),
        }
    }

    /// Writes the results of a batch as the dialect has them.
    #[must_use]
    pub fn write(self, results: MultiStatus, dialect: Dialect) -> EncodedBody {
        match self {
            Self::Json => written("application/json", json_results(results, dialect)),
            Self::Xml => written("application/xml; charset=utf-8", xml::write(results)),
            Self::Ndjson => written(ndjson::MEDIA_TYPE, ndjson::write(results)),
            Self::Multipart => multipart::write(results, dialect),
        }
    }

    /// Writes a problem detail (RFC 9457), or what the dialect has in its place, for a batch refused whole.
    #[must_use]
    pub fn write_problem(self, problem: &Problem, dialect: Dialect) -> EncodedBody {
        let mut rope = ChunkWriter::new(256 + problem.detail.len());
        let content_type = match self {
            _ if dialect != Dialect::Batchgate => {
                json::write_error(&mut rope, problem, dialect);
                "application/json"
            }
            // In a batch refused whole there are no parts to answer, and a problem is no stream.
            Self::Json | Self::Multipart | Self::Ndjson => {
                json::write_problem(&mut rope, problem);
                "application/problem+json"
            }
            Self::Xml => {
                xml::write_problem(&mut rope, problem);
                "application/problem+xml"
            }
        };
        written(content_type, rope.finish())
    }
}

fn json_results(results: MultiStatus, dialect: Dialect) -> Vec<Bytes> {
    match dialect {
        Dialect::Batchgate | Dialect::Odata | Dialect::Graph => json::write(results, dialect),
        Dialect::Apisix | Dialect::Tyk => json::plain::write(results, dialect),
    }
}

fn written(content_type: &'static str, chunks: Vec<Bytes>) -> EncodedBody {
    EncodedBody { content_type: Cow::Borrowed(content_type), chunks }
}
