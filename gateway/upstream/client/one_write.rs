//! The head of a request and its body in one write. The framework writes and flushes a head before it is given the body, so
//! that a call with a body would cost its service two packets and both sides a system call more.
//!
//! In: writes and flushes of a connection. Out: the same bytes in the same order. While a head is held, its flush does nothing, and
//! a body that is small enough joins it; the next flush, or a larger body, writes all of it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

/// Bytes that are joined. A larger body is not copied.
const JOINED: usize = 8 * 1024;

/// Holds a head back until its body is there.
#[derive(Debug, Default)]
pub(super) struct OneWrite {
    waiting: Vec<u8>,
    written: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// What is written goes out at once.
    #[default]
    Direct,
    /// A head is next.
    Head,
    /// The head has been flushed, and its body is next.
    Body,
}

impl OneWrite {
    /// The next bytes are a head, and a body follows at once.
    pub(super) fn begin(&mut self) {
        self.state = State::Head;
    }

    /// Whether nothing is held, nor about to be.
    pub(super) fn is_idle(&self) -> bool {
        self.state == State::Direct && self.waiting.is_empty()
    }

    pub(super) fn poll_write<W: AsyncWrite + Unpin>(
        &mut self,
        output: &mut W,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.state != State::Direct && self.waiting.len() + bytes.len() <= JOINED {
            self.waiting.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        ready!(self.poll_drain(output, context))?;
        Pin::new(output).poll_write(context, bytes)
    }

    pub(super) fn poll_flush<W: AsyncWrite + Unpin>(
        &mut self,
        output: &mut W,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.state == State::Head {
            self.state = State::Body;
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_drain(output, context))?;
        Pin::new(output).poll_flush(context)
    }

    /// Writes what waits.
    fn poll_drain<W: AsyncWrite + Unpin>(
        &mut self,
        output: &mut W,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        self.state = State::Direct;
        while let Some(rest) = self.waiting.get(self.written..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut *output).poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                more => self.written += more,
            }
        }
        // An idle connection keeps no buffer.
        *self = Self::default();
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Takes at most `at_most` bytes of each write, and records the writes.
    struct Output {
        at_most: usize,
        writes: Vec<Vec<u8>>,
    }

    impl AsyncWrite for Output {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            let taken = bytes.len().min(self.at_most);
            self.get_mut().writes.push(bytes[..taken].to_vec());
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// The sizes of the writes of a request with a body.
    fn sizes(at_most: usize, head: &[u8], body: &[u8]) -> Vec<usize> {
        let mut output = Output { at_most, writes: Vec::new() };
        let (mut joined, mut context) = (OneWrite::default(), Context::from_waker(Waker::noop()));
        joined.begin();
        for piece in [head, body] {
            let mut rest = piece;
            while !rest.is_empty() {
                let Poll::Ready(Ok(taken)) = joined.poll_write(&mut output, &mut context, rest) else {
                    panic!()
                };
                rest = &rest[taken..];
            }
            assert!(joined.poll_flush(&mut output, &mut context).is_ready());
        }
        assert_eq!(output.writes.concat(), [head, body].concat());
        assert_eq!(joined.waiting.capacity(), 0);
        output.writes.iter().map(Vec::len).collect()
    }

    #[test]
    fn a_head_and_a_small_body_are_one_write() {
        assert_eq!(sizes(usize::MAX, b"head", b"body"), [8]);
        assert_eq!(sizes(5, b"head", b"body"), [5, 3], "the rest follows");
        assert_eq!(
            sizes(usize::MAX, b"head", &vec![b'x'; JOINED]),
            [4, JOINED],
            "a large body is not copied"
        );
        assert_eq!(sizes(usize::MAX, &vec![b'h'; JOINED + 1], b"body"), [JOINED + 1, 4]);
    }

    #[test]
    fn without_a_body_nothing_is_held() {
        let mut output = Output { at_most: usize::MAX, writes: Vec::new() };
        let (mut joined, mut context) = (OneWrite::default(), Context::from_waker(Waker::noop()));
        assert!(joined.poll_write(&mut output, &mut context, b"head").is_ready());
        assert_eq!(output.writes, [b"head"]);
    }
}
