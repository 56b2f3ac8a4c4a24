//! A channel over a [`Pipe`](super::pipe): its calls are sent ahead, together with those of other channels.
//!
//! Only calls that may be sent twice go there, because a pipe that breaks has them sent again. All others, and the retries of those
//! that were lost, take the way of a held connection.

use std::sync::Arc;

use http::Method;

use crate::dispatch::{Attempt, CallFailure, Sent, UpstreamReply};
use crate::memory::MemoryReservation;
use crate::problem::is_idempotent;
use crate::upstream::failover::Failover;
use crate::upstream::lease::Lease;

use super::context::Sending;
use super::exchange::{Exchanged, Reader};
use super::held::{Connection, HeldConnection, body_of};
use super::pipe::{Found, InLine, Pipe, SentAway};
use super::reply::Unanswered;
use super::under_way::CallUnderWay;
use crate::clock::Stopwatch;

/// A longer body is not copied next to the others' requests.
const BODY: usize = 8 << 10;

/// How often a call is sent ahead whose connection the service closes before its turn.
const TIMES_AHEAD: usize = 3;

/// A request that is in line.
struct Entered {
    lease: Lease,
    opened: Option<Stopwatch>,
    in_line: InLine,
}

/// How a call in line ended.
pub(super) enum Ended {
    Made(Result<UpstreamReply, Unanswered>),
    /// It is to be sent again.
    Again(SentAway),
}

/// One attempt of a call.
pub(super) async fn attempt(
    channel: &mut HeldConnection<'_>,
    sending: Sending<'_>,
    failover: &mut Failover<'_>,
) -> Result<UpstreamReply, Unanswered> {
    let is_first = sending.attempt.progress.sent() == Sent::No;
    let may_be_ahead = is_first && is_idempotent(sending.method) && body_of(sending.call).len() <= BODY;
    let seat = channel.seat.as_ref().filter(|_| may_be_ahead && !failover.needs_new());
    let Some(pipe) = seat.map(|seat| Arc::clone(seat.pipe())) else {
        return channel.attempt(sending, failover).await;
    };
    for _ in 0..TIMES_AHEAD {
        let entered = enter(channel, &pipe, sending, failover).await.map_err(Unanswered::not_sent)?;
        let Some(entered) = entered else { break };
        let why = match in_line(channel, entered, sending).await {
            Ended::Made(made) => return made,
            Ended::Again(why) => why,
        };
        channel.calls.upstream.count_retry(why.as_str());
        match why {
            SentAway::Closed => {}
            SentAway::Impatient => break,
            SentAway::Broken => {
                let _one_by_one = pipe.again().await;
                return channel.attempt(sending, failover).await;
            }
        }
    }
    channel.attempt(sending, failover).await
}

/// The way of a call through the line.
async fn in_line(channel: &HeldConnection<'_>, entered: Entered, sending: Sending<'_>) -> Ended {
    let Entered { lease, opened, in_line } = entered;
    let peer = Arc::clone(lease.peer());
    let under_way = CallUnderWay::new(channel.calls.upstream, lease, sending, opened);
    match turn(in_line, sending.method, sending.attempt, channel.calls.behalf.reservation).await {
        Ended::Made(Ok(reply)) => {
            under_way.answered(reply.status);
            if opened.is_none() {
                peer.state.idle_served();
            }
            Ended::Made(Ok(reply))
        }
        Ended::Made(Err(unanswered)) => Ended::Made(Err(under_way.unanswered(unanswered))),
        Ended::Again(why) => {
            under_way.sent_away();
            Ended::Again(why)
        }
    }
}

/// Waits until the call is at the front, and reads its reply. The connection ends with a call that has none.
pub(super) async fn turn(
    in_line: InLine,
    method: &Method,
    attempt: Attempt<'_>,
    reservation: &MemoryReservation<'_>,
) -> Ended {
    let buffers = match in_line.front().await {
        Ok(buffers) => buffers,
        Err(why) => return Ended::Again(why),
    };
    let mut reader = Reader::new(in_line.wire(), buffers);
    let answer = reader.reply(method, attempt, reservation).await;
    let buffers = reader.into_buffers();
    match answer {
        Ok(Exchanged { reply, keeps_connection }) => {
            in_line.answered(keeps_connection.then_some(buffers));
            Ended::Made(Ok(reply))
        }
        // Perhaps because of a reply before it.
        Err(Unanswered { failure: CallFailure::ConnectionLost | CallFailure::ReplyMalformed, .. }) => {
            Ended::Again(SentAway::Broken)
        }
        Err(unanswered) => Ended::Made(Err(unanswered)),
    }
}

/// Puts a request in line. `None`: it can't go there.
async fn enter(
    channel: &mut HeldConnection<'_>,
    pipe: &Arc<Pipe>,
    sending: Sending<'_>,
    failover: &mut Failover<'_>,
) -> Result<Option<Entered>, CallFailure> {
    let (lease, opened) = match pipe.find().await {
        Found::Off => return Ok(None),
        Found::Open(peer) => match failover.to(&peer) {
            Some(lease) => (lease, None),
            None => return Ok(None),
        },
        Found::None(connecting) => {
            let (lease, Connection { peer, stream, opened }) = channel.connect(failover, sending).await?;
            connecting.done(peer, stream);
            (lease, opened)
        }
    };
    channel.head.clear();
    channel.calls.write_head(sending, lease.peer(), &mut channel.head)?;
    let in_line = pipe.enter(&channel.head, body_of(sending.call));
    Ok(in_line.map(|in_line| Entered { lease, opened, in_line }))
}
