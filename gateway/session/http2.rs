//! One stream of a client's HTTP/2 connection, over the h2 crate (RFC 9113). h2 does flow control, framing and header
//! compression; this is the rest that a request and its reply need.
//!
//! A piece of the body returns its bytes to the flow-control window when the next piece is read, so a stream holds at
//! most one window of unread bytes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::Digest;
use pingora::protocols::http::date::get_cached_date;
use pingora::protocols::http::v2::write_body;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::{Error, ErrorType, OrErr as _};

use crate::http1::may_be_trailer;

use super::rest::Rest;
use super::stream_kind::StreamKind;

/// Fields of an HTTP/1.1 connection, which HTTP/2 forbids (RFC 9113 §8.2.2).
const CONNECTION_FIELDS: [&str; 5] =
    ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];

/// A stream, which carries one request and its reply.
pub(crate) struct Http2 {
    request: RequestHeader,
    kind: StreamKind,
    body: RecvStream,
    body_done: bool,
    trailers: Option<HeaderMap>,
    /// Bytes of the last piece that were not returned to the window yet.
    unreleased: usize,
    respond: SendResponse<Bytes>,
    reply: Option<SendStream<Bytes>>,
    ended: bool,
    write_timeout: Option<Duration>,
    digest: Arc<Digest>,
}

/// The length of the client's body differs from the announced one.
const MALFORMED_BODY: ErrorType = ErrorType::Custom("InvalidBodyLength");

impl Http2 {
    /// A stream as its connection accepted it.
    pub(crate) fn new(
        request: Request<RecvStream>,
        respond: SendResponse<Bytes>,
        digest: Arc<Digest>,
    ) -> Self {
        let (mut head, body) = request.into_parts();
        let kind = StreamKind::take(&mut head);
        // What follows the head of a WebSocket's request is the WebSocket, not a body.
        let body_done = body.is_end_stream() || kind != StreamKind::Exchange;
        Self {
            request: head.into(),
            kind,
            body,
            body_done,
            trailers: None,
            unreleased: 0,
            respond,
            reply: None,
            ended: false,
            write_timeout: None,
            digest,
        }
    }

    pub(super) const fn request(&self) -> &RequestHeader {
        &self.request
    }

    pub(super) const fn kind(&self) -> StreamKind {
        self.kind
    }

    pub(super) fn digest(&self) -> &Digest {
        &self.digest
    }

    pub(super) fn client_addr(&self) -> Option<&SocketAddr> {
        self.digest.socket_digest.as_ref()?.peer_addr()
    }

    pub(super) const fn is_body_done(&self) -> bool {
        self.body_done
    }

    pub(super) const fn set_write_timeout(&mut self, timeout: Duration) {
        self.write_timeout = Some(timeout);
    }

    /// The next piece of the body; `None` at its end, once its trailers have arrived.
    pub(super) async fn read_body(&mut self) -> pingora::Result<Option<Bytes>> {
        if self.body_done {
            return Ok(None);
        }
        let unreleased = std::mem::take(&mut self.unreleased);
        let _ = self.body.flow_control().release_capacity(unreleased);
        let piece = self.body.data().await.transpose();
        let piece = piece.map_err(broken_body)?;
        if let Some(piece) = &piece {
            self.unreleased = piece.len();
        } else {
            let trailers = self.body.trailers().await;
            self.trailers = trailers.or_err(ErrorType::ReadError, "while reading a request's trailers")?;
            self.body_done = true;
        }
        Ok(piece)
    }

    /// The trailers of the request, without those that no trailer may be.
    pub(super) fn take_trailers(&mut self) -> Option<HeaderMap> {
        let trailers = self.trailers.take()?;
        let kept = |(name, value): (&HeaderName, &HeaderValue)| {
            may_be_trailer(name).then(|| (name.clone(), value.clone()))
        };
        Some(trailers.iter().filter_map(kept).collect()).filter(|trailers: &HeaderMap| !trailers.is_empty())
    }

    /// Returns once the client has reset the stream or closed its connection.
    pub(super) async fn reset(&mut self) {
        let Self { respond, reply, .. } = self;
        let _ = std::future::poll_fn(|context| match reply {
            Some(reply) => reply.poll_reset(context),
            None => respond.poll_reset(context),
        })
        .await;
    }

    pub(super) fn write_interim(&mut self, header: ResponseHeader) -> pingora::Result<()> {
        let response = Response::from_parts(parts(header), ());
        self.respond
            .send_informational(response)
            .or_err(ErrorType::WriteError, "while sending an interim reply")
    }

    pub(super) fn write_head(&mut self, mut header: Box<ResponseHeader>, rest: Rest) -> pingora::Result<()> {
        if self.reply.is_some() || self.ended {
            return Error::e_explain(ErrorType::InternalError, "a second reply to one request");
        }
        if !header.headers.contains_key(header::DATE) {
            header.insert_header(header::DATE, get_cached_date())?;
        }
        let response = Response::from_parts(parts(*header), ());
        let reply = self.respond.send_response(response, rest.is_end());
        self.reply = Some(reply.or_err(ErrorType::WriteError, "while sending a reply's head")?);
        self.ended = rest.is_end();
        Ok(())
    }

    pub(super) async fn write_body(&mut self, piece: Bytes, rest: Rest) -> pingora::Result<()> {
        if self.ended {
            return Ok(());
        }
        let Some(reply) = &mut self.reply else {
            return Error::e_explain(ErrorType::InternalError, "a body before its head");
        };
        if !piece.is_empty() || rest.is_end() {
            write_body(reply, piece, rest.is_end(), self.write_timeout).await?;
        }
        self.ended = rest.is_end();
        Ok(())
    }

    pub(super) fn write_trailers(&mut self, trailers: HeaderMap) -> pingora::Result<()> {
        let Some(reply) = &mut self.reply else {
            return Error::e_explain(ErrorType::InternalError, "trailers before their head");
        };
        self.ended = true;
        reply.send_trailers(trailers).or_err(ErrorType::WriteError, "while sending a reply's trailers")
    }

    /// Both directions of a stream whose reply has begun.
    pub(super) fn into_streams(self) -> Option<(RecvStream, SendStream<Bytes>)> {
        Some((self.body, self.reply?))
    }

    pub(super) fn break_off(&mut self, reason: Reason) {
        if self.ended {
            return;
        }
        match &mut self.reply {
            Some(reply) => reply.send_reset(reason),
            None => self.respond.send_reset(reason),
        }
        self.ended = true;
    }
}

/// The head without the fields that HTTP/2 forbids.
fn parts(mut header: ResponseHeader) -> http::response::Parts {
    for name in CONNECTION_FIELDS {
        header.remove_header(&HeaderName::from_static(name));
    }
    header.as_owned_parts()
}

/// The error of a broken stream. A client whose body is longer or shorter than announced is still there: h2 has only
/// reset its stream.
#[expect(clippy::unnecessary_box_returns, reason = "pingora's errors are boxed")]
fn broken_body(error: h2::Error) -> Box<Error> {
    let breaks_rules = error.reason() == Some(Reason::PROTOCOL_ERROR) && !error.is_remote();
    let kind = if breaks_rules { MALFORMED_BODY } else { ErrorType::ReadError };
    Error::because(kind, "while reading a request's body", error)
}
