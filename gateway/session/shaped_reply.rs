//! What becomes of a reply on its way to the client: its fields are changed as the configuration says, and it is compressed.
//!
//! The front says what may happen to the reply once it knows where the request goes. From then on it holds for whatever reply
//! the request gets.

use std::sync::Arc;

use bytes::Bytes;
use pingora::http::ResponseHeader;

use super::compression::{ReplyCompression, TURN};
use super::reply_changes::ReplyChanges;
use super::{Protocol, Rest, Session};
use crate::format::Asked;
use crate::header::changes::HeaderChanges;
use crate::header::variables::Variables;
use crate::memory::CoderMemory;

impl Session {
    /// Lets the reply be compressed, if it and the client's request are such that it may be.
    pub(crate) fn offer_compression(&mut self, memory: Arc<CoderMemory>) {
        self.compression = ReplyCompression::Offered(memory);
    }

    /// Whether the reply may be compressed, or is.
    pub(crate) const fn may_compress(&self) -> bool {
        !matches!(self.compression, ReplyCompression::Off)
    }

    /// Lets the head that is written next wait for the first piece of the body, which follows at once.
    pub(crate) fn hold_head(&self) {
        // An encoder may keep the piece back.
        if !self.may_compress()
            && let Some(connection) = self.connection()
        {
            connection.hold_next_write();
        }
    }

    /// Has the head of the final reply changed before it is written.
    pub(crate) fn change_reply(&mut self, changes: &Arc<HeaderChanges>, variables: Variables<'_>) {
        self.changes = Some(Box::new(ReplyChanges::new(changes, variables)));
    }

    /// Makes the head of the final reply the one that the client gets.
    pub(super) fn shape_head(&mut self, header: &mut ResponseHeader, rest: Rest) -> pingora::Result<()> {
        if let Some(changes) = self.changes.take() {
            changes.apply(header)?;
        }
        let request = match &self.protocol {
            Protocol::Http1(http1) => http1.req_header(),
            Protocol::Http2(http2) => http2.request(),
        };
        let asked = Asked { method: &request.method, version: request.version, headers: &request.headers };
        self.compression.begin(asked, header, rest)
    }

    pub(super) const fn is_compressed(&self) -> bool {
        matches!(self.compression, ReplyCompression::At(_))
    }

    /// Sends a piece of the reply's body, of which an encoder may hold back a part until [`Self::flush_reply`].
    ///
    /// # Errors
    /// The client has left, or took nothing within the write timeout.
    pub(crate) async fn write_response_part(&mut self, piece: Bytes) -> pingora::Result<()> {
        if self.is_compressed() {
            self.write_compressed(&piece).await
        } else {
            self.write_bytes(piece, Rest::Follows).await
        }
    }

    /// Whether an encoder holds back a part of the reply.
    pub(crate) const fn holds_back(&self) -> bool {
        matches!(&self.compression, ReplyCompression::At(compressor) if compressor.holds_back())
    }

    /// Sends what an encoder holds back: nothing else is ready.
    ///
    /// # Errors
    /// The client has left, or took nothing within the write timeout.
    pub(crate) async fn flush_reply(&mut self) -> pingora::Result<()> {
        self.flush_compressed(Rest::Follows).await
    }

    /// Sends pieces that are ready at the same time.
    ///
    /// # Errors
    /// The client has left, or took nothing within the write timeout.
    pub(crate) async fn write_response_pieces(
        &mut self,
        pieces: Vec<Bytes>,
        rest: Rest,
    ) -> pingora::Result<()> {
        if self.is_compressed() {
            for piece in pieces {
                self.write_compressed(&piece).await?;
            }
            return self.flush_compressed(rest).await;
        }
        let last = pieces.len().saturating_sub(1);
        for (number, piece) in pieces.into_iter().enumerate() {
            let rest = if number == last { rest } else { Rest::Follows };
            self.write_bytes(piece, rest).await?;
        }
        Ok(())
    }

    /// Encodes a piece, and sends what the encoder does not hold back. Others have their turn in between.
    pub(super) async fn write_compressed(&mut self, piece: &Bytes) -> pingora::Result<()> {
        for part in piece.chunks(TURN) {
            let ReplyCompression::At(compressor) = &mut self.compression else { return Ok(()) };
            let coded = compressor.push(part)?;
            if !coded.is_empty() {
                self.write_bytes(coded, Rest::Follows).await?;
            }
            if part.len() == TURN {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    /// Sends what the encoder holds back, or the end of the body.
    pub(super) async fn flush_compressed(&mut self, rest: Rest) -> pingora::Result<()> {
        let ReplyCompression::At(compressor) = &mut self.compression else { return Ok(()) };
        let coded = if rest.is_end() { compressor.end()? } else { compressor.flush()? };
        if coded.is_empty() && !rest.is_end() {
            return Ok(());
        }
        self.write_bytes(coded, rest).await
    }

    /// Sends the last bytes of a body after which trailers follow.
    pub(super) async fn end_compressed(&mut self) -> pingora::Result<()> {
        let ReplyCompression::At(compressor) = &mut self.compression else { return Ok(()) };
        let coded = compressor.end()?;
        self.write_bytes(coded, Rest::Follows).await
    }
}
