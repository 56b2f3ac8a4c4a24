//! The exchange loop: forwards a request that is not a batch.
//!
//! In: a request whose route leads to an upstream ([`ProxyPlan`]). Out: one reply to the client, and an [`Outcome`] for one
//! report. On the way it waits for its permit, as items of batches do; takes a target; sends the head and, piece by
//! piece, the body; and passes on the reply. Both directions go on at the same time: an upstream may answer before
//! it has read the request, and a client may be slow at either.
//!
//! Invariants:
//! - Exactly one request reaches the upstream for each attempt: its head is written once, its end is written once
//!   ([`upstream::RequestWriter`]), and a request whose body broke off is never ended.
//! - Nothing of a reply reaches the client before it is settled that no other attempt follows.
//! - A reply that breaks off is never ended: over HTTP/1 the connection closes, over HTTP/2 the stream is reset, and a
//!   gRPC client gets a status.
//! - At most one piece of either body is in memory, and up to 64 KiB of the request's for another attempt.
//!
//! The files, in the order that a request passes through them: `plan` decides how it is forwarded, `exchange` holds its
//! state on its way, `attempts` sends it until there is a reply, `request` writes its head, `upload` takes its
//! body from the client and `decoding` decompresses it, `head` waits for the head of the reply, `reply` makes that one of ours, `relay` passes on the
//! body. `upgrade`, `handshake`, `tunnel`, `websocket` and `lasting` are about exchanges that stay open.
//!
//! It does not speak HTTP itself: the client's side is a [`Session`], the upstream's an [`upstream::Connection`]. The rules
//! of the hop, of retries and of targets are not its own either; items of batches call the same ones (`header`,
//! `upstream`).

mod attempts;
mod decoding;
mod exchange;
mod handshake;
mod head;
mod lasting;
mod outcome;
mod plan;
mod relay;
mod reply;
mod request;
mod tunnel;
mod upgrade;
mod upload;
mod upstream;
mod websocket;

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Deadline;
use crate::dispatch::CallFailure;
use crate::limiter::{FairLimiter, Flow, Permit};
use crate::serve::context::Context;
use crate::session::Session;
use crate::state::gateway::Gateway;
use crate::upstream::client::Queued;
use crate::upstream::instance::Upstream;

use decoding::NoRoom;
use exchange::Exchange;
use plan::Job;
use upload::Upload;

pub(crate) use outcome::{Ended, Failure, Outcome};
pub(crate) use plan::{ProxyPlan, Way};
pub(crate) use tunnel::Tunnel;

/// Serves a request by forwarding it.
pub(crate) async fn forward(
    gateway: &Arc<Gateway>,
    session: &mut Session,
    context: &Context,
    plan: &ProxyPlan,
) -> Outcome {
    let Some(upstream) = context.snapshot.upstream(plan.upstream) else {
        return Ended::Failed(Failure::not_sent(CallFailure::Internal)).into();
    };
    let permit = tokio::select! {
        permit = take_permit(upstream, context, plan.timeout.item) => permit,
        () = gone_while_waiting(session) => return Ended::ClientGone.into(),
    };
    let permit = match permit {
        Ok(permit) => permit,
        Err(failure) => return Ended::Failed(Failure::not_sent(failure)).into(),
    };
    let decoding = match plan.decode.map(|decode| decode.begin(&gateway.decoders)).transpose() {
        Ok(decoding) => decoding,
        Err(NoRoom) => return Ended::Failed(Failure::NoMemory).into(),
    };
    let job = Job { gateway, upstream, context, plan };
    let upload = Upload::new(session, job, decoding);
    Exchange::new(job, session, permit, upload).run().await
}

/// Returns once the client has left. That can be seen only after it has sent all of its request.
async fn gone_while_waiting(session: &mut Session) {
    if session.is_body_done() {
        session.gone().await;
    } else {
        std::future::pending::<()>().await;
    }
}

/// Takes a permit of the upstream, which single requests share with batches: a client that sends one by one waits no longer,
/// and gets no more, than one that sends a batch.
async fn take_permit(
    upstream: &Upstream,
    context: &Context,
    patience: Duration,
) -> Result<Permit<Arc<FairLimiter>>, CallFailure> {
    let flow = Flow::new(context.caller.client());
    if let Some(permit) = FairLimiter::try_acquire(Arc::clone(&upstream.limiter), &flow) {
        return Ok(permit);
    }
    let _queued = Queued::new(upstream, &flow);
    let permit = FairLimiter::acquire(Arc::clone(&upstream.limiter), &flow);
    match Deadline::after(patience).race(permit).await {
        Some(permit) => permit.map_err(CallFailure::from),
        None if flow.was_held_back() => Err(CallFailure::ClientShareTimeout),
        None => Err(CallFailure::QueueTimeout),
    }
}
