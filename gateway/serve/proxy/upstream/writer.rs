//! The request's body on its way to an upstream, with the framing that its head announced: a length, chunks
//! (RFC 9112 §7.1), or a stream of HTTP/2. The end is written once, here and nowhere else.
//!
//! [`RequestWriter::flush`] is cancel-safe: what was pushed and not yet written stays in the queue. So the caller can
//! wait for it, for the client and for the reply at the same time.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BufMut, Bytes, BytesMut};
use h2::{Reason, SendStream};
use http::HeaderMap;
use tokio::io::AsyncWrite;

use crate::http1::last_chunk;

use super::shared_stream::SharedStream;

/// Shorter pieces of a body are copied next to their chunk's frame, so that they leave in one write.
const COPIED: usize = 8 << 10;

/// Pieces that leave in one write.
const TOGETHER: usize = 8;

/// How a request's body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::serve::proxy) enum Framing {
    /// There is none.
    None,
    /// This many bytes.
    Length(u64),
    /// Chunks over HTTP/1.1; over HTTP/2 everything until the end of the stream.
    Unknown,
}

/// Writes a request's body.
pub(in crate::serve::proxy) struct RequestWriter {
    sink: Sink,
    queue: VecDeque<Bytes>,
    /// Nothing more is pushed.
    ended: bool,
    /// What ends a stream of HTTP/2.
    trailers: Option<HeaderMap>,
    /// The last byte has left.
    pub(in crate::serve::proxy) finished: bool,
}

enum Sink {
    Http1 {
        stream: SharedStream,
        framing: Framing,
        unsent: bool,
    },
    Http2(SendStream<Bytes>),
    /// A request over HTTP/2 that ended with its head.
    Done,
}

impl RequestWriter {
    /// `head` leaves before the body.
    pub(super) fn http1(stream: SharedStream, head: Bytes, framing: Framing) -> Self {
        Self { queue: VecDeque::from([head]), ..Self::new(Sink::Http1 { stream, framing, unsent: false }) }
    }

    pub(super) fn http2(stream: Option<SendStream<Bytes>>) -> Self {
        let is_done = stream.is_none();
        let sink = stream.map_or(Sink::Done, Sink::Http2);
        Self { finished: is_done, ..Self::new(sink) }
    }

    const fn new(sink: Sink) -> Self {
        Self { sink, queue: VecDeque::new(), ended: false, trailers: None, finished: false }
    }

    /// Adds a piece of the body.
    pub(in crate::serve::proxy) fn push(&mut self, piece: Bytes) {
        if piece.is_empty() || self.ended {
            return;
        }
        if !matches!(self.sink, Sink::Http1 { framing: Framing::Unknown, .. }) {
            self.queue.push_back(piece);
            return;
        }
        let size = format!("{:x}\r\n", piece.len());
        if piece.len() <= COPIED {
            let mut chunk = BytesMut::with_capacity(size.len() + piece.len() + 2);
            chunk.put_slice(size.as_bytes());
            chunk.put_slice(&piece);
            chunk.put_slice(b"\r\n");
            self.queue.push_back(chunk.freeze());
        } else {
            self.queue.extend([Bytes::from(size), piece, Bytes::from_static(b"\r\n")]);
        }
    }

    /// Ends the body, with these trailers where the framing has room for them.
    pub(in crate::serve::proxy) fn end(&mut self, trailers: Option<&HeaderMap>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        match &mut self.sink {
            Sink::Http1 { framing: Framing::Unknown, .. } => self.queue.push_back(last_chunk(trailers)),
            Sink::Http1 { unsent, .. } => self.finished = self.queue.is_empty() && !*unsent,
            Sink::Http2(_) => self.trailers = trailers.cloned(),
            Sink::Done => {}
        }
    }

    /// Whether everything that was pushed has left, so that there is room for more.
    pub(in crate::serve::proxy) fn is_drained(&self) -> bool {
        self.queue.is_empty()
            && (self.finished || !self.ended)
            && !matches!(self.sink, Sink::Http1 { unsent: true, .. })
    }

    /// Writes everything that was pushed.
    ///
    /// # Errors
    /// The upstream takes no more.
    pub(in crate::serve::proxy) async fn flush(&mut self) -> io::Result<()> {
        std::future::poll_fn(|context| self.poll_flush(context)).await
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { sink, queue, ended, trailers, finished } = self;
        match sink {
            Sink::Http1 { stream, unsent, .. } => ready!(poll_http1(stream, queue, unsent, context))?,
            Sink::Http2(stream) => {
                ready!(poll_http2(stream, queue, context))?;
                if *ended && !*finished {
                    let sent = match trailers.take() {
                        Some(trailers) => stream.send_trailers(trailers),
                        None => stream.send_data(Bytes::new(), true),
                    };
                    sent.map_err(io::Error::other)?;
                }
            }
            Sink::Done => {}
        }
        *finished |= *ended;
        Poll::Ready(Ok(()))
    }

    /// Abandons a request that was sent in part. Over HTTP/2 its stream is reset.
    pub(in crate::serve::proxy) fn abandon(&mut self) {
        self.queue.clear();
        if let Sink::Http2(stream) = &mut self.sink
            && !self.finished
        {
            stream.send_reset(Reason::CANCEL);
        }
    }
}

fn poll_http1(
    stream: &mut SharedStream,
    queue: &mut VecDeque<Bytes>,
    unsent: &mut bool,
    context: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    while !queue.is_empty() {
        let mut pieces = [IoSlice::new(&[]); TOGETHER];
        for (place, piece) in pieces.iter_mut().zip(queue.iter()) {
            *place = IoSlice::new(piece);
        }
        let pieces = pieces.get(..queue.len().min(TOGETHER)).unwrap_or_default();
        let count = ready!(Pin::new(&mut *stream).poll_write_vectored(context, pieces))?;
        if count == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        *unsent = true;
        take(queue, count);
    }
    if *unsent {
        ready!(Pin::new(stream).poll_flush(context))?;
        *unsent = false;
    }
    Poll::Ready(Ok(()))
}

/// Takes bytes that were written.
fn take(queue: &mut VecDeque<Bytes>, mut count: usize) {
    while let Some(first) = queue.front_mut() {
        if first.len() > count {
            first.advance(count);
            return;
        }
        count -= first.len();
        queue.pop_front();
    }
}

fn poll_http2(
    stream: &mut SendStream<Bytes>,
    queue: &mut VecDeque<Bytes>,
    context: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    while let Some(first) = queue.front_mut() {
        stream.reserve_capacity(first.len());
        let mut room = stream.capacity();
        if room == 0 {
            room = match ready!(stream.poll_capacity(context)) {
                Some(Ok(room)) => room,
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
                None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            };
        }
        let piece = first.split_to(room.min(first.len()));
        stream.send_data(piece, false).map_err(io::Error::other)?;
        if first.is_empty() {
            queue.pop_front();
        }
    }
    Poll::Ready(Ok(()))
}
