//! One request of a client and its reply, whichever version of HTTP it came over. HTTP/1 is read and written by
//! pingora's session; HTTP/2 by [`Http2`], because pingora's can't send interim replies, and resets every
//! broken stream with CANCEL.
//!
//! In: a request whose head has been read. Out: at most one final reply. Once the reply's end was written the
//! session is [complete](Session::finish), and an HTTP/1 connection may be used again; a session that is dropped
//! before that closes its connection, or resets its stream, so that no client takes a broken reply for a complete one.

pub(crate) mod body_rate;
mod connection_control;
mod http2;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{StatusCode, Version};
use pingora::apps::{HttpPersistentSettings, ReusedHttpStream};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v1::server::HttpSession as Http1;
use pingora::protocols::{Digest, Stream};

use crate::clock::Deadline;
use crate::header::hop;
use crate::transport::client_certificate::client_name;

pub(crate) use connection_control::{ConnectionControl, FindControl};
pub(crate) use http2::Http2;

/// After a reply that left before the request was read: the client may go on sending for this long in all …
const LINGER: Duration = Duration::from_secs(8);
/// … and for this long without a byte (RFC 9112 §9.6).
const LINGER_BETWEEN_BYTES: Duration = Duration::from_secs(5);

/// The same over HTTP/2, where only one stream is held.
const LINGER_HTTP2: Duration = Duration::from_secs(1);
/// For a piece of a reply to leave before its stream is reset.
const BEFORE_RESET: Duration = Duration::from_millis(20);
/// What is left of a request's body is read for the sake of its connection up to so many bytes …
const SHORT_REST: usize = 64 << 10;
/// … that come within this time.
const SHORT_WAIT: Duration = Duration::from_millis(100);

/// A client's request and its reply.
pub(crate) struct Session {
    protocol: Protocol,
    find_control: FindControl,
    /// The status of the final reply, once its head was written.
    answered: Option<StatusCode>,
    /// The reply's end was written.
    is_complete: bool,
    /// How much of the reply's body is to come, where its head told over HTTP/1.
    left: Option<u64>,
    linger: Duration,
    /// A client that waits for a 100 has got it.
    may_send: bool,
}

enum Protocol {
    Http1(Box<Http1>),
    Http2(Box<Http2>),
}

/// Why a reply breaks off, as HTTP/2 says it (RFC 9113 §7).
pub(crate) type ResetReason = h2::Reason;

impl Session {
    /// A request over HTTP/1 whose head has been read.
    pub(crate) fn http1(session: Http1, find_control: FindControl) -> Self {
        Self::new(Protocol::Http1(Box::new(session)), find_control)
    }

    /// A request over HTTP/2.
    pub(crate) fn http2(stream: Http2) -> Self {
        Self::new(Protocol::Http2(Box::new(stream)), |_| None)
    }

    const fn new(protocol: Protocol, find_control: FindControl) -> Self {
        Self {
            protocol,
            find_control,
            answered: None,
            is_complete: false,
            left: None,
            linger: LINGER,
            may_send: false,
        }
    }

    /// The request's head.
    pub(crate) fn req_header(&self) -> &RequestHeader {
        match &self.protocol {
            Protocol::Http1(http1) => http1.req_header(),
            Protocol::Http2(http2) => http2.request(),
        }
    }

    pub(crate) const fn is_http2(&self) -> bool {
        matches!(self.protocol, Protocol::Http2(_))
    }

    /// The client's connection over HTTP/1.1. Over HTTP/2 there is nothing to control.
    pub(crate) fn connection(&self) -> Option<&dyn ConnectionControl> {
        match &self.protocol {
            Protocol::Http1(http1) => (self.find_control)(http1.stream()),
            Protocol::Http2(_) => None,
        }
    }

    fn digest(&self) -> &Digest {
        match &self.protocol {
            Protocol::Http1(http1) => http1.digest(),
            Protocol::Http2(http2) => http2.digest(),
        }
    }

    /// Whether the connection uses TLS.
    pub(crate) fn is_tls(&self) -> bool {
        self.digest().ssl_digest.is_some()
    }

    /// The name in the client's certificate, which the listener has verified.
    pub(crate) fn certificate_name(&self) -> Option<Arc<str>> {
        client_name(self.digest().ssl_digest.as_deref()?)
    }

    /// Where the connection comes from; nothing for a Unix socket's.
    pub(crate) fn client_address(&self) -> Option<IpAddr> {
        let peer = match &self.protocol {
            Protocol::Http1(http1) => http1.client_addr(),
            Protocol::Http2(http2) => http2.client_addr(),
        };
        Some(peer?.as_inet()?.ip())
    }

    /// The next piece of the request's body; `None` at its end.
    ///
    /// Cancel-safe: dropping the future loses nothing.
    ///
    /// # Errors
    /// The client has left, or the body breaks HTTP's framing.
    pub(crate) async fn read_request_body(&mut self) -> pingora::Result<Option<Bytes>> {
        let piece = match &mut self.protocol {
            Protocol::Http1(http1) => http1.read_body_bytes().await,
            Protocol::Http2(http2) => http2.read_body().await,
        };
        piece.map_err(pingora::Error::into_down)
    }

