//! One request of a client and its reply, over HTTP/1.1 or HTTP/2.
//!
//! In: a request whose head has been read; the listener makes a [`Session`] from it. Out: any number of interim
//! replies, then one final reply. The code that serves a request sees one interface, whichever version the client speaks.
//!
//! Below it, HTTP/1.1 is pingora's session. HTTP/2 is our own [`Http2`] over the h2 crate, because pingora's can't send
//! interim replies and resets every broken stream with CANCEL. `stream_kind` tells its `WebSocket`s from its requests, and
//! `upgraded` is what is left of a session once both sides have switched to another protocol.
//!
//! # Life of a session
//!
//! 1. The body is read piece by piece ([`Session::read_request_body`]). A client that waits for 100 gets it only when
//!    its body is wanted ([`Session::let_client_send`]). `body_rate` limits how slow a body may be.
//! 2. The head of the final reply is written once, then its body, then optional trailers.
//! 3. [`Session::finish`] returns the connection if it can carry another request. [`Session::break_off`] gives the
//!    reply up: over HTTP/1.1 the connection closes, over HTTP/2 the stream is reset with a reason.
//!
//! # Invariants
//!
//! - At most one final reply is sent. Interim replies after it are dropped, as are those to HTTP/1.0 clients.
//! - A session that is dropped before its reply is complete closes its connection or resets its stream, so a client
//!   never takes a broken reply for a complete one.
//! - A connection with an unread body is not reused: where the next request begins would be a guess.
//! - Reads are cancel-safe. Writes return once the connection has taken the bytes, which limits how much a slow client
//!   makes us hold.
//!
//! # What it does not do
//!
//! It does not check heads, and changes none but as the configuration says (`shaped_reply`); it has no opinion about status codes. How the connection below it watches,
//! buffers and checks bytes is the listener's business; the session only passes on wishes ([`ConnectionControl`]).

pub(crate) mod body_rate;
mod compression;
mod connection_control;
mod http1;
mod http2;
mod reply_changes;
mod rest;
mod seen;
mod shaped_reply;
mod stream_kind;
mod unread;
mod upgraded;

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{StatusCode, Version};
use pingora::apps::{HttpPersistentSettings, ReusedHttpStream};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::Digest;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v1::server::HttpSession as Http1;

use crate::clock::Deadline;
use crate::header::hop;
use crate::transport::handshake_facts::{client_name, is_misdirected};

use compression::ReplyCompression;
use reply_changes::ReplyChanges;

pub(crate) use compression::Compressed;
pub(crate) use connection_control::{ConnectionControl, FindControl};
pub(crate) use http2::Http2;
pub(crate) use rest::Rest;
pub(crate) use seen::Seen;
pub(crate) use stream_kind::StreamKind;
pub(crate) use upgraded::BothWays;

/// After a reply that was sent before the request was read, the client may go on sending for this long in total.
const LINGER: Duration = Duration::from_secs(8);
/// Time for a piece of a reply to leave before its stream is reset.
const BEFORE_RESET: Duration = Duration::from_millis(20);

/// A client's request and its reply.
pub(crate) struct Session {
    protocol: Protocol,
    find_control: FindControl,
    /// The status of the final reply, once its head was written.
    answered: Option<StatusCode>,
    /// The reply's end was written.
    is_complete: bool,
    /// Bytes of the reply's body that are still to come, if its head has announced a length over HTTP/1.1.
    left: Option<u64>,
    linger: Duration,
    /// 100 was sent to a client that waits for it.
    may_send: bool,
    /// Bytes of the request's body that were read.
    bytes_in: u64,
    /// Bytes of the reply's body that were written.
    bytes_out: u64,
    changes: Option<Box<ReplyChanges>>,
    compression: ReplyCompression,
}

enum Protocol {
    Http1(Box<Http1>),
    Http2(Box<Http2>),
}

