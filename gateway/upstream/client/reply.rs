//! Reads an upstream's complete reply within the batch's budget and memory. Interim replies (1xx, RFC 9110 §15.2) are
//! skipped; a reply that exceeds a limit is dropped with its connection.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use pingora::protocols::http::client::HttpSession as AnySession;
use pingora::protocols::http::v1::client::HttpSession;

use crate::dispatch::{Attempt, CallFailure, ReplyBudget, UpstreamReply};
use crate::header::hop::is_interim;
use crate::header::spelling::Spellings;

use crate::memory::{MemoryExhausted, MemoryReservation};
use crate::transport::field_names;
use crate::upstream::error;
use crate::upstream::retry::Lost;

/// Interim replies that are skipped before the final one.
const MAX_INTERIM: usize = 32;

/// A call that brought no reply.
pub(super) struct Unanswered {
    pub(super) failure: CallFailure,
    /// No byte of a reply came.
    pub(super) nothing_received: bool,
    /// A byte of this attempt may have left.
    pub(super) sent: bool,
    /// The connection had been idle, and turned out to be closed.
    pub(super) stale: bool,
}

impl Unanswered {
    /// Whether the target is not at fault.
    pub(super) fn is_blameless(&self) -> bool {
        self.stale || self.failure == CallFailure::NotProcessed
    }

    /// The attempt as the retry policy sees it.
    pub(super) const fn lost(&self) -> Lost {
        Lost { failure: self.failure, is_sent: self.sent, is_stale: self.stale }
    }

    /// Nothing was sent.
    pub(super) fn not_sent(failure: CallFailure) -> Self {
        Self { sent: false, ..failure.into() }
    }
}

impl From<CallFailure> for Unanswered {
    fn from(failure: CallFailure) -> Self {
        Self { failure, nothing_received: false, sent: true, stale: false }
    }
}

/// A session whose reply can be read: HTTP/1.1 on a held connection, or a stream of HTTP/2.
pub(super) trait Replies {
    async fn read_header(&mut self) -> pingora::Result<()>;
    fn head(&self) -> Option<(StatusCode, &HeaderMap)>;
    /// How the names of the fields were spelt. HTTP/2 has only lower case.
    fn spellings(&self) -> Spellings;
    async fn read_some(&mut self) -> pingora::Result<Option<Bytes>>;
    fn is_done(&mut self) -> bool;
}

impl Replies for HttpSession {
    async fn read_header(&mut self) -> pingora::Result<()> {
        self.read_response().await.map(|_| ())
    }

    fn head(&self) -> Option<(StatusCode, &HeaderMap)> {
        self.resp_header().map(|header| (header.status, &header.headers))
    }

    fn spellings(&self) -> Spellings {
        self.resp_header().map_or_else(Spellings::default, field_names::of_reply)
    }

    async fn read_some(&mut self) -> pingora::Result<Option<Bytes>> {
        self.read_body_bytes().await
    }

    fn is_done(&mut self) -> bool {
        self.is_body_done()
    }
}

impl Replies for AnySession {
    async fn read_header(&mut self) -> pingora::Result<()> {
        self.read_response_header().await
    }

    fn head(&self) -> Option<(StatusCode, &HeaderMap)> {
        self.response_header().map(|header| (header.status, &header.headers))
    }

    fn spellings(&self) -> Spellings {
        Spellings::default()
    }

    async fn read_some(&mut self) -> pingora::Result<Option<Bytes>> {
        self.read_response_body().await
    }

    fn is_done(&mut self) -> bool {
        self.response_done()
    }
}

/// Reads a complete reply.
pub(super) async fn collect(
    session: &mut impl Replies,
    Attempt { progress, budget, .. }: Attempt<'_>,
    reservation: &MemoryReservation<'_>,
) -> Result<UpstreamReply, Unanswered> {
    let (status, headers) = read_final_header(session).await?;
    progress.mark_first_byte();
    let spellings = session.spellings();
    let mut reply = UpstreamReply { status, headers, spellings, body: Bytes::new() };
    let mut held = Held { budget, reservation, bytes: 0 };
    held.take(0, reply.bytes()).await?;
    reply.body = read_body(session, &mut held).await?;
    held.keep();
    Ok(reply)
}

/// What a reply holds of the budget; given back unless the reply is kept, also when its call is
/// dropped in the middle.
struct Held<'budget> {
    budget: &'budget ReplyBudget,
    reservation: &'budget MemoryReservation<'budget>,
    bytes: usize,
}

impl Held<'_> {
    /// Takes `more` bytes for a body that has `body` already.
    async fn take(&mut self, body: usize, more: usize) -> Result<(), CallFailure> {
        self.budget.take(body, more)?;
        self.bytes += more;
        self.reservation.take_or_wait(more).await.map_err(|MemoryExhausted| {
            // The reservation took none of it.
            self.budget.give_back(more);
            self.bytes -= more;
            CallFailure::MemoryFull
        })
    }

    fn keep(mut self) {
        self.bytes = 0;
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.budget.give_back(self.bytes);
            self.reservation.give_back(self.bytes);
        }
    }
}

async fn read_final_header(session: &mut impl Replies) -> Result<(StatusCode, HeaderMap), Unanswered> {
    for interim in 0..=MAX_INTERIM {
        if let Err(error) = session.read_header().await {
            if interim > 0 {
                return Err(error::of_exchange(&error).into());
            }
            let failure = error::before_reply(&error);
            let (nothing_received, sent) =
                (failure == CallFailure::ConnectionLost, failure != CallFailure::NotProcessed);
            return Err(Unanswered { nothing_received, sent, ..failure.into() });
        }
        match session.head() {
            // 101 answers an Upgrade, which no call asks for (RFC 9110 §7.8).
            Some((StatusCode::SWITCHING_PROTOCOLS, _)) | None => {
                return Err(CallFailure::ReplyMalformed.into());
            }
            Some((status, _)) if is_interim(status) => {}
            Some((_, headers)) if !error::is_framing_read(headers) => {
                return Err(CallFailure::ReplyMalformed.into());
            }
            Some((status, headers)) => return Ok((status, headers.clone())),
        }
    }
    Err(CallFailure::ReplyMalformed.into())
}

async fn read_body(session: &mut impl Replies, held: &mut Held<'_>) -> Result<Bytes, CallFailure> {
    let mut body = Body { first: Bytes::new(), rest: BytesMut::new() };
    while !session.is_done() {
        match session.read_some().await {
            Ok(Some(bytes)) => {
                held.take(body.len(), bytes.len()).await?;
                body.push(bytes);
            }
            Ok(None) => break,
            Err(error) => return Err(error::of_exchange(&error)),
        }
    }
    Ok(body.into_bytes())
}

/// Most replies come in one piece, which is kept as it is; more pieces are joined.
struct Body {
    first: Bytes,
    rest: BytesMut,
}

impl Body {
    fn len(&self) -> usize {
        self.first.len() + self.rest.len()
    }

    fn push(&mut self, bytes: Bytes) {
        if self.len() == 0 {
            self.first = bytes;
        } else {
            let first = std::mem::take(&mut self.first);
            self.rest.extend_from_slice(&first);
            self.rest.extend_from_slice(&bytes);
        }
    }

    fn into_bytes(self) -> Bytes {
        if self.rest.is_empty() { self.first } else { self.rest.freeze() }
    }
}