    /// Whether the request's body has been read to its end.
    pub(crate) fn is_body_done(&mut self) -> bool {
        match &mut self.protocol {
            Protocol::Http1(http1) => http1.is_body_done(),
            Protocol::Http2(http2) => http2.is_body_done(),
        }
    }

    /// Returns once the client has closed its connection or reset its stream. The request's body must have been
    /// read. A client that has sent its next request already is not seen to leave.
    pub(crate) async fn gone(&mut self) {
        match &mut self.protocol {
            Protocol::Http1(http1) => while http1.read_body_or_idle(true).await.is_ok() {},
            Protocol::Http2(http2) => http2.reset().await,
        }
    }

    /// Sends an interim reply (RFC 9110 §15.2). A client that speaks HTTP/1.0 does not know what that is.
    ///
    /// # Errors
    /// The client has left.
    pub(crate) async fn write_interim(&mut self, header: ResponseHeader) -> pingora::Result<()> {
        if self.req_header().version == Version::HTTP_10 || self.answered.is_some() {
            return Ok(());
        }
        let written = match &mut self.protocol {
            Protocol::Http1(http1) => http1.write_response_header(Box::new(header)).await,
            Protocol::Http2(http2) => http2.write_interim(header),
        };
        written.map_err(pingora::Error::into_down)
    }

    /// Sends the head of the final reply; `end`: nothing follows it.
    ///
    /// # Errors
    /// The client has left.
    pub(crate) async fn write_response_header(
        &mut self,
        header: Box<ResponseHeader>,
        end: bool,
    ) -> pingora::Result<()> {
        self.answered = Some(header.status);
        match &mut self.protocol {
            Protocol::Http1(http1) => {
                self.left = announced_length(&header.headers);
                http1.write_response_header(header).await.map_err(pingora::Error::into_down)?;
            }
            Protocol::Http2(http2) => {
                http2.write_head(header, end).map_err(pingora::Error::into_down)?;
                self.is_complete = end;
                return Ok(());
            }
        }
        if end { self.write_response_body(None, true).await } else { Ok(()) }
    }

    /// Sends a piece of the reply's body; `end`: it is the last one. Returns once the connection has taken it.
    ///
    /// # Errors
    /// The client has left, or took nothing for as long as the write timeout.
    pub(crate) async fn write_response_body(
        &mut self,
        piece: Option<Bytes>,
        end: bool,
    ) -> pingora::Result<()> {
        let piece = piece.unwrap_or_default();
        let length = piece.len() as u64;
        let written = match &mut self.protocol {
            Protocol::Http1(http1) => write_http1(http1, &piece, end).await,
            Protocol::Http2(http2) => http2.write_body(piece, end).await,
        };
        written.map_err(pingora::Error::into_down)?;
        self.left = self.left.map(|left| left.saturating_sub(length));
        self.is_complete |= end;
        Ok(())
    }

    /// Ends the reply with trailers, where the client's version of HTTP can carry them.
    ///
    /// # Errors
    /// The client has left.
    pub(crate) async fn write_trailers(&mut self, trailers: HeaderMap) -> pingora::Result<()> {
        match &mut self.protocol {
            Protocol::Http1(http1) => {
                if let Some(connection) = (self.find_control)(http1.stream()) {
                    connection.end_with_trailers(&trailers);
                }
                http1.finish_body().await.map_err(pingora::Error::into_down)?;
            }
            Protocol::Http2(http2) => http2.write_trailers(trailers).map_err(pingora::Error::into_down)?,
        }
        self.is_complete = true;
        Ok(())
    }

    /// Whether the client takes trailers after a chunked reply or over HTTP/2 (RFC 9110 §6.5.1).
    pub(crate) fn takes_trailers(&self) -> bool {
        let request = self.req_header();
        match request.version {
            Version::HTTP_2 => true,
            Version::HTTP_11 => hop::takes_trailers(&request.headers),
            _ => false,
        }
    }

    /// Answers `Expect: 100-continue`, where the client waits for it (RFC 9110 §10.1.1).
    ///
    /// # Errors
    /// The client has left.
    pub(crate) async fn let_client_send(&mut self) -> pingora::Result<()> {
        if !self.waits_for_continue() || self.is_body_done() || std::mem::replace(&mut self.may_send, true) {
            return Ok(());
        }
        self.write_interim(ResponseHeader::build_no_case(StatusCode::CONTINUE, Some(0))?).await
    }

    /// Whether the client waits for a 100 before it sends its body. One that speaks HTTP/1.0 does not know what
    /// that is (RFC 9110 §10.1.1).
    pub(crate) fn waits_for_continue(&self) -> bool {
        let request = self.req_header();
        let expects = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
        request.version != Version::HTTP_10 && request.headers.get_all(header::EXPECT).iter().any(expects)
    }

    /// The status of the final reply, once its head was written.
    pub(crate) const fn answered(&self) -> Option<StatusCode> {
        self.answered
    }

    /// Whether the client has all of its reply. One that knows the length may leave with the last byte, before the end
    /// was written.
    pub(crate) fn is_answered_in_full(&self) -> bool {
        self.is_complete || self.left == Some(0)
    }