/// Why a reply breaks off, in the terms of HTTP/2 (RFC 9113 §7).
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
            bytes_in: 0,
            bytes_out: 0,
            changes: None,
            compression: ReplyCompression::Off,
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

    /// What the client's stream carries; over HTTP/1.1 always an exchange, which may ask for an upgrade.
    pub(crate) const fn kind(&self) -> StreamKind {
        match &self.protocol {
            Protocol::Http1(_) => StreamKind::Exchange,
            Protocol::Http2(http2) => http2.kind(),
        }
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

    /// Whether a request for this host does not belong on the connection, which was opened for another one.
    pub(crate) fn is_misdirected(&self, host: &str) -> bool {
        self.digest().ssl_digest.as_deref().is_some_and(|digest| is_misdirected(digest, host))
    }

    /// The address at which the client reached the gateway; `None` for a Unix socket.
    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        self.digest().socket_digest.as_ref()?.local_addr()?.as_inet().copied()
    }

    /// The address of the other end of the connection; `None` for a Unix socket.
    pub(crate) fn client_address(&self) -> Option<IpAddr> {
        let peer = match &self.protocol {
            Protocol::Http1(http1) => http1.client_addr(),
            Protocol::Http2(http2) => http2.client_addr(),
        };
        Some(peer?.as_inet()?.ip())
    }

    /// The next piece of the request's body; `None` at its end.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    /// The client has left, or the body breaks HTTP's framing.
    pub(crate) async fn read_request_body(&mut self) -> pingora::Result<Option<Bytes>> {
        let piece = match &mut self.protocol {
            Protocol::Http1(http1) => http1.read_body_bytes().await,
            Protocol::Http2(http2) => http2.read_body().await,
        };
        if let Ok(Some(piece)) = &piece {
            self.bytes_in += piece.len() as u64;
        }
        piece.map_err(pingora::Error::into_down)
    }

    /// Takes the trailers of a request whose body has been read to its end. None of them says how the message is read.
    pub(crate) fn take_request_trailers(&mut self) -> Option<HeaderMap> {
        match &mut self.protocol {
            Protocol::Http1(http1) => (self.find_control)(http1.stream())?.take_request_trailers(),
            Protocol::Http2(http2) => http2.take_trailers(),
        }
    }

    /// Whether the request's body has been read to its end.
    pub(crate) fn is_body_done(&mut self) -> bool {
        match &mut self.protocol {
            Protocol::Http1(http1) => http1.is_body_done(),
            Protocol::Http2(http2) => http2.is_body_done(),
        }
    }

    /// Returns once the client has closed its connection or reset its stream. The request's body must have been read. A
    /// client that has already sent its next request is not noticed.
    pub(crate) async fn gone(&mut self) {
        match &mut self.protocol {
            Protocol::Http1(http1) => while http1.read_body_or_idle(true).await.is_ok() {},
            Protocol::Http2(http2) => http2.reset().await,
        }
    }

    /// Sends an interim reply (RFC 9110 §15.2). HTTP/1.0 has none.
    ///
    /// # Errors
    /// The client has left.
    pub(crate) async fn write_interim(&mut self, header: ResponseHeader) -> pingora::Result<()> {
        if self.req_header().version == Version::HTTP_10 || self.answered.is_some() {
            return Ok(());
        }
        let written = match &mut self.protocol {
            Protocol::Http1(http1) => http1::write_head(http1, Box::new(header)).await,
            Protocol::Http2(http2) => http2.write_interim(header),
        };
        written.map_err(pingora::Error::into_down)
    }

    /// Sends the head of the final reply.
    ///
    /// # Errors
    /// The client has left.
    pub(crate) async fn write_response_header(
        &mut self,
        mut header: Box<ResponseHeader>,
        rest: Rest,
    ) -> pingora::Result<()> {
        self.answered = Some(header.status);
        self.shape_head(&mut header, rest)?;
        match &mut self.protocol {
            Protocol::Http1(http1) => {
                self.left = announced_length(&header.headers);
                http1::write_head(http1, header).await.map_err(pingora::Error::into_down)?;
            }
            Protocol::Http2(http2) => {
                http2.write_head(header, rest).map_err(pingora::Error::into_down)?;
                self.is_complete = rest.is_end();
                return Ok(());
            }
        }
        if rest.is_end() { self.end_reply().await } else { Ok(()) }
    }

    /// Sends a piece of the reply's body. Returns once the connection has taken it.
    ///
    /// # Errors
    /// The client has left, or took nothing within the write timeout.
    pub(crate) async fn write_response_body(&mut self, piece: Bytes, rest: Rest) -> pingora::Result<()> {
        if !self.is_compressed() {
            return self.write_bytes(piece, rest).await;
        }
        self.write_compressed(&piece).await?;
        self.flush_compressed(rest).await
    }

    async fn write_bytes(&mut self, piece: Bytes, rest: Rest) -> pingora::Result<()> {
        let length = piece.len() as u64;
        let written = match &mut self.protocol {
            Protocol::Http1(http1) => http1::write_body(http1, &piece, rest).await,
            Protocol::Http2(http2) => http2.write_body(piece, rest).await,
        };
        written.map_err(pingora::Error::into_down)?;
        self.bytes_out += length;
        self.left = self.left.map(|left| left.saturating_sub(length));
        self.is_complete |= rest.is_end();
        Ok(())
    }

    /// Ends a reply whose body is complete.
    ///
    /// # Errors
    /// The client has left.
    pub(crate) async fn end_reply(&mut self) -> pingora::Result<()> {
        self.write_response_body(Bytes::new(), Rest::Nothing).await
    }

    /// Ends the reply with trailers, if the client's version of HTTP can carry them.
    ///
    /// # Errors
    /// The client has left.
    pub(crate) async fn write_trailers(&mut self, trailers: HeaderMap) -> pingora::Result<()> {
        self.end_compressed().await?;
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

    /// Answers `Expect: 100-continue`, if the client waits for it (RFC 9110 §10.1.1).
    ///
    /// # Errors
    /// The client has left.
    pub(crate) async fn let_client_send(&mut self) -> pingora::Result<()> {
        if !self.waits_for_continue() || self.is_body_done() || std::mem::replace(&mut self.may_send, true) {
            return Ok(());
        }
        self.write_interim(ResponseHeader::build_no_case(StatusCode::CONTINUE, Some(0))?).await
    }

    /// Whether the client waits for 100 before it sends its body. HTTP/1.0 has no 100 (RFC 9110 §10.1.1).
    pub(crate) fn waits_for_continue(&self) -> bool {
        let request = self.req_header();
        let expects = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
        request.version != Version::HTTP_10 && request.headers.get_all(header::EXPECT).iter().any(expects)
    }

    /// The status of the final reply, once its head was written.
    pub(crate) const fn answered(&self) -> Option<StatusCode> {
        self.answered
    }

    /// What a record says of the request and its reply.
    pub(crate) fn seen(&self) -> Seen<'_> {
        Seen {
            head: Cow::Borrowed(self.req_header()),
            answered: self.answered,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            compressed: self.compression.done(),
        }
    }

    /// Whether the client has its complete reply. A client that knows the length may leave with the last byte, before
    /// the end was written.
    pub(crate) fn is_answered_in_full(&self) -> bool {
        self.is_complete || self.left == Some(0)
    }

    /// Closes the connection after the reply.
    pub(crate) fn close_after_reply(&mut self) {
        if let Protocol::Http1(http1) = &mut self.protocol {
            http1.set_server_keepalive(None);
        }
    }

    /// Sets how long the connection waits for the client's next request.
    pub(crate) fn keep_alive_for(&mut self, idle: Duration) {
        if let Protocol::Http1(http1) = &mut self.protocol
            && http1.will_keepalive()
        {
            http1.set_server_keepalive(Some(idle.as_secs().max(1)));
        }
    }

    /// Sets after how long without progress a reply is given up.
    pub(crate) fn set_write_timeout(&mut self, timeout: Duration) {
        match &mut self.protocol {
            Protocol::Http1(http1) => http1.set_write_timeout(Some(timeout)),
            Protocol::Http2(http2) => http2.set_write_timeout(timeout),
        }
    }

    /// Sets how long a read of the body may wait; `None` for no limit.
    pub(crate) fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        if let Protocol::Http1(http1) = &mut self.protocol {
            http1.set_read_timeout(timeout);
        }
    }

    /// Waits a moment for the bytes that were written before a break: over HTTP/2, a reset overtakes them.
    pub(crate) async fn let_out(&self) {
        if self.is_http2() && self.answered.is_some() {
            Deadline::after(BEFORE_RESET).come().await;
        }
    }

    /// Breaks the reply off: over HTTP/2 with this reason, over HTTP/1.1 by closing the connection.
    pub(crate) fn break_off(&mut self, reason: ResetReason) {
        if let Protocol::Http2(http2) = &mut self.protocol {
            http2.break_off(reason);
        }
        self.close_after_reply();
    }

    /// Ends the session. Returns the connection if it can carry another request.
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

/// The length of a message's body, if its head announces one.
pub(crate) fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
