//! One exchange over HTTP/1.1: a request is written, its head and body in one write, and the complete reply is read.
//!
//! **Why a client of our own.** Most of what a call costs is reading its reply. With pingora's client a head is read twice (once to
//! check it, once to parse it) and copied. Here it is read once, by httparse, under the same rules
//! (`http1::reply_reader`), and the fields and the body are slices of the buffer that they were read into.
//!
//! In: a connection that has nothing unread, and the bytes of the request. Out: the reply, and whether the connection can
//! carry another request: it said so, its reply ended where its framing said, and nothing came after that. Dropping the
//! future leaves the connection in the middle of a reply; it must be closed then.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, Method};
use pingora::protocols::Stream;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite as _, ReadBuf};

use crate::dispatch::{Attempt, CallFailure, UpstreamReply};
use crate::header::hop::keeps_connection;
use crate::header::spelling::Spellings;
use crate::http1::{AfterReplyHead, ReplyBody, ReplyHead};
use crate::memory::MemoryReservation;

use super::incoming::{Buffers, Incoming, Read, value_of};
use super::reply::{Body, Held, MAX_INTERIM, Unanswered};

#[cfg(test)]
mod tests;

/// Room for a body whose length is known, before its bytes have come.
const FIRST_ROOM: usize = 256 << 10;

/// A request as it is written.
#[derive(Clone, Copy)]
pub(super) struct Request<'call> {
    pub(super) method: &'call Method,
    pub(super) head: &'call [u8],
    pub(super) body: &'call [u8],
}

/// A reply, and what it says about its connection.
pub(super) struct Exchanged {
    pub(super) reply: UpstreamReply,
    /// The connection stays open for the next reply.
    pub(super) keeps_connection: bool,
}

impl Exchanged {
    /// Whether the connection can carry another request. `left`: what was read beyond the reply. Nobody asked for it.
    pub(super) fn is_reusable(&self, left: &Buffers) -> bool {
        self.keeps_connection && left.unread.is_empty()
    }
}

/// Writes a request and reads its reply, both at once: a service may answer before it has read all, and may then read no more
/// (RFC 9112 §9.5). What is left unread answers no request.
pub(super) async fn exchange(
    stream: &mut Stream,
    input: BytesMut,
    request: Request<'_>,
    attempt: Attempt<'_>,
    reservation: &MemoryReservation<'_>,
) -> Result<(Exchanged, Buffers), Unanswered> {
    let Request { method, head, body } = request;
    let exchanging = Exchanging { stream, head, body, written: Written::InPart };
    let mut reader = Reader::new(exchanging, Buffers { unread: Bytes::new(), input });
    let mut exchanged = reader.reply(method, attempt, reservation).await?;
    exchanged.keeps_connection &= reader.incoming.stream.written == Written::Completely;
    Ok((exchanged, reader.into_buffers()))
}

/// A connection on which the rest of a request is written while its reply is awaited.
struct Exchanging<'call> {
    stream: &'call mut Stream,
    head: &'call [u8],
    body: &'call [u8],
    written: Written,
}

/// How much of a request was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    InPart,
    Completely,
    /// In part, and the service takes no more.
    Failed,
}

impl Exchanging<'_> {
    /// Writes until all is written, or the connection takes no more.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, head, body, .. } = self;
        while head.has_remaining() || body.has_remaining() {
            let pieces = [IoSlice::new(head), IoSlice::new(body)];
            let pieces = if body.is_empty() { pieces.get(..1) } else { Some(&pieces[..]) };
            let pieces = pieces.unwrap_or_default();
            let written = ready!(Pin::new(&mut **stream).poll_write_vectored(context, pieces))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let of_head = written.min(head.len());
            head.advance(of_head);
            body.advance(written - of_head);
        }
        Pin::new(&mut **stream).poll_flush(context)
    }
}

impl AsyncRead for Exchanging<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let exchanging = self.get_mut();
        if exchanging.written == Written::InPart {
            exchanging.written = match exchanging.poll_send(context) {
                Poll::Pending => Written::InPart,
                Poll::Ready(Ok(())) => Written::Completely,
                // A service may answer and close before it has read all: its answer counts (RFC 9112 §9.6).
                Poll::Ready(Err(_)) => Written::Failed,
            };
        }
        Pin::new(&mut *exchanging.stream).poll_read(context, buffer)
    }
}

/// Reads one reply.
pub(super) struct Reader<S> {
    incoming: Incoming<S>,
}

/// A head, and what follows it.
struct Head {
    reply: UpstreamReply,
    body: Option<ReplyBody>,
    keeps_connection: bool,
}

