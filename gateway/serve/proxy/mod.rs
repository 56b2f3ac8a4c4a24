//! The exchange loop: what happens to a request that is no batch.
//!
//! In: a request whose route leads to an upstream ([`ProxyPlan`]). Out: one reply to the client, and one report. On the
//! way it waits for its turn, as items of batches do; takes a target; sends the head and, piece by piece, the
//! body; and hands on what comes back. Both directions go on at the same time: an upstream may answer before it has
//! read the request, and a client may be slow at either.
//!
//! Invariants:
//! - Exactly one request reaches the upstream for each attempt: its head is written once, its end is written once
//!   ([`upstream::RequestWriter`]), and a request whose body broke off is never ended.
//! - Nothing of a reply reaches the client before it is settled that no other attempt follows.
//! - A reply that breaks off is never ended: over HTTP/1 the connection closes, over HTTP/2 the stream is reset, and a
//!   gRPC client gets a status.
//! - At most one piece of either body is in memory, and up to 64 KiB of the request's for another attempt.
//!
//! It does not speak HTTP itself: the client's side is a [`Session`], the upstream's a [`upstream::Connection`].

mod attempts;
mod head;
mod lasting;
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

use http::StatusCode;
use pingora::http::ResponseHeader;

use crate::clock::Deadline;
use crate::dispatch::{CallFailure, Sent};
use crate::http1::Fault;
use crate::limiter::{FairLimiter, Flow, Permit};
use crate::telemetry::{GrpcStatus, LongLivedEnd, LongLivedKind};

use crate::serve::context::Context;
use crate::session::{ResetReason, Session};
use crate::state::gateway::Gateway;
use crate::upstream::backoff::wanted_pause;
use crate::upstream::client::Queued;
use crate::upstream::connections::race;
use crate::upstream::error;
use crate::upstream::instance::Upstream;
use crate::upstream::lease::Lease;
use crate::upstream::peer::Peer;

use attempts::{Attempts, Lost};
use head::Begun;
use lasting::Lasting;
use upload::{FromClient, Upload};
use upstream::{Connection, ReplyReader, RequestWriter};

pub(crate) use plan::{ProxyPlan, is_grpc};
pub(crate) use tunnel::Tunnel;

/// What became of an exchange.
pub(crate) struct Outcome {
    pub(crate) ended: Ended,
    /// How it ended, if it [lasted](lasting).
    pub(crate) lasted: Option<LongLivedEnd>,
    /// What its service said, if it was a call of gRPC.
    pub(crate) grpc_status: Option<GrpcStatus>,
}

impl From<Ended> for Outcome {
    fn from(ended: Ended) -> Self {
        Self { ended, lasted: None, grpc_status: None }
    }
}

/// How an exchange ended.
pub(crate) enum Ended {
    /// The client has its reply.
    Replied,
    /// The client has nothing yet; why.
    Failed(Failure),
    /// The client has a part of its reply; why it breaks off, and the reason for its stream's reset.
    BrokeOff(CallFailure, ResetReason),
    /// The client has left.
    ClientGone,
    /// The client took nothing of its reply for too long.
    ClientStalled,
    /// Both sides have switched to another protocol.
    Upgraded(Box<Tunnel>),
}

/// Why a request has no reply.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Failure {
    /// The upstream, the network or a limit is at fault.
    Call(CallFailure, Sent),
    /// The client's body breaks the grammar of HTTP/1.1.
    BodyMalformed(Fault),
    /// The client's body breaks HTTP's framing otherwise.
    BodyUnreadable,
    /// The client's body came too slowly.
    BodyTimeout(Duration),
}

impl Failure {
    const fn not_sent(failure: CallFailure) -> Self {
        Self::Call(failure, Sent::No)
    }
}

/// Serves a request by forwarding it.
pub(crate) async fn forward(
    gateway: &Arc<Gateway>,
    session: &mut Session,
    context: &Context,
    plan: &ProxyPlan,
) -> Outcome {
    let snapshot = Arc::clone(&context.snapshot);
    let Some(upstream) = snapshot.upstream(plan.upstream) else {
        return Ended::Failed(Failure::not_sent(CallFailure::Internal)).into();
    };
    upstream.retry_budget.count_call();
    let permit = tokio::select! {
        permit = take_permit(upstream, context) => permit,
        () = gone_while_waiting(session) => return Ended::ClientGone.into(),
    };
    let permit = match permit {
        Ok(permit) => permit,
        Err(failure) => return Ended::Failed(Failure::not_sent(failure)).into(),
    };
    let mut exchange = Exchange::new((gateway, upstream), session, (context, plan), permit);
    let ended = exchange.run().await;
    Outcome { ended, lasted: exchange.lasted, grpc_status: exchange.grpc_status }
}

/// A client is seen to leave while its request waits, if it has sent all of it.
async fn gone_while_waiting(session: &mut Session) {
    if session.is_body_done() {
        session.gone().await;
    } else {
        std::future::pending::<()>().await;
    }
}

