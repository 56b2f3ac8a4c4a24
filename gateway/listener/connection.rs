//! A client's connection as pingora reads and writes it. It limits how long heads and bodies may take over all reads
//! together: pingora's own limits hold for each read, so a byte now and then would keep a connection forever.
//!
//! Over HTTP/1.1 the session says what the connection is read for ([`Stage`]). Over HTTP/2 its [`Frames`] do.
//!
//! Over HTTP/1.1 every byte passes the [`Grammar`] before pingora gets it. A request whose head breaks the grammar is
//! answered here and never becomes a request. In a body, the read fails with the [`Fault`], and the code that serves the
//! request answers.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::HeaderMap;
use parking_lot::Mutex;
use pingora::protocols::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::config::Limits;
use crate::http1::Fault;
use crate::problem;
use crate::session::ConnectionControl;
use crate::telemetry::{ConnectionRefusal, RequestId};
use crate::transport::delegate::delegate_to_stream;

use super::connection_guard::ConnectionGuard;
use super::final_reply::FinalReply;
use super::grammar::{Grammar, Next};
use super::http2_frames::Frames;
use super::trailers::Trailers;
use super::watch::{Stage, Watch};
use super::write_buffer::WriteBuffer;

/// A read with room for fewer bytes goes through a buffer of this size.
const LITTLE: usize = 1024;

/// A client's connection.
#[derive(Debug)]
pub(crate) struct ClientConnection {
    stream: Stream,
    watch: Watch,
    /// `None` over HTTP/1.1.
    frames: Option<Frames>,
    /// Not used over HTTP/2. The session locks it between reads; reads have it to themselves.
    grammar: Mutex<Grammar>,
    /// `Some` once the client has broken the grammar.
    final_reply: Option<FinalReply>,
    write_buffer: WriteBuffer,
    trailers: Trailers,
    /// Bytes written to the client.
    written: u64,
    guard: ConnectionGuard,
}

impl ClientConnection {
    pub(crate) fn new(stream: Stream, limits: &Limits, guard: ConnectionGuard) -> Self {
        let watch = Watch::new(limits.header_timeout, limits.body_timeout);
        Self {
            stream,
            watch,
            frames: None,
            grammar: Mutex::new(Grammar::new(limits.heads())),
            final_reply: None,
            write_buffer: WriteBuffer::default(),
            trailers: Trailers::default(),
            written: 0,
            guard,
        }
    }

    /// Finds the connection below a session of pingora's.
    fn below(stream: &Stream) -> Option<&Self> {
        (**stream).as_any().downcast_ref()
    }

    /// The same, as a session controls it.
    pub(crate) fn control(stream: &Stream) -> Option<&dyn ConnectionControl> {
        Self::below(stream).map(|connection| connection as &dyn ConnectionControl)
    }

    /// The connection speaks HTTP/2, from its first byte on.
    pub(crate) fn speaks_http2(&mut self) {
        self.frames = Some(Frames::new());
        self.watch.enter(Stage::Header);
    }

    /// The head of a request comes next. Must be called once for each session, before it reads: a fault or a trailer
    /// field is matched to its request by counting.
    pub(crate) fn expect_header(stream: &Stream) {
        if let Some(connection) = Self::below(stream) {
            connection.watch.enter(Stage::Idle);
            connection.grammar.lock().begin_request();
        }
    }

    /// Counts that the connection is closed for this reason.
    pub(crate) fn count_refusal(&self, reason: ConnectionRefusal) {
        self.guard.count_refusal(reason);
    }

