//! A client's connection as pingora reads it: counted while it lives, and with time limits that hold
//! over all reads together. pingora's own hold for each read, so a byte now and then would keep a
//! connection for good.
//!
//! Over HTTP/1 the front says which [`Stage`] a connection is in; over HTTP/2 its [`Frames`] do. The
//! clock is read and a timer set only where a read has to wait in mid-header or mid-body.
//!
//! Over HTTP/1.1 every byte passes the [`Grammar`] before pingora has it. A request whose head breaks the grammar is
//! answered here: it never becomes a request. In a body, the read fails with the [`Fault`], and whoever serves the
//! request answers.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use http::HeaderMap;
use pingora::protocols::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::config::Limits;
use crate::http1::{Fault, Flaw};
use crate::telemetry::{ConnectionRefusal, RefusedRequest, RequestId};

use super::connection_limits::Member;
use super::final_reply::FinalReply;
use super::grammar::{Grammar, Next};
use super::http2_frames::Frames;
use super::trailers::Trailers;
use super::watch::{Stage, Watch};
use super::write_buffer::WriteBuffer;
use crate::serve::validate::head_limits;
use crate::state::gateway::Gateway;
use crate::transport::delegate::delegate_to_stream;

/// Room for fewer bytes is not read into directly.
const LITTLE: usize = 1024;

/// A client's connection.
#[derive(Debug)]
pub(crate) struct ClientConnection {
    stream: Stream,
    watch: Watch,
    frames: Option<Frames>,
    /// Of HTTP/1.1; not used over HTTP/2.
    grammar: Mutex<Grammar>,
    /// Once the client broke the grammar.
    final_reply: Option<FinalReply>,
    together: WriteBuffer,
    trailers: Trailers,
    written: u64,
    guard: ConnectionGuard,
}

/// A connection as it is counted, from before its TLS handshake to its end.
#[derive(Debug)]
pub(crate) struct ConnectionGuard {
    gateway: Arc<Gateway>,
    address: Option<IpAddr>,
    _member: Member,
}

impl ConnectionGuard {
    pub(crate) fn new(gateway: Arc<Gateway>, address: Option<IpAddr>, member: Member) -> Self {
        gateway.metrics.connections.open.inc();
        gateway.activity.connection_begins();
        Self { gateway, address, _member: member }
    }

    pub(crate) const fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// Counts that it is closed for this reason.
    pub(crate) fn count_refusal(&self, reason: ConnectionRefusal) {
        self.gateway.metrics.connections.refuse(reason, self.address);
    }

    fn count_fault(&self, fault: Fault, request_id: &RequestId) {
        let reason = match (fault.flaw, fault.limit()) {
            (Flaw::TlsHandshake, _) => ConnectionRefusal::TlsOnPlainPort,
            (_, Some(_)) => ConnectionRefusal::HeaderTooLarge,
            (_, None) => ConnectionRefusal::MalformedRequest,
        };
        let (limit, detail) = (fault.limit(), fault.to_string());
        let request = RefusedRequest { reason, limit, detail: &detail, request_id: request_id.as_str() };
        self.gateway.metrics.connections.refuse_request(request, self.address);
    }
}

impl ClientConnection {
    pub(crate) fn new(stream: Stream, limits: &Limits, guard: ConnectionGuard) -> Self {
        let watch = Watch::new(limits.header_timeout, limits.body_timeout);
        let heads = head_limits(limits);
        Self {
            stream,
            watch,
            frames: None,
            grammar: Mutex::new(Grammar::new(heads)),
            final_reply: None,
            together: WriteBuffer::default(),
            trailers: Trailers::default(),
            written: 0,
            guard,
        }
    }

    /// The connection under a session of pingora's.
    fn under(stream: &Stream) -> Option<&Self> {
        (**stream).as_any().downcast_ref()
    }

    /// It speaks HTTP/2, from its first byte on.
    pub(crate) fn speaks_http2(&mut self) {
        self.frames = Some(Frames::new());
        self.watch.enter(Stage::Header);
    }

    /// A request's header comes next. To be called once for each session, before it reads: what a fault or a trailer
    /// field belongs to is told by counting.
    pub(crate) fn expect_header(stream: &Stream) {
        Self::enter(stream, Stage::Idle);
        if let Some(mut grammar) = Self::grammar_of(stream) {
            grammar.begin_request();
        }
    }

    /// The request that is served now was answered with 101: what the client sends from here on is not HTTP. To be
    /// called before the reply is written.
    pub(crate) fn become_opaque(stream: &Stream) {
        if let Some(mut grammar) = Self::grammar_of(stream) {
            grammar.become_opaque();
        }
    }