/// Takes the request's turn at its upstream, which it shares with batches: whoever sends one by one
/// waits no longer, and gets no more, than whoever sends a batch.
async fn take_permit(
    upstream: &Upstream,
    context: &Context,
) -> Result<Permit<Arc<FairLimiter>>, CallFailure> {
    let flow = Flow::new(context.caller.client());
    if let Some(permit) = FairLimiter::try_acquire(Arc::clone(&upstream.limiter), &flow) {
        return Ok(permit);
    }
    let _queued = Queued::new(upstream, &flow);
    let permit = FairLimiter::acquire(Arc::clone(&upstream.limiter), &flow);
    match Deadline::after(upstream.settings.timeout.item).race(permit).await {
        Some(permit) => permit.map_err(CallFailure::from),
        None if flow.was_held_back() => Err(CallFailure::ClientShareTimeout),
        None => Err(CallFailure::QueueTimeout),
    }
}

/// A request on its way.
struct Exchange<'exchange> {
    gateway: &'exchange Arc<Gateway>,
    upstream: &'exchange Upstream,
    session: &'exchange mut Session,
    context: &'exchange Context,
    plan: &'exchange ProxyPlan,
    /// Held until the end of the reply, or until the exchange [lasts](lasting): until then the service works on it.
    permit: Option<Permit<Arc<FairLimiter>>>,
    lasting: Option<Lasting>,
    /// How it ended, if it lasted.
    lasted: Option<LongLivedEnd>,
    grpc_status: Option<GrpcStatus>,
    upload: Upload,
    attempts: Attempts<'exchange>,
    /// When `timeout.request` is over.
    ends: Deadline,
}

/// A reply whose head is here.
struct Replied {
    head: ResponseHeader,
    writer: RequestWriter,
    reader: ReplyReader,
    lease: Lease,
    /// Writing the request has failed; the reply may be why.
    is_writer_broken: bool,
}

/// What an attempt came to.
enum Attempted {
    Replied(Box<Replied>),
    Again(Duration),
    Ended(Ended),
}

impl<'exchange> Exchange<'exchange> {
    fn new(
        (gateway, upstream): (&'exchange Arc<Gateway>, &'exchange Upstream),
        session: &'exchange mut Session,
        (context, plan): (&'exchange Context, &'exchange ProxyPlan),
        permit: Permit<Arc<FairLimiter>>,
    ) -> Self {
        let body_timeout = context.snapshot.settings.limits.body_timeout;
        let ends = Deadline::after(upstream.settings.timeout.request);
        let upload = Upload::new(session, plan.framing, (!plan.is_grpc).then_some(body_timeout));
        let attempts = Attempts::new(upstream, &session.req_header().method, ends);
        Self {
            gateway,
            upstream,
            session,
            context,
            plan,
            permit: Some(permit),
            lasting: None,
            lasted: None,
            grpc_status: None,
            upload,
            attempts,
            ends,
        }
    }

    async fn run(&mut self) -> Ended {
        if let Some(upgrade) = &self.plan.upgrade {
            let kind = if upgrade::is_websocket(upgrade) {
                LongLivedKind::Websocket
            } else {
                LongLivedKind::Upgrade
            };
            // Before anything is sent: what has no room is refused, not torn down.
            match Lasting::begin(self.gateway, self.upstream, self.context, kind) {
                Ok(lasting) => self.lasting = Some(lasting),
                Err(failure) => return Ended::Failed(Failure::not_sent(failure)),
            }
        }
        let replied = loop {
            match self.attempt().await {
                Attempted::Replied(replied) => break replied,
                Attempted::Again(pause) => tokio::time::sleep(pause).await,
                Attempted::Ended(ended) => return ended,
            }
        };
        self.relay(*replied).await
    }

    /// One attempt, up to the head of its reply.
    async fn attempt(&mut self) -> Attempted {
        let lease = match self.upstream.targets.next(&self.attempts.tried, &self.plan.key) {
            Ok(lease) => lease,
            Err(why_none) => return self.failed(self.attempts.last_failure.unwrap_or(why_none)),
        };
        let Some((lease, connection)) = self.connect(lease).await else {
            let failure = self.attempts.last_failure.unwrap_or(CallFailure::NoTarget);
            return match self.attempts.after_connect(failure) {
                Some(pause) => Attempted::Again(pause),
                None => self.failed(failure),
            };
        };
        let (peer, reused) = (Arc::clone(lease.peer()), connection.reused);
        self.attempts.tried.push(peer.address);
        let made = match self.begin(connection, &peer).await {
            Ok((writer, reader)) => {
                // Not before somebody is there who takes the body. A client that has gone shows when it is read.
                let _ = self.session.let_client_send().await;
                let begun = Begun { writer, reader, lease, reused, is_writer_broken: false };
                self.await_head(begun).await
            }
            Err(error) => self.lost(&error, lease, reused, true),
        };
        match made {
            Attempted::Replied(replied) => self.judge(replied).await,
            other @ (Attempted::Again(_) | Attempted::Ended(_)) => other,
        }
    }