impl<S: AsyncRead + Unpin> Reader<S> {
    pub(super) fn new(stream: S, buffers: Buffers) -> Self {
        Self { incoming: Incoming::new(stream, buffers) }
    }

    /// What was read beyond the reply.
    pub(super) fn into_buffers(self) -> Buffers {
        self.incoming.into_buffers()
    }

    pub(super) async fn reply(
        &mut self,
        method: &Method,
        Attempt { progress, budget, .. }: Attempt<'_>,
        reservation: &MemoryReservation<'_>,
    ) -> Result<Exchanged, Unanswered> {
        let Head { mut reply, body, keeps_connection } = match self.final_head(method).await {
            Ok(head) => head,
            Err(failure) => {
                let nothing_received = failure == CallFailure::ConnectionLost && self.incoming.received == 0;
                return Err(Unanswered { nothing_received, ..failure.into() });
            }
        };
        progress.mark_first_byte();
        let mut held = Held::new(budget, reservation);
        held.take(0, reply.bytes()).await?;
        let ends_with_connection = body.as_ref().is_some_and(ReplyBody::ends_with_connection);
        if let Some(body) = body {
            reply.body = self.body(body, &mut held).await?;
        }
        held.keep();
        Ok(Exchanged { reply, keeps_connection: keeps_connection && !ends_with_connection })
    }

    async fn final_head(&mut self, method: &Method) -> Result<Head, CallFailure> {
        for _ in 0..=MAX_INTERIM {
            if let Some(head) = self.incoming.head(|head, bytes| head_of(head, bytes, method)).await?? {
                return Ok(head);
            }
        }
        Err(CallFailure::ReplyMalformed)
    }

    async fn body(&mut self, mut rest: ReplyBody, held: &mut Held<'_>) -> Result<Bytes, CallFailure> {
        if let Some(length) = rest.length().filter(|length| *length > self.incoming.unread.len()) {
            return self.body_to_come(length, held).await;
        }
        let mut body = Body::default();
        loop {
            if self.incoming.unread.is_empty() {
                match self.incoming.read().await.map_err(|_| CallFailure::ConnectionLost)? {
                    Read::End if rest.ends_with_connection() => break,
                    Read::End => return Err(CallFailure::ConnectionLost),
                    Read::Some => {}
                }
            }
            let piece = std::mem::take(&mut self.incoming.unread);
            let before = body.len();
            let taken = rest.take(&piece, |data| body.push(piece.slice_ref(data)));
            let (taken, is_complete) = taken.map_err(|_| CallFailure::ReplyMalformed)?;
            held.take(before, body.len() - before).await?;
            self.incoming.unread = piece.slice(taken..);
            if is_complete {
                break;
            }
        }
        Ok(body.into_bytes())
    }

    /// A body of this many bytes, of which not all have come. It is read to where it stays.
    async fn body_to_come(&mut self, length: usize, held: &mut Held<'_>) -> Result<Bytes, CallFailure> {
        let first = std::mem::take(&mut self.incoming.unread);
        held.take(0, first.len()).await?;
        let mut body = BytesMut::with_capacity(length.min(FIRST_ROOM));
        body.extend_from_slice(&first);
        while body.len() < length {
            let before = body.len();
            if body.capacity() == before {
                body.reserve(before.min(length - before));
            }
            let read = self.incoming.stream.read_buf(&mut (&mut body).limit(length - before)).await;
            read.ok().filter(|count| *count > 0).ok_or(CallFailure::ConnectionLost)?;
            held.take(before, body.len() - before).await?;
        }
        Ok(body.freeze())
    }
}

/// The head's fields as slices of its bytes, and what follows it. `None`: it is interim.
fn head_of(head: &ReplyHead<'_>, bytes: &Bytes, method: &Method) -> Result<Option<Head>, CallFailure> {
    let body = match head.after(method) {
        AfterReplyHead::AnotherHead => return Ok(None),
        // No call asks for another protocol (RFC 9110 §7.8).
        AfterReplyHead::OtherProtocol => return Err(CallFailure::ReplyMalformed),
        AfterReplyHead::End => None,
        AfterReplyHead::Body(body) => Some(body),
    };
    let mut headers = HeaderMap::with_capacity(head.fields.len());
    let mut spellings = Spellings::default();
    for field in head.fields {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let (Ok(name), Some(value)) = (name, value_of(field, bytes)) else {
            return Err(CallFailure::ReplyMalformed);
        };
        spellings.add(&name, field.name.as_bytes());
        headers.append(name, value);
    }
    let keeps_connection = keeps_connection(&headers, head.version);
    let reply = UpstreamReply { status: head.status, headers, spellings, body: Bytes::new() };
    Ok(Some(Head { reply, body, keeps_connection }))
}
