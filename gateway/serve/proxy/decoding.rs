//! Undoes the content codings of a request's body on its way to a service that can't (`decompress_requests`).
//!
//! In: the fields of a request, and its body as it comes. Out: pieces of the decoded body, one at a time. The decoded body is
//! bounded by the route's `max_body`, which such a route has to have. What decoders hold comes out of a memory of their own; a
//! request for which there is no room is refused before anything of it is sent.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName};

use crate::format::{BodyDecoder, Coding, CodingError, Codings, DIGESTS, Pulled, codings_of};
use crate::memory::{CoderMemory, CoderPlace};
use crate::problem::RequestRejection;
use crate::telemetry::Metrics;

/// What becomes of a body in a content coding.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decode {
    codings: Codings,
    limit: usize,
}

impl Decode {
    /// How the body of a request with these fields is decoded; `None` if it is in no coding, and `identity` is none.
    ///
    /// # Errors
    /// The gateway does not know the coding.
    pub(crate) fn of(headers: &HeaderMap, limit: usize) -> Result<Option<Self>, RequestRejection> {
        let Some(written) = codings_of(headers) else { return Ok(None) };
        let codings = Codings::parse(&written).map_err(|_| RequestRejection::UnsupportedContentEncoding)?;
        Ok((codings.outermost() != Coding::Identity).then_some(Self { codings, limit }))
    }

    /// Takes the memory that it needs.
    ///
    /// # Errors
    /// There is no room for it.
    pub(super) fn begin(self, memory: &Arc<CoderMemory>) -> Result<Decoding, NoRoom> {
        let Self { codings, limit } = self;
        let place = memory.take(codings.memory(limit)).ok_or(NoRoom)?;
        let decoder = BodyDecoder::new(codings, limit).map_err(|_| NoRoom)?;
        Ok(Decoding { decoder, decode: self, came: 0, made: 0, _place: place })
    }
}

/// There is no memory for a decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoRoom;

/// The fields that are about the bytes as the client sent them: the codings, and digests of the coded body (RFC 9530, and RFC
/// 3230 and RFC 2616 before it), which its service would find wrong.
pub(super) fn fields_of_coded() -> impl Iterator<Item = HeaderName> {
    [header::CONTENT_ENCODING].into_iter().chain(DIGESTS.map(HeaderName::from_static))
}

/// A body that is being decoded.
pub(super) struct Decoding {
    decoder: BodyDecoder,
    decode: Decode,
    came: u64,
    made: u64,
    _place: CoderPlace,
}

impl Decoding {
    /// Adds a piece of the body. Everything before it has to be [`pull`](Self::pull)ed.
    pub(super) fn push(&mut self, piece: Bytes) {
        self.came += piece.len() as u64;
        self.decoder.push(piece);
    }

    /// The client's body has ended.
    pub(super) fn end(&mut self) {
        self.decoder.end();
    }

    /// Decodes what comes next.
    ///
    /// # Errors
    /// Why the body can't be decoded.
    pub(super) fn pull(&mut self) -> Result<Pulled, CodingError> {
        let pulled = self.decoder.pull()?;
        if let Pulled::Piece(piece) = &pulled {
            self.made += piece.len() as u64;
        }
        Ok(pulled)
    }

    /// The most bytes that may come out.
    pub(super) const fn limit(&self) -> usize {
        self.decode.limit
    }

    /// Counts the bytes before and after.
    pub(super) fn count(&self, metrics: &Metrics) {
        metrics.record_decompressed(self.decode.codings.outermost(), self.came, self.made);
    }
}