    /// A connection to the target of a lease, or to another address of its name.
    async fn connect(&mut self, lease: Lease) -> Option<(Lease, Connection)> {
        let (upstream, needs) = (self.upstream, self.plan.needs());
        let may_reuse = !std::mem::take(&mut self.attempts.wants_fresh);
        let method = &self.session.req_header().method;
        if may_reuse && let Some(connection) = Connection::idle(upstream, lease.peer(), needs, method).await {
            return Some((lease, connection));
        }
        let open = |peer: Arc<Peer>| async move { Connection::open(upstream, &peer, needs).await };
        // Boxed, so that requests that find a connection are no larger for it.
        let raced = Box::pin(race(&upstream.targets, lease, &self.attempts.tried, open)).await;
        for (mut lease, error) in raced.failed {
            let failure = error::of_connect(&error);
            upstream.count_connect_error(failure);
            upstream.targets.failed(&mut lease, failure);
            self.attempts.tried.push(lease.peer().address);
            self.attempts.last_failure = Some(failure);
        }
        raced.opened
    }

    async fn begin(
        &mut self,
        connection: Connection,
        peer: &Arc<Peer>,
    ) -> pingora::Result<(RequestWriter, ReplyReader)> {
        let over = if connection.is_http2() { request::Over::Http2 } else { request::Over::Http1 };
        let head =
            request::head(self.session.req_header(), (self.context, self.plan), (self.upstream, peer), over)?;
        let (mut writer, reader) = connection.begin(peer, head, self.plan.framing).await?;
        self.upload.begin(&mut writer);
        Ok((writer, reader))
    }

    fn failed(&self, failure: CallFailure) -> Attempted {
        Attempted::Ended(Ended::Failed(Failure::Call(failure, self.attempts.sent())))
    }

    /// An attempt is lost before its reply.
    fn lost(
        &mut self,
        error: &pingora::Error,
        mut lease: Lease,
        reused: bool,
        nothing_received: bool,
    ) -> Attempted {
        let failure = if nothing_received { error::before_reply(error) } else { error::of_exchange(error) };
        let is_stale = reused && nothing_received && failure == CallFailure::ConnectionLost;
        if is_stale {
            lease.peer().standing.idle_was_gone();
        }
        let lost = Lost { failure, is_stale, is_body_sent: self.upload.is_done() };
        let next = self.attempts.after_exchange(lease.peer(), lost, &self.upload.replay);
        // A service that gives up while a client sends slowly is not at fault.
        if !is_stale && lost.is_body_sent && failure != CallFailure::NotProcessed {
            self.upstream.targets.failed(&mut lease, failure);
        }
        match next {
            Some(pause) => Attempted::Again(pause),
            None => self.failed(failure),
        }
    }

    /// When `timeout.request` is over. What lasts by its nature has none; a stream has one where it was set.
    fn limit_in_all(&self) -> Option<Deadline> {
        match self.lasting.as_ref().map(|lasting| lasting.kind) {
            _ if self.plan.is_grpc => None,
            None => Some(self.ends),
            Some(LongLivedKind::Stream) => self.upstream.settings.timeout.stream.map(|_| self.ends),
            Some(
                LongLivedKind::Websocket | LongLivedKind::Upgrade | LongLivedKind::Sse | LongLivedKind::Grpc,
            ) => None,
        }
    }

    /// What the client did. Gives the exchange's end if that is one.
    fn take_from_client(&mut self, from_client: FromClient, writer: &mut RequestWriter) -> Option<Ended> {
        match from_client {
            FromClient::Piece(piece) => {
                if let Some(lasting) = &self.lasting {
                    lasting.count_to_upstream(piece.len());
                }
                self.upload.take(piece, writer);
                None
            }
            FromClient::End => {
                self.upload.end(writer);
                None
            }
            FromClient::Gone => Some(Ended::ClientGone),
            FromClient::TooSlow => {
                let limit = self.context.snapshot.settings.limits.body_timeout;
                Some(Ended::Failed(Failure::BodyTimeout(limit)))
            }
            FromClient::Broken(error) => Some(match error::fault_of(&error) {
                Some(fault) => Ended::Failed(Failure::BodyMalformed(fault)),
                None if error::breaks_framing(&error) => Ended::Failed(Failure::BodyUnreadable),
                None => Ended::ClientGone,
            }),
        }
    }

    /// Whether the reply is the client's, or the request is sent once more.
    async fn judge(&mut self, mut replied: Box<Replied>) -> Attempted {
        let status = replied.head.status;
        self.upstream.targets.answered(&mut replied.lease, status);
        if status == StatusCode::SWITCHING_PROTOCOLS
            && (!upgrade::is_switch(self.plan.upgrade.as_ref(), &replied.head) || !self.upload.is_done())
        {
            // RFC 9110 §15.2.2: nobody asked for it, and what follows would be read by nobody's rules.
            return self.fail((*replied).into(), CallFailure::ReplyMalformed).await;
        }
        if self.upstream.settings.retry.status.contains(&status) {
            let wanted = wanted_pause(&replied.head.headers).unwrap_or_default();
            if let Some(pause) = self.attempts.after_status(wanted, &self.upload.replay) {
                self.abandon_begun((*replied).into()).await;
                return Attempted::Again(pause);
            }
        }
        Attempted::Replied(replied)
    }
}
