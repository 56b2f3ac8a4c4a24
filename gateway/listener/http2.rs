//! A client's HTTP/2 connection: accepts its streams and serves each in a task of its own (RFC 9113 §5).
//!
//! Flow control: a stream may send `stream_window` bytes that have not been read yet. The connection's window holds that
//! for all of its streams together. So a stalled stream, whose client or service is slow, never takes the window from
//! its neighbours, and a connection has at most `streams` × `stream_window` unread bytes in memory.
//!
//! Clients are told that a stream may become a `WebSocket` (RFC 8441).
//!
//! A connection without a stream is closed after `keepalive_timeout`, with a GOAWAY. When the gateway drains, a GOAWAY
//! asks the client to open no more streams; open ones go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Builder, Connection};
use pingora::protocols::{Digest, Stream};
use pingora::server::ShutdownWatch;
use tokio::sync::Notify;

use crate::clock::Deadline;
use crate::config::Limits;
use crate::session::{Http2 as Http2Stream, Session};

use super::request_handler::RequestHandler;

/// What HTTP/2 counts for each field in addition to its bytes (RFC 9113 §6.5.2).
const FIELD_OVERHEAD: usize = 32;
/// h2 refuses larger heads with a bare 431. It may let through this many bytes more, which the gateway then refuses
/// with an explanation.
const BEYOND_LIMIT: usize = 64 << 10;
/// Bytes of a reply that wait in memory for one stream.
const SEND_BUFFER: usize = 256 << 10;
/// A client that has gone away silently can't take the last GOAWAY. Wait no longer than this for it.
const FAREWELL: Duration = Duration::from_secs(1);

/// Serves a connection until it ends.
pub(crate) async fn serve<H: RequestHandler>(
    handler: &Arc<H>,
    stream: Stream,
    limits: &Limits,
    shutdown: &ShutdownWatch,
) {
    let digest = Arc::new(Digest {
        ssl_digest: stream.get_ssl_digest(),
        timing_digest: stream.get_timing_digest(),
        proxy_digest: stream.get_proxy_digest(),
        socket_digest: stream.get_socket_digest(),
    });
    let connection = match builder(limits).handshake(stream).await {
        Ok(connection) => connection,
        Err(error) => {
            tracing::debug!(kind = "http2", %error, "an HTTP/2 connection did not begin as one");
            return;
        }
    };
    let mut serving = Serving {
        handler: Arc::clone(handler),
        connection,
        digest,
        streams: Arc::default(),
        shutdown: shutdown.clone(),
    };
    if serving.take_streams(limits.keepalive_timeout).await == End::Idle {
        serving.connection.graceful_shutdown();
        let _ = Deadline::after(FAREWELL).race(serving.connection.accept()).await;
    }
}

fn builder(limits: &Limits) -> Builder {
    let fields = limits.header_fields.get().saturating_mul(FIELD_OVERHEAD);
    let head = limits.header_bytes.saturating_add(fields).saturating_add(BEYOND_LIMIT);
    let (streams, stream_window) = (limits.http2_streams.get(), limits.http2_stream_window);
    let connection_window = u64::from(stream_window) * u64::from(streams);
    let connection_window = connection_window.clamp(u64::from(u16::MAX), (1 << 31) - 1);
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(streams)
        .initial_window_size(stream_window)
        .initial_connection_window_size(u32::try_from(connection_window).unwrap_or(u32::MAX >> 1))
        .max_header_list_size(u32::try_from(head).unwrap_or(u32::MAX))
        .max_send_buffer_size(SEND_BUFFER)
        .enable_connect_protocol();
    builder
}

/// Why no more streams are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The connection is closed, or broken.
    Closed,
    /// There was no stream for too long.
    Idle,
}

struct Serving<H> {
    handler: Arc<H>,
    connection: Connection<Stream, Bytes>,
    digest: Arc<Digest>,
    streams: Arc<Streams>,
    shutdown: ShutdownWatch,
}

/// Counts the open streams.
#[derive(Default)]
struct Streams {
    open: AtomicUsize,
    none_left: Notify,
}

/// Counts a stream as open until it is dropped.
struct OpenStream(Arc<Streams>);

impl<H: RequestHandler> Serving<H> {
    async fn take_streams(&mut self, idle: Duration) -> End {
        let mut drains = false;
        loop {
            let streams = Arc::clone(&self.streams);
            let accepted = tokio::select! {
                biased;
                _ = self.shutdown.changed(), if !drains => {
                    drains = true;
                    self.connection.graceful_shutdown();
                    continue;
                }
                accepted = self.connection.accept() => accepted,
                () = streams.idle_for(idle) => return End::Idle,
            };
            match accepted {
                Some(Ok((request, respond))) => {
                    let stream = Http2Stream::new(request, respond, Arc::clone(&self.digest));
                    let (handler, open) = (Arc::clone(&self.handler), Streams::begin(&self.streams));
                    tokio::spawn(async move {
                        handler.handle(Session::http2(stream)).await;
                        drop(open);
                    });
                }
                Some(Err(error)) => {
                    tracing::debug!(kind = "http2", %error, "an HTTP/2 connection broke");
                    return End::Closed;
                }
                None => return End::Closed,
            }
        }
    }
}

impl Streams {
    fn begin(streams: &Arc<Self>) -> OpenStream {
        streams.open.fetch_add(1, Ordering::AcqRel);
        OpenStream(Arc::clone(streams))
    }

    /// Returns once no stream has been open for this long.
    async fn idle_for(&self, idle: Duration) {
        while self.open.load(Ordering::Acquire) > 0 {
            self.none_left.notified().await;
        }
        Deadline::after(idle).come().await;
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        if self.0.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.none_left.notify_one();
        }
    }
}
