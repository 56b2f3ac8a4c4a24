//! A reply over HTTP/1.1 that is handed on as it comes, for requests that are not batches: interim heads, the final head, pieces
//! of the body, trailers.
//!
//! In: a connection on which a request is being written. Out: the parts of its reply in order, and whether the connection can carry
//! another request. Heads and bodies are slices of the buffers that they were read into; chunks that came together are joined.
//! All reads are cancel-safe. Where the reply ends is decided by the same functions as for items.

use bytes::Bytes;
use http::{HeaderMap, Method};
use pingora::http::ResponseHeader;
use pingora::{Error, ErrorType};
use tokio::io::AsyncRead;

use crate::header::hop::keeps_connection;
use crate::http1::{AfterReplyHead, Fault, ReplyBody, ReplyHead};

use super::incoming::{Buffers, Incoming, NoHead, Read, value_of};
use super::reply::Body;

/// A reply that is being read.
#[derive(Debug)]
pub(crate) struct StreamedReply<S> {
    incoming: Incoming<S>,
    /// Of the request: it decides whether the reply has a body.
    method: Method,
    next: Next,
    /// The head says that the connection stays open.
    keeps_connection: bool,
    trailers: Option<HeaderMap>,
}

/// What comes next.
#[derive(Debug)]
enum Next {
    Head,
    Body(ReplyBody),
    /// The reply is complete.
    Nothing,
    /// Bytes of another protocol.
    OtherProtocol,
}

impl<S: AsyncRead + Unpin> StreamedReply<S> {
    /// The reply to a request with this method.
    pub(crate) fn new(stream: S, method: Method) -> Self {
        let incoming = Incoming::new(stream, Buffers::default());
        Self { incoming, method, next: Next::Head, keeps_connection: false, trailers: None }
    }

    /// The next head: an interim one, or the final one, after which the body follows.
    ///
    /// # Errors
    /// The connection is gone, or what came is not a reply.
    pub(crate) async fn head(&mut self) -> pingora::Result<ResponseHeader> {
        let Self { incoming, method, .. } = self;
        let made = incoming.head(|head, bytes| Ok((made_of(head, bytes)?, head.after(method)))).await;
        let (head, after) = made.map_err(no_head).flatten()?;
        let stays_open = keeps_connection(&head.headers, head.version);
        self.next = match after {
            AfterReplyHead::AnotherHead => Next::Head,
            AfterReplyHead::OtherProtocol => Next::OtherProtocol,
            AfterReplyHead::End => Next::Nothing,
            AfterReplyHead::Body(body) => Next::Body(body),
        };
        let ends_with_connection = matches!(&self.next, Next::Body(body) if body.ends_with_connection());
        self.keeps_connection = stays_open && !ends_with_connection;
        Ok(head)
    }

    /// The next piece of the body; `None` at its end.
    ///
    /// # Errors
    /// The body broke off, or breaks HTTP's framing.
    pub(crate) async fn body(&mut self) -> pingora::Result<Option<Bytes>> {
        loop {
            let Next::Body(body) = &mut self.next else { return Ok(None) };
            if self.incoming.unread.is_empty() {
                match self.incoming.read().await.map_err(lost)? {
                    Read::Some => {}
                    Read::End if body.ends_with_connection() => self.next = Next::Nothing,
                    Read::End => return Error::e_explain(ErrorType::ConnectionClosed, "in a body"),
                }
                continue;
            }
            let bytes = std::mem::take(&mut self.incoming.unread);
            let mut piece = Body::default();
            let taken = body.take(&bytes, |data| piece.push(bytes.slice_ref(data)));
            let (taken, is_complete) = taken.map_err(malformed)?;
            self.incoming.unread = bytes.slice(taken..);
            if is_complete {
                self.end();
            }
            if piece.len() > 0 {
                return Ok(Some(piece.into_bytes()));
            }
        }
    }

    fn end(&mut self) {
        if let Next::Body(body) = std::mem::replace(&mut self.next, Next::Nothing) {
            self.trailers = body.into_trailers();
        }
    }

    /// Whether the reply is complete. Right after its head: whether it has no body.
    pub(crate) const fn is_done(&self) -> bool {
        matches!(self.next, Next::Nothing)
    }

    /// Takes the trailers, once the body has come to its end.
    pub(crate) fn take_trailers(&mut self) -> Option<HeaderMap> {
        self.trailers.take()
    }

    /// Bytes that have come so far, also those of a head that is not complete.
    pub(crate) const fn received(&self) -> u64 {
        self.incoming.received
    }

    /// The connection, if it can carry another request: the reply is complete, nothing came after it, and it said that the
    /// connection stays open.
    pub(crate) fn into_reusable(self) -> Option<S> {
        let is_reusable = self.is_done() && self.keeps_connection && self.incoming.unread.is_empty();
        is_reusable.then_some(self.incoming.stream)
    }

    /// The connection after a head that switched to another protocol, and the bytes that came after it.
    pub(crate) fn into_upgraded(self) -> Option<(S, Bytes)> {
        let Incoming { stream, unread, .. } = self.incoming;
        matches!(self.next, Next::OtherProtocol).then_some((stream, unread))
    }
}

/// The head with its names as they were spelt.
fn made_of(head: &ReplyHead<'_>, bytes: &Bytes) -> pingora::Result<ResponseHeader> {
    let mut made = ResponseHeader::build(head.status, Some(head.fields.len()))?;
    made.set_version(head.version);
    made.set_reason_phrase(head.reason)?;
    for field in head.fields {
        let value = value_of(field, bytes);
        let value = value.ok_or_else(|| Error::explain(ErrorType::InvalidHTTPHeader, "a field's value"))?;
        made.append_header(bytes.slice_ref(field.name.as_bytes()), value)?;
    }
    Ok(made)
}

#[expect(clippy::unnecessary_box_returns, reason = "pingora's results have it so")]
fn no_head(reason: NoHead) -> Box<Error> {
    match reason {
        NoHead::Malformed(fault) => malformed(fault),
        NoHead::Closed => Error::explain(ErrorType::ConnectionClosed, "before a head"),
        NoHead::Lost(error) => lost(error),
    }
}

#[expect(clippy::unnecessary_box_returns, reason = "pingora's results have it so")]
fn malformed(fault: Fault) -> Box<Error> {
    Error::because(
        ErrorType::InvalidHTTPHeader,
        "a reply",
        std::io::Error::new(std::io::ErrorKind::InvalidData, fault),
    )
}

#[expect(clippy::unnecessary_box_returns, reason = "pingora's results have it so")]
fn lost(error: std::io::Error) -> Box<Error> {
    Error::because(ErrorType::ReadError, "a reply", error)
}
