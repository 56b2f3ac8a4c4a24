//! One connection to an upstream in two hands: one writes the request's body while the other reads the reply, which
//! may begin before the body has ended (RFC 9112 §9.5). Both are polled by the same task, so the lock is never
//! waited for.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use async_trait::async_trait;
use http::HeaderMap;
use parking_lot::Mutex;
use pingora::protocols::{Peek, Shutdown, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::transport::delegate::delegate_facts_to;
use crate::upstream::client::CheckedStream;

/// One of the hands.
#[derive(Clone, Debug)]
pub(super) struct SharedStream {
    stream: Arc<Mutex<Stream>>,
    received: Received,
}

/// How many bytes have come.
#[derive(Clone, Debug, Default)]
pub(in crate::serve::proxy) struct Received(Arc<AtomicU64>);

impl Received {
    pub(super) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl SharedStream {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream: Arc::new(Mutex::new(stream)), received: Received::default() }
    }

    /// The connection, once this is the last hand that holds it.
    pub(super) fn into_stream(self) -> Option<Stream> {
        Arc::into_inner(self.stream).map(Mutex::into_inner)
    }

    /// The hand under a session of pingora's.
    pub(super) fn under(stream: &Stream) -> Option<&Self> {
        (**stream).as_any().downcast_ref()
    }

    /// Takes the trailers of the reply that was read to its end.
    pub(super) fn trailers(&self) -> Option<HeaderMap> {
        CheckedStream::take_trailers(&self.stream.lock())
    }

    pub(super) fn received(&self) -> Received {
        self.received.clone()
    }
}

impl AsyncRead for SharedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut *self.stream.lock()).poll_read(context, buffer);
        self.received.0.fetch_add((buffer.filled().len() - before) as u64, Ordering::Relaxed);
        read
    }
}

impl AsyncWrite for SharedStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.stream.lock()).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream.lock()).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream.lock()).poll_shutdown(context)
    }
}

#[async_trait]
impl Shutdown for SharedStream {
    async fn shutdown(&mut self) {
        let shared = self.clone();
        let _ =
            std::future::poll_fn(|context| Pin::new(&mut *shared.stream.lock()).poll_shutdown(context)).await;
    }
}

impl Peek for SharedStream {}

delegate_facts_to!(SharedStream, self => self.stream.lock());
