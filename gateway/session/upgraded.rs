//! The client's side of an exchange that has switched to another protocol: nothing but bytes, both ways. Over HTTP/1.1 these
//! are the connection's, over HTTP/2 those of one stream (RFC 8441 §5).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use h2::{Reason, RecvStream, SendStream};
use http::StatusCode;
use http::header;
use pingora::http::ResponseHeader;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::compression::ReplyCompression;
use super::{Protocol, Rest, Session, http1};

/// Bytes that come and bytes that go.
pub(crate) trait BothWays: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> BothWays for T {}

impl Session {
    /// Tells the client that its service has switched to the protocol that it asked for. Over HTTP/2 that is a 200, and its
    /// client has no use for `Sec-WebSocket-Accept`.
    ///
    /// # Errors
    /// The client has left.
    pub(crate) async fn write_switch(&mut self, mut head: Box<ResponseHeader>) -> pingora::Result<()> {
        self.compression = ReplyCompression::Off;
        if self.is_http2() {
            head.set_status(StatusCode::OK)?;
            head.remove_header(&header::SEC_WEBSOCKET_ACCEPT);
        }
        self.write_response_header(head, Rest::Follows).await
    }

    /// The bytes of an exchange whose client was told of the switch, and those that were already read behind the request.
    pub(crate) fn into_upgraded(self) -> Option<(Box<dyn BothWays>, Vec<Bytes>)> {
        match self.protocol {
            Protocol::Http1(mut http1) => {
                let early = http1::early_bytes(&mut http1);
                Some((Box::new(http1.into_inner()), early))
            }
            Protocol::Http2(http2) => {
                let (received, sent) = http2.into_streams()?;
                Some((Box::new(StreamBytes { received, piece: Bytes::new(), sent }), Vec::new()))
            }
        }
    }
}

/// The bytes of a stream of HTTP/2. At most one window of them waits here, and nothing that is written waits for more than
/// the client's window.
struct StreamBytes {
    received: RecvStream,
    /// What has come and was not read yet. It still counts against the stream's window.
    piece: Bytes,
    sent: SendStream<Bytes>,
}

impl AsyncRead for StreamBytes {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { received, piece, .. } = &mut *self;
        while piece.is_empty() {
            match ready!(received.poll_data(context)) {
                Some(Ok(next)) => *piece = next,
                Some(Err(error)) if !has_left(&error) => return Poll::Ready(Err(io::Error::other(error))),
                Some(Err(_)) | None => return Poll::Ready(Ok(())),
            }
        }
        let count = piece.len().min(buffer.remaining());
        buffer.put_slice(piece.get(..count).unwrap_or_default());
        piece.advance(count);
        // It fails only if the stream has ended.
        let _ = received.flow_control().release_capacity(count);
        Poll::Ready(Ok(()))
    }
}

/// Whether a stream's end is that of its client, who has reset it or closed the connection, as a TCP connection would end.
fn has_left(error: &h2::Error) -> bool {
    error.is_io() || error.is_remote() && matches!(error.reason(), Some(Reason::CANCEL | Reason::NO_ERROR))
}

impl AsyncWrite for StreamBytes {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.sent.reserve_capacity(bytes.len());
        while self.sent.capacity() == 0 {
            match ready!(self.sent.poll_capacity(context)) {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
                None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            }
        }
        let count = self.sent.capacity().min(bytes.len());
        let piece = Bytes::copy_from_slice(bytes.get(..count).unwrap_or_default());
        self.sent.send_data(piece, false).map_err(io::Error::other)?;
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // h2 sends by itself.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.sent.send_data(Bytes::new(), true).map_err(io::Error::other))
    }
}
