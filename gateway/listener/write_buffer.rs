//! Lets writes leave together: the head of a batch's reply and the pieces of its body. pingora writes each by itself,
//! and each write costs more than stitching a small reply.
//!
//! Bytes are held only on request, so the head of a streamed reply never waits for its body.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::AsyncWrite;

/// Longer replies are written directly: copying them would cost more than a write.
const MOST: usize = 8 << 10;

/// Bytes of a reply that wait for more.
#[derive(Debug, Default)]
pub(crate) struct WriteBuffer {
    wanted: AtomicBool,
    /// Only the next write is held; the one after it takes it along.
    wanted_once: AtomicBool,
    held: BytesMut,
}

impl WriteBuffer {
    /// Holds writes until the next flush.
    pub(crate) fn want(&self) {
        self.wanted.store(true, Ordering::Relaxed);
    }

    /// Holds the next write until the one after it, or the next flush.
    pub(crate) fn want_once(&self) {
        self.wanted_once.store(true, Ordering::Relaxed);
    }

    /// Holds these bytes if that was asked for and they fit.
    pub(crate) fn hold(&mut self, bytes: &[u8]) -> bool {
        let wanted = std::mem::take(self.wanted_once.get_mut()) || self.wanted.load(Ordering::Relaxed);
        let holds = wanted && self.held.len() + bytes.len() <= MOST;
        if holds {
            self.held.extend_from_slice(bytes);
        }
        holds
    }

    /// Holds these bytes until the next flush in any case.
    pub(crate) fn hold_always(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// Writes the held bytes.
    pub(crate) fn poll_release<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            let written = ready!(Pin::new(&mut *stream).poll_write(context, &self.held))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.held.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    /// Writes bytes behind those that are held, together with them where the connection can do that.
    pub(crate) fn poll_write_behind<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        while !self.held.is_empty() {
            let pieces = [IoSlice::new(&self.held), IoSlice::new(bytes)];
            let written = ready!(Pin::new(&mut *stream).poll_write_vectored(context, &pieces))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let of_held = written.min(self.held.len());
            self.held.advance(of_held);
            if written > of_held {
                return Poll::Ready(Ok(written - of_held));
            }
        }
        Pin::new(stream).poll_write(context, bytes)
    }

    /// Everything is written; from here on nothing is held.
    pub(crate) fn end(&mut self) {
        if std::mem::take(self.wanted.get_mut()) {
            self.held = BytesMut::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::io::AsyncReadExt;

    use super::*;

    fn release(buffer: &mut WriteBuffer, stream: &mut (impl AsyncWrite + Unpin)) -> Option<io::Result<()>> {
        std::future::poll_fn(|context| buffer.poll_release(stream, context)).now_or_never()
    }

    #[test]
    fn nothing_is_held_unless_it_is_wanted_and_fits() {
        let mut buffer = WriteBuffer::default();
        assert!(!buffer.hold(b"head"));
        buffer.want();
        assert!(buffer.hold(b"head") && buffer.hold(&[b'x'; MOST - 4]) && !buffer.hold(b"x"));
        buffer.end();
        assert!(!buffer.hold(b"head"));
    }

    #[tokio::test]
    async fn what_is_held_once_leaves_with_the_next_write_however_little_is_taken_at_once() {
        for room in [1, 3, 5, 64] {
            let (mut near, mut far) = tokio::io::duplex(room);
            let mut buffer = WriteBuffer::default();
            buffer.want_once();
            assert!(buffer.hold(b"head ") && !buffer.hold(b"body"));
            let mut got = Vec::new();
            let mut body = &b"body"[..];
            while !body.is_empty() {
                let writing =
                    std::future::poll_fn(|context| buffer.poll_write_behind(&mut near, context, body));
                if let Some(written) = writing.now_or_never() {
                    body = &body[written.unwrap()..];
                } else {
                    let mut piece = [0; 2];
                    let count = far.read(&mut piece).await.unwrap();
                    got.extend_from_slice(&piece[..count]);
                }
            }
            drop(near);
            far.read_to_end(&mut got).await.unwrap();
            assert_eq!(got, b"head body", "{room}");
        }
    }

    #[tokio::test]
    async fn held_bytes_leave_in_order_however_little_is_taken_at_once() {
        let (mut near, mut far) = tokio::io::duplex(3);
        let mut buffer = WriteBuffer::default();
        buffer.want();
        assert!(buffer.hold(b"head ") && buffer.hold(b"body"));
        let mut got = Vec::new();
        while release(&mut buffer, &mut near).is_none() {
            let mut piece = [0; 2];
            let count = far.read(&mut piece).await.unwrap();
            got.extend_from_slice(&piece[..count]);
        }
        drop(near);
        far.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, b"head body");
    }
}
