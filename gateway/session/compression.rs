//! Compression of a reply on its way to the client.
//!
//! In: an offer, which the front makes where `compress` is on; then the reply's head and its pieces. Out: the head as the
//! client gets it, and the pieces in a content coding. Whether and how is decided by [`Compression`], for every reply alike. Each
//! piece leaves at once: an encoder is flushed before its client is left waiting.

use std::sync::Arc;

use bytes::Bytes;
use http::header;
use http::{Method, Version};
use pingora::http::ResponseHeader;
use pingora::{Error, ErrorType};

use super::Rest;
use crate::format::{Asked, Compression, Encoder, ReplyCoding};
use crate::memory::{CoderMemory, CoderPlace};
use crate::transport::field_names;

/// Bytes that are encoded before others have their turn.
pub(super) const TURN: usize = 32 << 10;

/// Coded bytes that are enough for a write of their own.
const LEAVES_AT: usize = 16 << 10;

/// Whether the session may compress its reply, and what it did.
pub(super) enum ReplyCompression {
    Off,
    Offered(Arc<CoderMemory>),
    /// There was no memory for it.
    NoRoom,
    At(Box<Compressor>),
}

/// What compression did to a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compressed {
    /// Its body was so many bytes before.
    From(ReplyCoding, u64),
    /// It left as it was, for want of memory.
    NoRoom,
}

/// An encoder and its place in memory, until the reply has ended.
pub(super) struct Compressor {
    coding: ReplyCoding,
    work: Option<(Encoder, CoderPlace)>,
    /// Something was pushed after the last flush.
    holds_back: bool,
    bytes_in: u64,
}

impl ReplyCompression {
    /// Decides about the reply with this head, and makes the head the one that the client gets.
    ///
    /// # Errors
    /// The encoder or the head can't be made, which is a fault of ours.
    pub(super) fn begin(
        &mut self,
        asked: Asked<'_>,
        head: &mut ResponseHeader,
        rest: Rest,
    ) -> pingora::Result<()> {
        let Self::Offered(memory) = self else { return Ok(()) };
        let decided = Compression::decide(asked, head.status, &head.headers);
        if *asked.method == Method::HEAD {
            *self = Self::Off;
            return write_head(head, decided, asked);
        }
        let Some(coding) = decided.coding.filter(|_| !rest.is_end()) else {
            *self = Self::Off;
            return write_head(head, decided.plain(), asked);
        };
        let Some(place) = memory.take(coding.memory()) else {
            *self = Self::NoRoom;
            return write_head(head, decided.plain(), asked);
        };
        *self = Self::At(Box::new(Compressor::new(coding, place)?));
        write_head(head, decided, asked)
    }

    /// What it has done, if anything.
    pub(super) fn done(&self) -> Option<Compressed> {
        match self {
            Self::Off | Self::Offered(_) => None,
            Self::NoRoom => Some(Compressed::NoRoom),
            Self::At(compressor) => Some(Compressed::From(compressor.coding, compressor.bytes_in)),
        }
    }
}

/// A reply to HEAD has the fields of the one to GET, and so not the length of a body that nobody would get (RFC 9110 §8.6).
fn write_head(head: &mut ResponseHeader, decided: Compression, asked: Asked<'_>) -> pingora::Result<()> {
    if decided.varies {
        head.append_header(field_names::canonical(&header::VARY), "Accept-Encoding")?;
    }
    if let Some(etag) = decided.etag {
        head.insert_header(field_names::spelt(&header::ETAG, &field_names::of_reply(head)), etag)?;
    }
    let Some(coding) = decided.coding else { return Ok(()) };
    head.insert_header(field_names::canonical(&header::CONTENT_ENCODING), coding.as_str())?;
    head.remove_header(&header::CONTENT_LENGTH);
    // Ranges would be those of the coded body, which is never the same twice.
    head.remove_header(&header::ACCEPT_RANGES);
    if asked.version == Version::HTTP_11 && *asked.method != Method::HEAD {
        head.insert_header(header::TRANSFER_ENCODING, "chunked")?;
    }
    Ok(())
}

impl Compressor {
    fn new(coding: ReplyCoding, place: CoderPlace) -> pingora::Result<Self> {
        let encoder = Encoder::new(coding).or_else(failed)?;
        Ok(Self { coding, work: Some((encoder, place)), holds_back: false, bytes_in: 0 })
    }

    /// Encodes a part of a piece, and returns what can leave.
    ///
    /// # Errors
    /// The encoder has failed, which is a fault of ours.
    pub(super) fn push(&mut self, part: &[u8]) -> pingora::Result<Bytes> {
        let Some((encoder, _)) = &mut self.work else { return Ok(Bytes::new()) };
        encoder.push(part).or_else(failed)?;
        self.bytes_in += part.len() as u64;
        self.holds_back |= !part.is_empty();
        Ok(if encoder.ready() < LEAVES_AT { Bytes::new() } else { encoder.take() })
    }

    pub(super) const fn holds_back(&self) -> bool {
        self.holds_back
    }

    /// Returns all that is left to be sent of what was pushed.
    ///
    /// # Errors
    /// The encoder has failed, which is a fault of ours.
    pub(super) fn flush(&mut self) -> pingora::Result<Bytes> {
        let Some((encoder, _)) = &mut self.work else { return Ok(Bytes::new()) };
        if std::mem::take(&mut self.holds_back) {
            encoder.flush().or_else(failed)?;
        }
        Ok(encoder.take())
    }

    /// Ends the body, and returns its last bytes.
    ///
    /// # Errors
    /// The encoder has failed, which is a fault of ours.
    pub(super) fn end(&mut self) -> pingora::Result<Bytes> {
        self.work.take().map_or(Ok(Bytes::new()), |(encoder, _)| encoder.finish().or_else(failed))
    }
}

fn failed<T>(error: std::io::Error) -> pingora::Result<T> {
    Error::e_because(ErrorType::InternalError, "a reply could not be compressed", error)
}