    fn grammar_of(stream: &Stream) -> Option<MutexGuard<'_, Grammar>> {
        Some(Self::under(stream)?.grammar.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What was expected is there. What is read from here on may take any time, or is watched elsewhere.
    pub(crate) fn unwatch(stream: &Stream) {
        Self::enter(stream, Stage::Free);
    }

    /// The chunked reply that ends next ends with these trailers (RFC 9112 §7.1.2).
    pub(crate) fn end_with_trailers(stream: &Stream, trailers: &HeaderMap) {
        if let Some(connection) = Self::under(stream) {
            connection.trailers.set(trailers);
        }
    }

    /// What is written until the next flush may leave together.
    pub(crate) fn write_together(stream: &Stream) {
        if let Some(connection) = Self::under(stream) {
            connection.together.want();
        }
    }

    fn enter(stream: &Stream, stage: Stage) {
        if let Some(connection) = Self::under(stream) {
            connection.watch.enter(stage);
        }
    }

    /// Counts that it is closed for this reason.
    pub(crate) fn count_refusal(&self, reason: ConnectionRefusal) {
        self.guard.count_refusal(reason);
    }

    fn refuse<T>(&self, reason: ConnectionRefusal) -> Poll<io::Result<T>> {
        self.count_refusal(reason);
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, reason.as_str())))
    }

    /// Bytes came, over HTTP/2.
    fn take(&mut self, bytes: &[u8]) -> Poll<io::Result<()>> {
        let Some(frames) = &mut self.frames else { return Poll::Ready(Ok(())) };
        if frames.pass(bytes, self.written).is_err() {
            return self.refuse(ConnectionRefusal::Http2Flood);
        }
        self.watch.received_frames(frames.within_header());
        Poll::Ready(Ok(()))
    }

    /// Reads from the socket, for no longer than the client may take.
    fn poll_socket(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            read @ Poll::Ready(_) => read,
            Poll::Pending => {
                let reason = ready!(self.watch.poll_patience(context));
                self.refuse(reason)
            }
        }
    }

    /// Reads what the grammar allows, over HTTP/1.1.
    fn poll_checked(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        loop {
            let grammar = self.grammar.get_mut().unwrap_or_else(PoisonError::into_inner);
            match grammar.next() {
                Next::Read if buffer.remaining() < LITTLE => {
                    ready!(self.poll_ahead(context))?;
                    let grammar = self.grammar.get_mut().unwrap_or_else(PoisonError::into_inner);
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
            let grammar = self.grammar.get_mut().unwrap_or_else(PoisonError::into_inner);
            let passed = grammar.pass(came);
            buffer.set_filled(before + passed);
            if passed > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Reads from the socket what waits until there is room for it. While a request is served, pingora reads single
    /// bytes to notice that the client has left.
    fn poll_ahead(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut space = [0; LITTLE];
        let mut buffer = ReadBuf::new(&mut space);
        ready!(self.poll_socket(context, &mut buffer))?;
        self.grammar.get_mut().unwrap_or_else(PoisonError::into_inner).wait(buffer.filled());
        Poll::Ready(Ok(()))
    }

    /// Ends a connection whose client broke the grammar. Answers, if there is no one else who would.
    fn poll_fail(&mut self, context: &mut Context<'_>, fault: Fault) -> Poll<io::Result<()>> {
        let is_within_body = self.grammar.get_mut().unwrap_or_else(PoisonError::into_inner).is_within_body();
        if self.final_reply.is_none() {
            let request_id = RequestId::of(&HeaderMap::new());
            self.guard.count_fault(fault, &request_id);
            self.final_reply = Some(if is_within_body {
                FinalReply::without_bytes()
            } else {
                FinalReply::to_fault(fault, &request_id)
            });
        }
        if !is_within_body {
            ready!(self.poll_end(context));
        }
        Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, fault)))
    }

    /// Writes the final reply and closes.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<()> {
        // What can't be written before it, can't be written after.
        let _ = ready!(self.poll_release(context));
        let Self { final_reply, stream, .. } = self;
        final_reply.as_mut().map_or(Poll::Ready(()), |reply| reply.poll(stream, context))
    }

    /// Writes what was held for what follows it.
    fn poll_release(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { together, stream, .. } = self;
        together.poll_release(stream, context)
    }

    fn count_written(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(Ok(bytes)) => self.written += *bytes as u64,
            Poll::Ready(Err(_)) | Poll::Pending => {}
        }
        written
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.gateway.metrics.connections.open.dec();
        self.gateway.activity.connection_ends();
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
            connection.together.hold_always(&last);
            return Poll::Ready(Ok(bytes.len()));
        }
        if connection.together.hold(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        ready!(connection.poll_release(context))?;
        let written = Pin::new(&mut connection.stream).poll_write(context, bytes);
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
        connection.together.end();
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
