//! A client's connection as pingora reads it: counted while it lives, and with time limits that hold
//! over all reads together. pingora's own hold for each read, so a byte now and then would keep a
//! connection for good.
//!
//! Over HTTP/1 the front says which [`Stage`] a connection is in; over HTTP/2 its [`Frames`] do. The
//! clock is read and a timer set only where a read has to wait in mid-header or mid-body: a header
//! that comes in one piece costs a comparison.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use http::HeaderMap;
use pingora::protocols::tls::SslDigest;
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream,
    TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::clock::Stopwatch;
use crate::settings::Limits;
use crate::telemetry::ConnectionRefusal;

use super::super::gateway::Gateway;
use super::crowd::Member;
use super::frames::Frames;
use super::together::Together;
use super::trailers::Trailers;

/// A body that comes at this rate may take as long as it likes.
const BYTES_PER_SECOND: u32 = 1024;

/// What a connection over HTTP/1 is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Stage {
    /// A request that has not begun.
    Idle,
    /// The rest of a header.
    Header,
    /// A body that has a rate to keep to.
    Body,
    /// What others watch: a batch's body, the client's end.
    Free,
}

/// A client's connection.
#[derive(Debug)]
pub(in super::super) struct ClientConnection {
    stream: Stream,
    watch: Watch,
    frames: Option<Frames>,
    together: Together,
    trailers: Trailers,
    written: u64,
    visit: Visit,
}

/// A connection as it is counted, from before its TLS handshake to its end.
#[derive(Debug)]
pub(super) struct Visit {
    gateway: Arc<Gateway>,
    address: Option<IpAddr>,
    _member: Member,
}

impl Visit {
    pub(super) fn new(gateway: Arc<Gateway>, address: Option<IpAddr>, member: Member) -> Self {
        gateway.metrics.connections.open.inc();
        gateway.activity.connection_begins();
        Self { gateway, address, _member: member }
    }

    pub(super) const fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// Counts that it is closed for this reason.
    pub(super) fn count_refusal(&self, reason: ConnectionRefusal) {
        self.gateway.metrics.connections.refuse(reason, self.address);
    }
}

/// How long the client may still take.
#[derive(Debug)]
struct Watch {
    stage: AtomicU8,
    header_timeout: Duration,
    body_timeout: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    /// Since when a read of a body has waited.
    waits: Option<Stopwatch>,
    /// How long reads of the body may still wait.
    patience: Duration,
}

impl ClientConnection {
    pub(super) fn new(stream: Stream, limits: &Limits, visit: Visit) -> Self {
        let watch = Watch {
            stage: AtomicU8::new(Stage::Idle as u8),
            header_timeout: limits.header_timeout,
            body_timeout: limits.body_timeout,
            timer: None,
            waits: None,
            patience: limits.body_timeout,
        };
        Self {
            stream,
            watch,
            frames: None,
            together: Together::default(),
            trailers: Trailers::default(),
            written: 0,
            visit,
        }
    }

    /// The connection under a session of pingora's.
    fn under(stream: &Stream) -> Option<&Self> {
        (**stream).as_any().downcast_ref()
    }

    /// It speaks HTTP/2, from its first byte on.
    pub(super) fn speaks_http2(&mut self) {
        self.frames = Some(Frames::new());
        self.watch.stage.store(Stage::Header as u8, Ordering::Relaxed);
    }

    /// A request's header comes next.
    pub(super) fn expect_header(stream: &Stream) {
        Self::enter(stream, Stage::Idle);
    }

    /// What was expected is there. What is read from here on may take any time, or is watched elsewhere.
    pub(in super::super) fn unwatch(stream: &Stream) {
        Self::enter(stream, Stage::Free);
    }

    /// The request's body comes next, and has to keep to its rate.
    pub(in super::super) fn expect_body(stream: &Stream) {
        Self::enter(stream, Stage::Body);
    }

    /// The chunked reply that ends next ends with these trailers (RFC 9112 §7.1.2).
    pub(in super::super) fn end_with_trailers(stream: &Stream, trailers: &HeaderMap) {
        if let Some(connection) = Self::under(stream) {
            connection.trailers.set(trailers);
        }
    }

    /// What follows is of another protocol, and is not looked at.
    pub(in super::super) fn becomes_opaque(stream: &Stream) {
        Self::enter(stream, Stage::Free);
    }

    /// What is written until the next flush may leave together.
    pub(in super::super) fn write_together(stream: &Stream) {
        if let Some(connection) = Self::under(stream) {
            connection.together.want();
        }
    }

