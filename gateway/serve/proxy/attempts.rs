//! Sends a request until there is a reply for the client. `upstream::retry` decides whether an attempt is followed by
//! another, and `upstream::failover` finds the targets; here both are carried out.
//!
//! Nothing of a reply has reached the client yet. What has come of the request's body is sent again from its beginning, for
//! as long as it is held ([`Upload`](super::upload::Upload)). As with items, the better of two answers is kept: a reply
//! whose status brought a retry is still the client's if the attempts after it bring none.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use pingora::ErrorType;
use pingora::http::ResponseHeader;

use crate::clock::{Deadline, Stopwatch};
use crate::dispatch::{AttemptTimes, CallFailure};
use crate::telemetry::{CallSpan, Connected, LongLivedKind};
use crate::upstream::error;
use crate::upstream::lease::Lease;
use crate::upstream::peer::Peer;
use crate::upstream::retry::{Lost, Next};

use super::exchange::{Attempted, Begun, Exchange, Replied};
use super::lasting::Lasting;
use super::outcome::{Ended, Failure, Outcome};
use super::request;
use super::upgrade;
use super::upstream::{Connection, ReplyReader, RequestWriter};

impl Exchange<'_> {
    /// Carries the exchange to its end.
    pub(super) async fn run(mut self) -> Outcome {
        let ended = match self.reply().await {
            Ok(replied) => self.relay(*replied).await,
            Err(ended) => ended,
        };
        self.timeline.attempts.failed_connects = self.connects.take();
        self.timeline.end_now();
        if let Some(decoding) = &self.upload.decoding {
            decoding.count(&self.job.gateway.metrics);
        }
        let Self { timeline, lasted, grpc_status, .. } = self;
        Outcome { ended, lasted, timeline: Some(timeline), grpc_status }
    }

    /// Makes attempts until there is a reply.
    async fn reply(&mut self) -> Result<Box<Replied>, Ended> {
        if let Some(upgrade) = &self.job.plan.upgrade {
            let kind = if upgrade::is_websocket(upgrade) {
                LongLivedKind::Websocket
            } else {
                LongLivedKind::Upgrade
            };
            // Before anything is sent: an upgrade for which there is no room is refused, not torn down.
            self.lasting = Some(Lasting::begin(self.job, kind).map_err(|failure| self.failed(failure))?);
        }
        loop {
            let attempted = self.attempt().await;
            if self.lost.is_some() || matches!(attempted, Attempted::Replied(_)) {
                self.drop_kept().await;
            }
            match attempted {
                Attempted::Replied(replied) => return Ok(replied),
                Attempted::Again(retry) => {
                    tokio::time::sleep(retry.after).await;
                    self.failover.once_more(retry.kind);
                }
                Attempted::Ended(ended @ Ended::Failed(Failure::Call(..))) => {
                    return self.kept.take().ok_or(ended);
                }
                Attempted::Ended(ended) => return Err(ended),
            }
        }
    }

    async fn drop_kept(&mut self) {
        if let Some(kept) = self.kept.take() {
            self.abandon(kept.begun).await;
        }
    }

    /// Makes one attempt, up to the head of its reply.
    async fn attempt(&mut self) -> Attempted {
        let (lease, connection) = match self.connect().await {
            Ok(opened) => opened,
            Err(failure) => return self.after_loss(Lost::not_sent(failure)),
        };
        let (peer, reused) = (Arc::clone(lease.peer()), connection.reused);
        let span = self.job.context.trace.of_call();
        let sent = Stopwatch::start();
        let made = match self.begin(connection, &peer, span.as_ref()).await {
            Ok((writer, reader)) => {
                // Only now can the body be passed on. A client that has disconnected is noticed when its body is read.
                let _ = self.session.let_client_send().await;
                let begun = Begun { writer, reader, lease, reused, is_writer_broken: false };
                self.await_head(begun).await
            }
            Err(error) => self.lost(lease, error::before_reply(&error), reused),
        };
        let end = Stopwatch::start();
        let status = if let Attempted::Replied(replied) = &made { Some(replied.head.status) } else { None };
        let connected = if reused { Connected::Before } else { Connected::Anew };
        peer.state.counts.attempt(status, end.since(sent), connected);
        self.timeline.attempts.push(AttemptTimes {
            target: Arc::clone(&peer.name),
            span: span.map(|span| span.id),
            connected: (!reused).then_some(sent),
            sent,
            first_byte: status.map(|_| end),
            end,
            status,
        });
        match made {
            Attempted::Replied(replied) => self.judge(replied).await,
            other @ (Attempted::Again(_) | Attempted::Ended(_)) => other,
        }
    }

    /// A connection to a target, idle or new.
    async fn connect(&mut self) -> Result<(Lease, Connection), CallFailure> {
        let (upstream, needs) = (self.job.upstream, self.job.plan.needs());
        let until = self.ends.earlier(Deadline::after(self.job.plan.timeout.item));
        let Self { session, failover, connects, .. } = self;
        let method = &session.req_header().method;
        let idle = |peer: Arc<Peer>| async move { Connection::idle(upstream, &peer, needs, method).await };
        let open = |peer: Arc<Peer>| async move { Connection::open(upstream, &peer, needs).await };
        failover.connect(until, connects, idle, open).await
    }

    async fn begin(
        &mut self,
        connection: Connection,
        peer: &Arc<Peer>,
        span: Option<&CallSpan>,
    ) -> pingora::Result<(RequestWriter, ReplyReader)> {
        let over = if connection.is_http2() { request::Over::Http2 } else { request::Over::Http1 };
        let request = self.session.req_header();
        let head = request::head(request, self.job, &request::Hop { peer, over, span })?;
        let (mut writer, reader) = connection.begin(&request.method, head, self.job.plan.framing)?;
        self.upload.begin(&mut writer);
        if self.upload.is_done || self.session.waits_for_continue() {
            let flushed = writer.flush().await;
            flushed.map_err(|error| pingora::Error::because(ErrorType::WriteError, "a head", error))?;
        }
        Ok((writer, reader))
    }

    /// An attempt on an open connection was lost before its reply. `was_idle`: the connection had carried a request
    /// before, and not one byte of a reply came.
    pub(super) fn lost(&mut self, mut lease: Lease, failure: CallFailure, was_idle: bool) -> Attempted {
        let is_sent = failure != CallFailure::NotProcessed;
        let is_stale = was_idle && failure == CallFailure::ConnectionLost;
        if is_stale {
            lease.peer().state.idle_was_gone();
        } else if is_sent && self.upload.is_done {
            // A service that gives up while a client sends slowly is not at fault.
            self.job.upstream.targets.failed(&mut lease, failure);
        }
        self.after_loss(Lost { failure, is_sent, is_stale })
    }

    fn after_loss(&mut self, lost: Lost) -> Attempted {
        self.note(lost);
        let left = self.left();
        match self.retries.after_loss(lost, || left) {
            Next::Retry(retry) => Attempted::Again(retry),
            Next::GiveUp(_) => self.gave_up(lost.failure),
        }
    }

    /// `retry.timeout` has expired. Without a retry the attempt goes on.
    pub(super) fn after_timeout(&mut self) -> Option<Attempted> {
        let left = self.left();
        match self.retries.after_timeout(|| left) {
            Next::Retry(retry) => {
                self.note(Lost { failure: CallFailure::ReplyTimeout, is_sent: true, is_stale: false });
                Some(Attempted::Again(retry))
            }
            Next::GiveUp(_) => None,
        }
    }

    /// Decides whether the reply is the client's, or the request is sent once more.
    async fn judge(&mut self, mut replied: Box<Replied>) -> Attempted {
        let status = replied.head.status;
        self.job.upstream.targets.answered(&mut replied.begun.lease, status);
        if status == StatusCode::SWITCHING_PROTOCOLS && !self.is_agreed(&replied.head) {
            // RFC 9110 §15.2.2: it was not requested, so no protocol is agreed on for the bytes that follow.
            let failure = CallFailure::ReplyMalformed;
            self.note(Lost { failure, is_sent: true, is_stale: false });
            return self.fail(replied.begun, failure).await;
        }
        let (ends, item) = (self.ends, self.job.plan.timeout.item);
        let left = || ends.remaining().min(item);
        match self.retries.after_reply(status, &replied.head.headers, left) {
            Next::Retry(retry) => {
                self.was_sent();
                self.lost = None;
                self.drop_kept().await;
                if self.upload.is_done {
                    self.kept = Some(replied);
                } else {
                    // The rest of the body goes to the next attempt only.
                    self.abandon(replied.begun).await;
                }
                Attempted::Again(retry)
            }
            Next::GiveUp(_) => Attempted::Replied(replied),
        }
    }

    /// Whether a 101 is to what the client asked for, and comes when it may.
    fn is_agreed(&self, head: &ResponseHeader) -> bool {
        let plan = self.job.plan;
        let is_answered = plan.handshake.as_ref().is_none_or(|made| made.is_answered_by(&head.headers));
        self.upload.is_done && is_answered && upgrade::is_switch(plan.upgrade.as_ref(), head)
    }

    /// The time for a pause before the next attempt: no longer than an item would have.
    fn left(&self) -> Duration {
        self.ends.remaining().min(self.job.plan.timeout.item)
    }
}