    /// The connection closes after the reply.
    pub(crate) fn close_after_reply(&mut self) {
        if let Protocol::Http1(http1) = &mut self.protocol {
            http1.set_server_keepalive(None);
        }
    }

    /// How long the connection waits for the client's next request.
    pub(crate) fn keep_alive_for(&mut self, idle: Duration) {
        if let Protocol::Http1(http1) = &mut self.protocol
            && http1.will_keepalive()
        {
            http1.set_server_keepalive(Some(idle.as_secs().max(1)));
        }
    }

    /// A reply that makes no progress for so long is given up.
    pub(crate) fn set_write_timeout(&mut self, timeout: Duration) {
        match &mut self.protocol {
            Protocol::Http1(http1) => http1.set_write_timeout(Some(timeout)),
            Protocol::Http2(http2) => http2.set_write_timeout(timeout),
        }
    }

    /// How long a read of the body may wait; `None`: for as long as it takes.
    pub(crate) fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        if let Protocol::Http1(http1) = &mut self.protocol {
            http1.set_read_timeout(timeout);
        }
    }

    /// Reads the rest of a request that is refused, if it is short and there already: then the connection can be used
    /// again (RFC 9112 §9.3).
    pub(crate) async fn read_short_rest(&mut self) {
        if self.waits_for_continue() && !self.may_send {
            return;
        }
        let deadline = Deadline::after(SHORT_WAIT);
        let mut left = SHORT_REST;
        while !self.is_body_done() && left > 0 {
            match deadline.race(self.read_request_body()).await {
                Some(Ok(Some(piece))) => left = left.saturating_sub(piece.len()),
                Some(Ok(None) | Err(_)) | None => return,
            }
        }
    }

    /// Whether the request's body was not read to its end; then the connection is not used again.
    pub(crate) fn close_if_unread(&mut self) -> bool {
        let unread = !self.is_body_done();
        if unread {
            self.close_after_reply();
        }
        unread
    }

    /// Nothing more of the request is waited for than a moment: the client was too slow already.
    pub(crate) const fn linger_for_a_moment(&mut self) {
        self.linger = Duration::from_millis(500);
    }

    /// Lets a client that is still sending see the reply. Over HTTP/1, a connection that is closed with unread bytes is
    /// reset, and the reply is lost with it. Over HTTP/2 the stream would be reset (RFC 9113 §8.1), which some
    /// clients take for a failure even where all that they still send is its end.
    pub(crate) async fn linger(&mut self) {
        let ends = Deadline::after(if self.is_http2() { LINGER_HTTP2 } else { self.linger });
        while !self.is_body_done() {
            let between = Deadline::after(LINGER_BETWEEN_BYTES).earlier(ends);
            match between.race(self.read_request_body()).await {
                Some(Ok(Some(_))) => {}
                Some(Ok(None) | Err(_)) | None => return,
            }
        }
    }

    /// A moment for what was written before a break: over HTTP/2, a reset overtakes it.
    pub(crate) async fn let_out(&self) {
        if self.is_http2() && self.answered.is_some() {
            Deadline::after(BEFORE_RESET).come().await;
        }
    }

    /// The reply breaks off: over HTTP/2 with this reason, over HTTP/1 with the end of the connection.
    pub(crate) fn break_off(&mut self, reason: ResetReason) {
        if let Protocol::Http2(http2) = &mut self.protocol {
            http2.break_off(reason);
        }
        self.close_after_reply();
    }

    /// The connection under a request of HTTP/1 that was upgraded, and the bytes that came with it.
    pub(crate) fn into_upgraded(self) -> Option<(Stream, Vec<Bytes>)> {
        let Protocol::Http1(mut http1) = self.protocol else { return None };
        let early = early_bytes(&mut http1);
        Some((http1.into_inner(), early))
    }

    /// Ends the session. Gives the connection where it can be used again.
    pub(crate) async fn finish(self) -> Option<ReusedHttpStream> {
        let Protocol::Http1(http1) = self.protocol else { return None };
        if !self.is_complete || !http1.will_keepalive() {
            let mut http1 = http1;
            http1.shutdown().await;
            return None;
        }
        let session = ServerSession::H1(*http1);
        let settings = HttpPersistentSettings::for_session(&session);
        let reusable = session.finish().await.ok()??;
        Some(ReusedHttpStream::from_reusable_stream(reusable, settings))
    }
}

/// How long a message says that its body is.
pub(crate) fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn write_http1(http1: &mut Http1, piece: &Bytes, end: bool) -> pingora::Result<()> {
    if !piece.is_empty() {
        http1.write_body(piece).await?;
    }
    if end {
        http1.finish_body().await?;
    }
    Ok(())
}

/// What a client sent behind its request before it saw the 101: pingora has read it already.
fn early_bytes(http1: &mut Http1) -> Vec<Bytes> {
    use futures_util::FutureExt as _;
    let mut early = Vec::new();
    while let Some(Ok(Some(bytes))) = tokio::task::unconstrained(http1.read_body_bytes()).now_or_never() {
        early.push(bytes);
    }
    early
}
