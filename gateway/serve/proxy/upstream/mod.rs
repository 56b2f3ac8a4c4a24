//! The upstream's side of an exchange: a connection to a target, the request that is written to it, and the reply that
//! is read from it. Writing and reading are two values, so that both can go on at the same time.
//!
//! A target gets the protocol that its url names: HTTP/1.1 for `http://` and `https://`, HTTP/2 for `h2c://`
//! and `h2://`. There are two exceptions: an upgrade goes over HTTP/1.1, which alone can carry it (RFC 9110 §7.8), and a
//! gRPC call over HTTP/2 where TLS lets both sides choose.

mod reader;
mod shared_stream;
mod writer;

use bytes::Bytes;
use http::Method;
use pingora::http::RequestHeader;
use pingora::protocols::Stream;
use pingora::protocols::http::client::HttpSession as AnySession;
use pingora::protocols::http::v2::client::Http2Session;

use crate::config::Scheme;
use crate::upstream::client::StreamedReply;
use crate::upstream::instance::Upstream;
use crate::upstream::peer::Peer;

use shared_stream::SharedStream;

pub(super) use reader::ReplyReader;
pub(super) use writer::{Framing, RequestWriter};

/// The protocol that a request needs towards its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    Any,
    /// HTTP/1.1, for an upgrade.
    Http1,
    /// HTTP/2, for gRPC.
    Http2,
}

/// An open connection, or a stream of one, on which nothing of the request was sent yet.
pub(super) struct Connection {
    wire: Wire,
    /// It has carried a request before, so the upstream may have closed it since.
    pub(super) reused: bool,
}

/// The head of a request, as its version of HTTP has it.
pub(super) enum Head {
    /// As it is written.
    Http1(Bytes),
    Http2(Box<RequestHeader>),
}

enum Wire {
    Http1(Stream),
    Http2(Box<Http2Session>),
}

impl Connection {
    /// A connection to a target that is idle, or over HTTP/2 one with room for another stream, if there is one.
    pub(super) async fn idle(
        upstream: &Upstream,
        peer: &Peer,
        needs: Needs,
        method: &Method,
    ) -> Option<Self> {
        if speaks_http2(peer.scheme, needs) {
            let http2 = upstream.connections.new_stream(peer).await?;
            return Some(Self { wire: Wire::Http2(Box::new(http2)), reused: true });
        }
        let stream = upstream.connections.idle_http1(peer, method, |idle| upstream.may_open(idle)).await?;
        Some(Self { wire: Wire::Http1(stream), reused: true })
    }

    /// Opens a connection to a target; or, over HTTP/2, takes one that another request has opened meanwhile.
    ///
    /// # Errors
    /// The target could not be connected to.
    pub(super) async fn open(upstream: &Upstream, peer: &Peer, needs: Needs) -> pingora::Result<Self> {
        let connection = if speaks_http2(peer.scheme, needs) {
            let _seeking = upstream.seeking.acquire().await;
            let (session, reused) =
                upstream.connections.session(peer, |idle| upstream.may_open(idle)).await?;
            match session {
                AnySession::H2(http2) => Self { wire: Wire::Http2(Box::new(http2)), reused },
                AnySession::H1(http1) => Self { wire: Wire::Http1(http1.into_inner()), reused },
                AnySession::Custom(()) => {
                    return pingora::Error::e_explain(pingora::ErrorType::InternalError, "no protocol");
                }
            }
        } else {
            Self { wire: Wire::Http1(upstream.connections.new_http1(peer).await?), reused: false }
        };
        if !connection.reused {
            upstream.connection_opened(peer);
        }
        Ok(connection)
    }

    pub(super) const fn is_http2(&self) -> bool {
        matches!(self.wire, Wire::Http2(_))
    }

    /// Begins a request with its head. What follows is written by one of the two, and read by the other. Over HTTP/1.1 the head
    /// leaves with the first flush, so that a body that is at hand leaves with it.
    ///
    /// # Errors
    /// The connection is gone, or the head is of the other version.
    pub(super) fn begin(
        self,
        method: &Method,
        head: Head,
        framing: Framing,
    ) -> pingora::Result<(RequestWriter, ReplyReader)> {
        match (self.wire, head) {
            (Wire::Http1(stream), Head::Http1(head)) => {
                let shared = SharedStream::new(stream);
                let writer = RequestWriter::http1(shared.clone(), head, framing);
                let reply = StreamedReply::new(shared, method.clone());
                Ok((writer, ReplyReader::Http1(Box::new(reply))))
            }
            (Wire::Http2(mut session), Head::Http2(head)) => {
                session.write_request_header(head, framing == Framing::None)?;
                let body = session.take_request_body_writer().filter(|_| framing != Framing::None);
                Ok((RequestWriter::http2(body), ReplyReader::Http2(session)))
            }
            (Wire::Http1(_), Head::Http2(_)) | (Wire::Http2(_), Head::Http1(_)) => {
                pingora::Error::e_explain(pingora::ErrorType::InternalError, "a head of another version")
            }
        }
    }
}

fn speaks_http2(scheme: Scheme, needs: Needs) -> bool {
    match (needs, scheme) {
        (Needs::Http1, _) | (Needs::Any | Needs::Http2, Scheme::Http) | (Needs::Any, Scheme::Https) => false,
        (Needs::Http2, Scheme::Https) | (Needs::Any | Needs::Http2, Scheme::H2c | Scheme::H2) => true,
    }
}
