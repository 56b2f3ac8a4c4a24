//! How batches are read and results are written. Pure: bytes in, a [`Batch`] or a refusal out;
//! results in, bytes out. Nothing here knows of routes, time or connections.
//!
//! One folder a format, each with its reader and its writer; which one is used is negotiated from
//! Content-Type and Accept (protocol §2, §4). A new format is a new folder and a new variant.

mod accept;
mod base64;
mod charset;
mod draft;
mod field_names;
mod media;
mod negotiation;
mod coding;
mod rope;
mod template;
pub mod json;
pub mod xml;
#[cfg(test)]
mod properties;

use bytes::Bytes;

use crate::batch::{
    Batch, BatchItem, BatchLimits, BatchRefusal, FieldError, Fields, Item, ItemId, ItemIndex, ItemRejection,
    ItemResult, MultiStatus, Place, Problem, ResultBody, Subject, checked_field,
};
use rope::Rope;

pub use coding::{ReplyCodingError, decode_batch, decode_reply};
pub use negotiation::{
    cross_site, is_postable_cross_site, problem_format, reply_format, request_format, wants_text_xml,
};

/// Whether a Content-Type is JSON's, or that of a type made of it.
#[must_use]
pub fn is_json(content_type: &str) -> bool {
    media::MediaType::parse(content_type).kind == media::MediaKind::Json
}

/// A format of batches and results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// `application/json` (protocol §2.1, §4.1).
    Json,
    /// `application/xml` (protocol §2.2, §4.2).
    Xml,
}

/// Something written, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The media type, as it stands in Content-Type.
    pub content_type: &'static str,
    /// The bytes; the large chunks are shared with the upstream's replies. None is empty.
    pub chunks: Vec<Bytes>,
}

impl Written {
    /// One piece; its media type stands elsewhere.
    #[must_use]
    pub fn of(body: Bytes) -> Self {
        Self { content_type: "", chunks: if body.is_empty() { Vec::new() } else { vec![body] } }
    }

    /// Bytes in all chunks together.
    #[must_use]
    pub fn length(&self) -> usize {
        self.chunks.iter().map(Bytes::len).sum()
    }
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 2] = [Self::Json, Self::Xml];

    /// The format's name in metrics and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Xml => "xml",
        }
    }

    /// The media type that a client asks for it by.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Xml => "application/xml",
        }
    }

    /// Reads a batch. What is wrong with one item alone stands in that item.
    ///
    /// # Errors
    /// Says why the batch is refused whole, and where it is wrong.
    pub fn read(self, body: &Bytes, limits: &BatchLimits) -> Result<Batch, BatchRefusal> {
        match self {
            Self::Json => json::read(body, limits),
            Self::Xml => xml::read(body, limits),
        }
    }

    /// Writes the results of a batch.
    #[must_use]
    pub fn write(self, results: MultiStatus) -> Written {
        match self {
            Self::Json => Written { content_type: "application/json", chunks: json::write(results) },
            Self::Xml => {
                Written { content_type: "application/xml; charset=utf-8", chunks: xml::write(results) }
            }
        }
    }

    /// Writes a problem detail (RFC 9457), for a batch refused whole.
    #[must_use]
    pub fn write_problem(self, problem: &Problem) -> Written {
        let mut rope = Rope::new(256 + problem.detail.len());
        let content_type = match self {
            Self::Json => {
                json::write_problem(&mut rope, problem);
                "application/problem+json"
            }
            Self::Xml => {
                xml::write_problem(&mut rope, problem);
                "application/problem+xml"
            }
        };
        Written { content_type, chunks: rope.finish() }
    }
}
