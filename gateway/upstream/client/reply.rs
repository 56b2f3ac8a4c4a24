//! Reads an upstream's complete reply within the batch's budget and memory. Interim replies (1xx, RFC 9110 §15.2) are
//! skipped; a reply that exceeds a limit is dropped with its connection. Here it is read from a stream of HTTP/2; over HTTP/1.1
//! [`exchange`](super::exchange) reads it, with the same parts.

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use pingora::protocols::http::client::HttpSession;

use crate::dispatch::{Attempt, CallFailure, ReplyBudget, UpstreamReply};
use crate::header::hop::is_interim;
use crate::memory::{MemoryExhausted, MemoryReservation};
use crate::transport::field_names;
use crate::upstream::error;
use crate::upstream::retry::Lost;

/// Interim replies that are skipped before the final one.
pub(super) const MAX_INTERIM: usize = 32;

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

/// Reads a complete reply.
pub(super) async fn collect(
    session: &mut HttpSession,
    Attempt { progress, budget, .. }: Attempt<'_>,
    reservation: &MemoryReservation<'_>,
) -> Result<UpstreamReply, Unanswered> {
    let mut reply = read_head(session).await?;
    progress.mark_first_byte();
    let mut held = Held::new(budget, reservation);
    held.take(0, reply.bytes()).await?;
    reply.body = read_body(session, &mut held).await?;
    held.keep();
    Ok(reply)
}

/// What a reply holds of the budget; given back unless the reply is kept, also when its call is
/// dropped in the middle.
pub(super) struct Held<'budget> {
    budget: &'budget ReplyBudget,
    reservation: &'budget MemoryReservation<'budget>,
    bytes: usize,
}

impl<'budget> Held<'budget> {
    pub(super) const fn new(
        budget: &'budget ReplyBudget,
        reservation: &'budget MemoryReservation<'budget>,
    ) -> Self {
        Self { budget, reservation, bytes: 0 }
    }

    /// Takes `more` bytes for a body that has `body` already.
    pub(super) async fn take(&mut self, body: usize, more: usize) -> Result<(), CallFailure> {
        self.budget.take(body, more)?;
        self.bytes += more;
        self.reservation.take_or_wait(more).await.map_err(|MemoryExhausted| {
            // The reservation took none of it.
            self.budget.give_back(more);
            self.bytes -= more;
            CallFailure::MemoryFull
        })
    }

    pub(super) fn keep(mut self) {
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

/// The final reply, its body still empty.
async fn read_head(session: &mut HttpSession) -> Result<UpstreamReply, Unanswered> {
    for interim in 0..=MAX_INTERIM {
        if let Err(error) = session.read_response_header().await {
            if interim > 0 {
                return Err(error::of_exchange(&error).into());
            }
            let failure = error::before_reply(&error);
            let (nothing_received, sent) =
                (failure == CallFailure::ConnectionLost, failure != CallFailure::NotProcessed);
            return Err(Unanswered { nothing_received, sent, ..failure.into() });
        }
        // 101 answers an Upgrade, which no call asks for (RFC 9110 §7.8).
        match session.response_header().filter(|head| head.status != StatusCode::SWITCHING_PROTOCOLS) {
            Some(head) if is_interim(head.status) => {}
            Some(head) if error::is_framing_read(&head.headers) => {
                let (status, headers) = (head.status, head.headers.clone());
                let spellings = field_names::of_reply(head);
                return Ok(UpstreamReply { status, headers, spellings, body: Bytes::new() });
            }
            Some(_) | None => break,
        }
    }
    Err(CallFailure::ReplyMalformed.into())
}

async fn read_body(session: &mut HttpSession, held: &mut Held<'_>) -> Result<Bytes, CallFailure> {
    let mut body = Body::default();
    while !session.response_done() {
        match session.read_response_body().await {
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
#[derive(Default)]
pub(super) struct Body {
    first: Bytes,
    rest: BytesMut,
}

impl Body {
    pub(super) fn len(&self) -> usize {
        self.first.len() + self.rest.len()
    }

    pub(super) fn push(&mut self, bytes: Bytes) {
        if self.len() == 0 {
            self.first = bytes;
        } else {
            let first = std::mem::take(&mut self.first);
            self.rest.extend_from_slice(&first);
            self.rest.extend_from_slice(&bytes);
        }
    }

    pub(super) fn into_bytes(self) -> Bytes {
        if self.rest.is_empty() { self.first } else { self.rest.freeze() }
    }
}
