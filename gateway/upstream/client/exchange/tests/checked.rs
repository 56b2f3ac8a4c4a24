//! The other reader that ours are held against: a connection whose replies pass a checker before pingora reads them. pingora's
//! parser accepts an empty chunk size as the end of a body, and two lengths as one; here such a reply ends as malformed.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Method;
use parking_lot::{Mutex, MutexGuard};
use pingora::protocols::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::http1::{ReplyChecker, Stop};
use crate::transport::delegate::delegate_to_stream;

/// A connection to an upstream.
#[derive(Debug)]
pub(super) struct CheckedStream {
    stream: Stream,
    checker: Mutex<ReplyChecker>,
}

impl CheckedStream {
    /// The connection with its replies checked.
    pub(super) fn around(stream: Stream) -> Stream {
        Box::new(Self { stream, checker: Mutex::default() })
    }

    /// A request with this method is about to be sent.
    pub(super) fn expect_reply(stream: &Stream, method: &Method) {
        if let Some(mut checker) = Self::checker_of(stream) {
            checker.expect(method);
        }
    }

    /// Whether the replies so far allow the connection to carry another request.
    pub(super) fn is_usable(stream: &Stream) -> bool {
        Self::checker_of(stream).is_none_or(|checker| checker.is_usable())
    }

    fn under(stream: &Stream) -> Option<&Self> {
        (**stream).as_any().downcast_ref()
    }

    fn checker_of(stream: &Stream) -> Option<MutexGuard<'_, ReplyChecker>> {
        Some(Self::under(stream)?.checker.lock())
    }
}

impl AsyncRead for CheckedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let connection = self.get_mut();
        let checker = connection.checker.get_mut();
        if let Some(fault) = checker.fault() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, fault)));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut connection.stream).poll_read(context, buffer))?;
        let passed = checker.pass(buffer.filled().get(before..).unwrap_or_default());
        buffer.set_filled(before + passed.bytes);
        match passed.stop {
            // The bytes before the fault are passed on; the next read fails.
            Some(Stop::Fault(fault)) if passed.bytes == 0 => {
                Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, fault)))
            }
            Some(_) | None => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for CheckedStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

delegate_to_stream!(CheckedStream);