    fn refuse<T>(&self, reason: ConnectionRefusal) -> Poll<io::Result<T>> {
        self.count_refusal(reason);
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, reason.as_str())))
    }

    /// Bytes were received over HTTP/2.
    fn take(&mut self, bytes: &[u8]) -> Poll<io::Result<()>> {
        let Some(frames) = &mut self.frames else { return Poll::Ready(Ok(())) };
        if frames.pass(bytes, self.written).is_err() {
            return self.refuse(ConnectionRefusal::Http2Flood);
        }
        self.watch.received_frames(frames);
        Poll::Ready(Ok(()))
    }

    /// Reads from the socket. Fails once the client has taken too long.
    fn poll_socket(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            read @ Poll::Ready(_) => read,
            Poll::Pending => {
                let reason = ready!(self.watch.poll_patience(context));
                self.refuse(reason)
            }
        }
    }

    /// Reads as far as the grammar allows, over HTTP/1.1.
    fn poll_checked(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        loop {
            let grammar = self.grammar.get_mut();
            match grammar.next() {
                Next::Read if buffer.remaining() < LITTLE => {
                    ready!(self.poll_ahead(context))?;
                    let grammar = self.grammar.get_mut();
                    grammar.take_waiting(buffer);
                }
                Next::Read => ready!(self.poll_socket(context, buffer))?,
                Next::TakeWaiting => grammar.take_waiting(buffer),
                Next::TakeReady => {
                    grammar.take_ready(buffer);
                    return Poll::Ready(Ok(()));
                }
                Next::Wait => return Poll::Pending,
                Next::Fail(fault) => return self.poll_fail(context, fault),
            }
            let came = buffer.filled().get(before..).unwrap_or_default();
            if came.is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.watch.received(came.len());
            let grammar = self.grammar.get_mut();
            let passed = grammar.pass(came);
            buffer.set_filled(before + passed);
            if passed > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Reads bytes from the socket that wait until there is room for them. While a request is served, pingora reads
    /// single bytes to notice that the client has left.
    fn poll_ahead(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut space = [0; LITTLE];
        let mut buffer = ReadBuf::new(&mut space);
        ready!(self.poll_socket(context, &mut buffer))?;
        self.grammar.get_mut().wait(buffer.filled());
        Poll::Ready(Ok(()))
    }

    /// Ends a connection whose client broke the grammar. Answers unless the request is being served already.
    fn poll_fail(&mut self, context: &mut Context<'_>, fault: Fault) -> Poll<io::Result<()>> {
        let is_within_body = self.grammar.get_mut().is_within_body();
        if self.final_reply.is_none() {
            let request_id = RequestId::from_headers(&HeaderMap::new());
            self.guard.count_fault(fault, &request_id);
            self.final_reply = Some(if is_within_body {
                FinalReply::without_bytes()
            } else {
                FinalReply::with(&problem::of_fault(fault), &request_id)
            });
        }
        if !is_within_body {
            ready!(self.poll_end(context));
        }
        Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, fault)))
    }

    /// Writes the final reply and closes.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<()> {
        // If writing fails here, it fails for the reply too.
        let _ = ready!(self.poll_release(context));
        let Self { final_reply, stream, .. } = self;
        final_reply.as_mut().map_or(Poll::Ready(()), |reply| reply.poll(stream, context))
    }

    /// Writes what the buffer holds.
    fn poll_release(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { write_buffer, stream, .. } = self;
        write_buffer.poll_release(stream, context)
    }

    fn count_written(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(Ok(bytes)) => self.written += *bytes as u64,
            Poll::Ready(Err(_)) | Poll::Pending => {}
        }
        written
    }
}

impl ConnectionControl for ClientConnection {
    fn stop_watching(&self) {
        self.watch.enter(Stage::Free);
    }

    fn buffer_until_flush(&self) {
        self.write_buffer.want();
    }

    fn hold_next_write(&self) {
        self.write_buffer.want_once();
    }

    fn end_with_trailers(&self, trailers: &HeaderMap) {
        self.trailers.set(trailers);
    }

    fn take_request_trailers(&self) -> Option<HeaderMap> {
        self.grammar.lock().take_trailers()
    }

    fn become_opaque(&self) {
        self.grammar.lock().become_opaque();
    }
}

impl AsyncRead for ClientConnection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let connection = self.get_mut();
        if connection.frames.is_none() {
            return connection.poll_checked(context, buffer);
        }
        let before = buffer.filled().len();
        ready!(connection.poll_socket(context, buffer))?;
        connection.take(buffer.filled().get(before..).unwrap_or_default())
    }
}

impl AsyncWrite for ClientConnection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let connection = self.get_mut();
        if let Some(last) = connection.trailers.instead_of(bytes) {
            connection.write_buffer.hold_always(&last);
            return Poll::Ready(Ok(bytes.len()));
        }
        if connection.write_buffer.hold(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let Self { write_buffer, stream, .. } = connection;
        let written = write_buffer.poll_write_behind(stream, context, bytes);
        connection.count_written(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let connection = self.get_mut();
        ready!(connection.poll_release(context))?;
        let written = Pin::new(&mut connection.stream).poll_write_vectored(context, pieces);
        connection.count_written(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let connection = self.get_mut();
        ready!(connection.poll_release(context))?;
        connection.write_buffer.end();
        Pin::new(&mut connection.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let connection = self.get_mut();
        if connection.final_reply.is_some() {
            ready!(connection.poll_end(context));
            return Poll::Ready(Ok(()));
        }
        ready!(connection.poll_release(context))?;
        Pin::new(&mut connection.stream).poll_shutdown(context)
    }
}

delegate_to_stream!(ClientConnection);
