//! A connection with TLS to a target, in the shape in which pingora's sessions and pools take connections.

use std::fmt;
use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use pingora::protocols::tls::SslDigest;
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest,
    UniqueID, UniqueIDType,
};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::upstream::error;

/// What is done with the error if the target refuses the handshake after all.
type OnRefusal = Box<dyn FnOnce(&io::Error) + Send + Sync>;

/// The connection.
pub(super) struct Encrypted {
    stream: TlsStream<TcpStream>,
    is_http2: bool,
    digest: Arc<SslDigest>,
    /// `None` once the target has sent something: only then has it accepted the handshake. With TLS 1.3 ours is over before the
    /// target has looked at our certificate (RFC 8446 §4.4.2.4, §6.2).
    on_refusal: Option<OnRefusal>,
    /// Why the last write failed, while it is not known yet whether the target has refused the handshake before.
    failed_write: Option<io::Error>,
}

impl fmt::Debug for Encrypted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Encrypted").field("is_http2", &self.is_http2).finish_non_exhaustive()
    }
}

impl Encrypted {
    pub(super) fn new(stream: TlsStream<TcpStream>, on_refusal: OnRefusal) -> Self {
        let (_, session) = stream.get_ref();
        let is_http2 = session.alpn_protocol() == Some(b"h2");
        let version = session.protocol_version().map_or_else(String::new, |version| format!("{version:?}"));
        let cipher = session
            .negotiated_cipher_suite()
            .map_or_else(String::new, |suite| format!("{:?}", suite.suite()));
        let digest = Arc::new(SslDigest::new(cipher, version, None, None, Vec::new()));
        Self { stream, is_http2, digest, on_refusal: Some(on_refusal), failed_write: None }
    }

    /// Whether the target chose HTTP/2.
    pub(super) const fn is_http2(&self) -> bool {
        self.is_http2
    }

    /// Writes. A target that refuses the handshake says why and closes the connection, so that a write may fail before this was
    /// read. Then the error is the refusal.
    fn write<T>(
        &mut self,
        context: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut TlsStream<TcpStream>>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let failed = match self.failed_write.take() {
            Some(failed) => failed,
            None => match ready!(write(Pin::new(&mut self.stream), context)) {
                Err(failed) if self.on_refusal.is_some() => failed,
                written => return Poll::Ready(written),
            },
        };
        // What else has come is left for the reader.
        match Pin::new(&mut self.stream).poll_fill_buf(context) {
            Poll::Ready(Err(refusal)) if error::is_tls_alert(&refusal) => {
                self.refused(&refusal);
                Poll::Ready(Err(refusal))
            }
            Poll::Ready(_) => Poll::Ready(Err(failed)),
            Poll::Pending => {
                self.failed_write = Some(failed);
                Poll::Pending
            }
        }
    }

    fn refused(&mut self, refusal: &io::Error) {
        if let Some(on_refusal) = self.on_refusal.take() {
            on_refusal(refusal);
        }
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut this.stream).poll_read(context, buffer));
        match &read {
            Ok(()) if buffer.filled().len() > before => this.on_refusal = None,
            Err(error) if error::is_tls_alert(error) => this.refused(error),
            Ok(()) | Err(_) => {}
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().write(context, |stream, context| stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().write(context, |stream, context| stream.poll_write_vectored(context, pieces))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().write(context, AsyncWrite::poll_flush)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[async_trait]
impl Shutdown for Encrypted {
    async fn shutdown(&mut self) {
        // The connection ends either way.
        let _ = self.stream.shutdown().await;
    }
}

#[async_trait]
impl Peek for Encrypted {}

impl UniqueID for Encrypted {
    fn id(&self) -> UniqueIDType {
        self.stream.get_ref().0.as_raw_fd()
    }
}

impl Ssl for Encrypted {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        Some(Arc::clone(&self.digest))
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.is_http2.then_some(ALPN::H2)
    }
}

impl GetTimingDigest for Encrypted {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        vec![Some(TimingDigest::default())]
    }
}

impl GetProxyDigest for Encrypted {
    fn get_proxy_digest(&self) -> Option<Arc<pingora::protocols::raw_connect::ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for Encrypted {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(Arc::new(SocketDigest::from_raw_fd(self.stream.get_ref().0.as_raw_fd())))
    }
}
