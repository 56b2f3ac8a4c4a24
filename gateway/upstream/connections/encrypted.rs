//! A connection with TLS to a target, in the shape in which pingora's sessions and pools take connections.

use std::io;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use pingora::protocols::tls::SslDigest;
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest,
    UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::transport::delegate::delegate_writes_to_stream;

/// The connection.
#[derive(Debug)]
pub(super) struct Encrypted {
    stream: TlsStream<TcpStream>,
    is_http2: bool,
    digest: Arc<SslDigest>,
}

impl Encrypted {
    pub(super) fn new(stream: TlsStream<TcpStream>) -> Self {
        let (_, session) = stream.get_ref();
        let is_http2 = session.alpn_protocol() == Some(b"h2");
        let version = session.protocol_version().map_or_else(String::new, |version| format!("{version:?}"));
        let cipher = session
            .negotiated_cipher_suite()
            .map_or_else(String::new, |suite| format!("{:?}", suite.suite()));
        let digest = Arc::new(SslDigest::new(cipher, version, None, None, Vec::new()));
        Self { stream, is_http2, digest }
    }

    /// Whether the target chose HTTP/2.
    pub(super) const fn is_http2(&self) -> bool {
        self.is_http2
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

delegate_writes_to_stream!(Encrypted);

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
