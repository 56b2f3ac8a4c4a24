//! An upstream's reply as it comes: interim heads, the final head, pieces of the body, trailers. Over HTTP/1.1 and
//! HTTP/2 alike.

use bytes::Bytes;
use http::HeaderMap;
use pingora::http::ResponseHeader;
use pingora::protocols::Stream;
use pingora::protocols::http::client::HttpSession as AnySession;
use pingora::protocols::http::v2::client::Http2Session;
use pingora::{Error, ErrorType};

use crate::upstream::client::StreamedReply;
use crate::upstream::connections::Connections;
use crate::upstream::peer::Peer;

use super::shared_stream::SharedStream;

/// Reads a reply. All reads are cancel-safe.
pub(in crate::serve::proxy) enum ReplyReader {
    Http1(Box<StreamedReply<SharedStream>>),
    Http2(Box<Http2Session>),
}

impl ReplyReader {
    /// The next head: an interim one, or the final one, after which the body follows.
    ///
    /// # Errors
    /// The connection is gone, or what came is not a reply.
    pub(in crate::serve::proxy) async fn head(&mut self) -> pingora::Result<ResponseHeader> {
        match self {
            Self::Http1(http1) => http1.head().await,
            Self::Http2(http2) => {
                http2.read_response_header().await?;
                let head = http2.response_header().cloned();
                head.ok_or_else(|| Error::explain(ErrorType::InvalidHTTPHeader, "no head"))
            }
        }
    }

    /// Bytes that have come so far, over HTTP/1.1: also those of a head that is not complete.
    pub(in crate::serve::proxy) fn received(&self) -> u64 {
        match self {
            Self::Http1(http1) => http1.received(),
            Self::Http2(_) => 0,
        }
    }

    /// The next piece of the body; `None` at its end.
    ///
    /// # Errors
    /// The body broke off, or breaks HTTP's framing.
    pub(in crate::serve::proxy) async fn body(&mut self) -> pingora::Result<Option<Bytes>> {
        match self {
            Self::Http1(http1) => http1.body().await,
            Self::Http2(http2) => http2.read_response_body().await,
        }
    }

    /// Whether the body has come to its end; or, right after the head, whether there is none.
    ///
    /// # Errors
    /// The stream ended because it was reset.
    pub(in crate::serve::proxy) fn is_done(&mut self) -> pingora::Result<bool> {
        match self {
            Self::Http1(http1) => Ok(http1.is_done()),
            Self::Http2(http2) => Ok(http2.response_finished() && http2.check_response_end_or_error()?),
        }
    }

    /// The trailers, once the body has come to its end.
    ///
    /// # Errors
    /// The stream was reset in place of them.
    pub(in crate::serve::proxy) async fn trailers(&mut self) -> pingora::Result<Option<HeaderMap>> {
        match self {
            Self::Http1(http1) => Ok(http1.take_trailers()),
            Self::Http2(http2) => http2.read_trailers().await,
        }
    }

    /// The connection after a 101, and the bytes that came after its head.
    pub(in crate::serve::proxy) fn into_upgraded(self) -> Option<(Stream, Bytes)> {
        let Self::Http1(http1) = self else { return None };
        let (shared, early) = http1.into_upgraded()?;
        Some((shared.into_stream()?, early))
    }

    /// Ends a reply that was read in full. Its connection is kept where it can be used again.
    pub(in crate::serve::proxy) async fn release(self, connections: &Connections, peer: &Peer) {
        match self {
            // The other half has been dropped.
            Self::Http1(http1) => {
                if let Some(stream) = http1.into_reusable().and_then(SharedStream::into_stream) {
                    connections.keep_http1(stream, peer);
                }
            }
            Self::Http2(http2) => connections.keep(AnySession::H2(*http2), peer).await,
        }
    }

    /// Ends a reply that broke off. Over HTTP/2 its connection stays open.
    pub(in crate::serve::proxy) async fn abandon(self, connections: &Connections, peer: &Peer) {
        if let Self::Http2(http2) = self {
            connections.keep(AnySession::H2(*http2), peer).await;
        }
    }
}