    fn enter(stream: &Stream, stage: Stage) {
        if let Some(connection) = Self::under(stream) {
            connection.watch.stage.store(stage as u8, Ordering::Relaxed);
        }
    }

    /// Counts that it is closed for this reason.
    pub(super) fn count_refusal(&self, reason: ConnectionRefusal) {
        self.visit.count_refusal(reason);
    }

    fn refuse<T>(&self, reason: ConnectionRefusal) -> Poll<io::Result<T>> {
        self.count_refusal(reason);
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, reason.as_str())))
    }

    fn take(&mut self, bytes: &[u8]) -> Poll<io::Result<()>> {
        if let Some(frames) = &mut self.frames {
            if frames.pass(bytes, self.written).is_err() {
                return self.refuse(ConnectionRefusal::Http2Flood);
            }
            let stage = if frames.within_header() { Stage::Header } else { Stage::Idle };
            self.watch.stage.store(stage as u8, Ordering::Relaxed);
            if stage == Stage::Idle {
                self.watch.timer = None;
            }
        } else if !bytes.is_empty() {
            self.watch.received(bytes.len());
        }
        Poll::Ready(Ok(()))
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

impl Drop for Visit {
    fn drop(&mut self) {
        self.gateway.metrics.connections.open.dec();
        self.gateway.activity.connection_ends();
    }
}

impl Watch {
    fn is_in(&self, stage: Stage) -> bool {
        self.stage.load(Ordering::Relaxed) == stage as u8
    }

    /// Bytes came, over HTTP/1.
    fn received(&mut self, bytes: usize) {
        if self.is_in(Stage::Idle) {
            self.stage.store(Stage::Header as u8, Ordering::Relaxed);
            self.timer = None;
            self.patience = self.body_timeout;
        } else if self.is_in(Stage::Body) {
            let waited = self.waits.take().map(Stopwatch::elapsed).unwrap_or_default();
            let earned = Duration::from_secs(1) * u32::try_from(bytes).unwrap_or(u32::MAX) / BYTES_PER_SECOND;
            self.patience = (self.patience.saturating_sub(waited) + earned).min(self.body_timeout);
            self.timer = None;
        }
    }

    /// A read has to wait. Ready once that took too long, with the limit that it took.
    fn poll_patience(&mut self, context: &mut Context<'_>) -> Poll<ConnectionRefusal> {
        let (patience, reason) = if self.is_in(Stage::Header) {
            (self.header_timeout, ConnectionRefusal::HeaderTimeout)
        } else if self.is_in(Stage::Body) {
            if self.waits.is_none() {
                self.waits = Some(Stopwatch::start());
                self.timer = None;
            }
            (self.patience, ConnectionRefusal::BodyTimeout)
        } else {
            return Poll::Pending;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(timer.as_mut().poll(context));
        Poll::Ready(reason)
    }
}

impl AsyncRead for ClientConnection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let connection = self.get_mut();
        let before = buffer.filled().len();
        match Pin::new(&mut connection.stream).poll_read(context, buffer) {
            Poll::Ready(Ok(())) => connection.take(buffer.filled().get(before..).unwrap_or_default()),
            failed @ Poll::Ready(Err(_)) => failed,
            Poll::Pending => {
                let reason = ready!(connection.watch.poll_patience(context));
                connection.refuse(reason)
            }
        }
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
        ready!(connection.poll_release(context))?;
        Pin::new(&mut connection.stream).poll_shutdown(context)
    }
}

#[async_trait]
impl Shutdown for ClientConnection {
    async fn shutdown(&mut self) {
        self.stream.shutdown().await;
    }
}

#[async_trait]
impl Peek for ClientConnection {
    async fn try_peek(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        self.stream.try_peek(buffer).await
    }
}

impl UniqueID for ClientConnection {
    fn id(&self) -> UniqueIDType {
        self.stream.id()
    }
}

impl Ssl for ClientConnection {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.stream.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.stream.selected_alpn_proto()
    }
}

impl GetTimingDigest for ClientConnection {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.stream.get_timing_digest()
    }

    fn get_read_pending_time(&self) -> Duration {
        self.stream.get_read_pending_time()
    }

    fn get_write_pending_time(&self) -> Duration {
        self.stream.get_write_pending_time()
    }
}

impl GetProxyDigest for ClientConnection {
    fn get_proxy_digest(&self) -> Option<Arc<pingora::protocols::raw_connect::ProxyDigest>> {
        self.stream.get_proxy_digest()
    }
}

impl GetSocketDigest for ClientConnection {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.stream.get_socket_digest()
    }
}
