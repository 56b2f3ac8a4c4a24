//! The bytes that come on a connection over HTTP/1.1, and the heads of replies that are read out of them. The replies of items
//! ([`exchange`](super::exchange)) and those that are handed on as they come ([`streamed`](super::streamed)) are read here.
//!
//! In: a connection. Out: heads, and the bytes between them, as slices of the buffer that they were read into. Reads are
//! cancel-safe: what has come stays here.

use std::io;

use bytes::{Buf as _, Bytes, BytesMut};
use http::HeaderValue;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::dispatch::CallFailure;
use crate::http1::{Fault, ReplyHead, read_reply_head, unfolded};
use crate::upstream::error;

/// Room for a read. Most replies are smaller, so several share a buffer.
const READ: usize = 8 << 10;

/// Room for a read after one that has filled its room: much more is on its way.
const LARGE_READ: usize = 64 << 10;

/// If less room than this is left, the next read gets a new buffer.
const LEAST_READ: usize = 2 << 10;

/// Bytes that were read.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    /// Those that no reply has had yet.
    pub(super) unread: Bytes,
    /// Room for more.
    pub(super) input: BytesMut,
}

/// A connection that is read.
#[derive(Debug)]
pub(super) struct Incoming<S> {
    pub(super) stream: S,
    /// Bytes that were read and are not yet part of a reply.
    pub(super) unread: Bytes,
    input: BytesMut,
    /// Room for the next read.
    room: usize,
    /// Bytes that have come.
    pub(super) received: u64,
}

/// What a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    Some,
    /// The service closed its side.
    End,
}

/// Why there is no head.
#[derive(Debug)]
pub(super) enum NoHead {
    /// What came is not the head of a reply.
    Malformed(Fault),
    /// The service closed its side.
    Closed,
    /// The connection was reset, or its TLS was cut.
    Lost(io::Error),
}

impl From<NoHead> for CallFailure {
    fn from(reason: NoHead) -> Self {
        match reason {
            NoHead::Malformed(_) => Self::ReplyMalformed,
            NoHead::Lost(error) if error::is_tls_alert(&error) => Self::TlsHandshake,
            NoHead::Closed | NoHead::Lost(_) => Self::ConnectionLost,
        }
    }
}

impl<S: AsyncRead + Unpin> Incoming<S> {
    pub(super) fn new(stream: S, Buffers { unread, input }: Buffers) -> Self {
        let received = unread.len() as u64;
        Self { stream, unread, input, room: READ, received }
    }

    /// What was read beyond the reply.
    pub(super) fn into_buffers(self) -> Buffers {
        Buffers { unread: self.unread, input: self.input }
    }

    /// The next head, made by `make` from its fields and the buffer that has them. Cancel-safe.
    pub(super) async fn head<T>(&mut self, make: impl Fn(&ReplyHead<'_>, &Bytes) -> T) -> Result<T, NoHead> {
        loop {
            let bytes = &self.unread;
            let read = read_reply_head(bytes, |head| (head.length, make(&head, bytes)));
            if let Some((length, made)) = read.map_err(NoHead::Malformed)? {
                self.unread.advance(length);
                return Ok(made);
            }
            if self.read().await.map_err(NoHead::Lost)? == Read::End {
                return Err(NoHead::Closed);
            }
        }
    }

    /// Reads more bytes, behind those that are unread. Cancel-safe.
    ///
    /// # Errors
    /// The connection was reset, or its TLS was cut. That is not the end of a reply (RFC 9112 §8, §9.8).
    pub(super) async fn read(&mut self) -> io::Result<Read> {
        if !self.unread.is_empty() {
            // Rare: a head that came in two pieces.
            let mut joined = BytesMut::with_capacity(self.unread.len() + self.room);
            joined.extend_from_slice(&self.unread);
            self.unread = Bytes::new();
            self.input = joined;
        } else if self.input.capacity() - self.input.len() < LEAST_READ {
            self.input.reserve(self.room);
        }
        let count = self.stream.read_buf(&mut self.input).await?;
        if count == 0 {
            return Ok(Read::End);
        }
        self.received += count as u64;
        self.room = if self.input.len() == self.input.capacity() { LARGE_READ } else { READ };
        self.unread = self.input.split().freeze();
        Ok(Read::Some)
    }
}

/// The value of a field, as a slice of the buffer where that can be. `None`: a field must not have it.
pub(super) fn value_of(field: &httparse::Header<'_>, bytes: &Bytes) -> Option<HeaderValue> {
    let value = match unfolded(field.value) {
        Some(value) => HeaderValue::from_maybe_shared(Bytes::from(value)),
        None => HeaderValue::from_maybe_shared(bytes.slice_ref(field.value)),
    };
    value.ok()
}
