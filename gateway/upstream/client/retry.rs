//! Carries out the retries of an item's call. `upstream::retry` decides whether another attempt follows; here it is made,
//! within the call's time.
//!
//! The better of two answers is kept: an attempt that was never sent does not replace the answer of the one before.
//! The bytes of a reply that is kept count for the batch until it is dropped or passed on.

use std::time::Duration;

use futures_util::future::FutureExt;

use crate::clock::Deadline;
use crate::config::Engine;
use crate::dispatch::{Attempt, CallFailure, ReplyBudget, Sent, UpstreamReply};
use crate::memory::MemoryReservation;
use crate::upstream::failover::Failover;
use crate::upstream::instance::Upstream;
use crate::upstream::retry::{Next, Retries, Retry};

use super::context::{Calls, Sending};
use super::held::HeldConnection;
use super::pipelined;
use super::reply::Unanswered;
use super::streams;

type Made = Result<UpstreamReply, Unanswered>;

/// Makes a call, in as many attempts as the policy allows.
pub(super) async fn call(
    channel: &mut HeldConnection<'_>,
    sending: Sending<'_>,
) -> Result<UpstreamReply, CallFailure> {
    let mut attempts = Attempts::new(channel.calls, sending);
    match attempts.make(channel).await {
        (made, Next::GiveUp(_)) => made.map_err(|unanswered| unanswered.failure),
        // Boxed, so that a call that needs one attempt is no larger for it.
        (made, Next::Retry(retry)) => attempts.go_on(channel, made, retry).boxed().await,
    }
}

/// What the attempts so far have brought.
struct Kept<'call> {
    made: Option<Made>,
    budget: &'call ReplyBudget,
    reservation: &'call MemoryReservation<'call>,
}

impl Kept<'_> {
    fn into_made(mut self) -> Result<UpstreamReply, CallFailure> {
        self.made
            .take()
            .unwrap_or_else(|| Err(CallFailure::Internal.into()))
            .map_err(|unanswered| unanswered.failure)
    }
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        if let Some(Ok(reply)) = &self.made {
            self.budget.give_back(reply.bytes());
            self.reservation.give_back(reply.bytes());
        }
    }
}

/// The attempts of one call.
struct Attempts<'call> {
    upstream: &'call Upstream,
    /// How long the call may take.
    timeout: Duration,
    reservation: &'call MemoryReservation<'call>,
    sending: Sending<'call>,
    retries: Retries<'call>,
    failover: Failover<'call>,
}

impl<'call> Attempts<'call> {
    fn new(calls: Calls<'call>, sending: Sending<'call>) -> Self {
        let upstream = calls.upstream;
        Self {
            upstream,
            timeout: calls.timeout_of(sending.call),
            reservation: calls.behalf.reservation,
            sending,
            retries: Retries::new(upstream, sending.method),
            failover: Failover::new(upstream, calls.hash_key(sending.call)),
        }
    }

    /// All attempts after the first.
    async fn go_on(
        mut self,
        channel: &mut HeldConnection<'_>,
        made: Made,
        mut retry: Retry,
    ) -> Result<UpstreamReply, CallFailure> {
        let Attempt { budget, deadline, .. } = self.sending.attempt;
        let reservation = self.reservation;
        let mut kept = Kept { made: Some(made), budget, reservation };
        loop {
            if !retry.after.is_zero() {
                tokio::time::sleep(retry.after).await;
            }
            self.failover.once_more(retry.kind);
            let attempt = self.make(channel);
            let (made, next) = if matches!(kept.made, Some(Ok(_))) {
                // Don't time out outside of this: the caller would drop the reply that is held here.
                let Some(made) = deadline.race(attempt).boxed().await else { break };
                made
            } else {
                attempt.await
            };
            if made.as_ref().map_or_else(|unanswered| unanswered.sent, |_| true) {
                kept = Kept { made: Some(made), budget, reservation };
            }
            match next {
                Next::Retry(next) => retry = next,
                Next::GiveUp(_) => break,
            }
        }
        kept.into_made()
    }

    /// Makes one attempt, and decides what follows it.
    async fn make(&mut self, channel: &mut HeldConnection<'_>) -> (Made, Next) {
        let limit = self.retries.attempt_limit();
        let sending = Sending { patience: self.patience(limit), ..self.sending };
        let left = || sending.attempt.deadline.remaining();
        let Self { retries, failover, .. } = self;
        let made = match limit {
            None => attempt(channel, sending, failover).await,
            Some(limit) => {
                // Boxed for the same reason, where `retry.timeout` is set.
                let mut attempt = attempt(channel, sending, failover).boxed();
                match Deadline::after(limit).race(attempt.as_mut()).await {
                    Some(made) => made,
                    None => match retries.after_timeout(left) {
                        next @ Next::Retry(_) => {
                            let sent = sending.attempt.progress.sent() == Sent::Maybe;
                            return (Err(Unanswered { sent, ..CallFailure::ReplyTimeout.into() }), next);
                        }
                        Next::GiveUp(_) => attempt.await,
                    },
                }
            }
        };
        let next = match &made {
            Ok(reply) => retries.after_reply(reply.status, &reply.headers, left),
            Err(unanswered) => retries.after_loss(unanswered.lost(), left),
        };
        (made, next)
    }

    /// A client's own limits are not the target's fault.
    fn patience(&self, limit: Option<Duration>) -> Option<Deadline> {
        if !self.upstream.settings.breaker.on.timeout {
            return None;
        }
        let elapsed = self.sending.attempt.progress.elapsed().unwrap_or_default();
        let left = self.timeout.saturating_sub(elapsed);
        Some(Deadline::after(limit.map_or(left, |limit| limit.min(left))))
    }
}

/// One attempt, by the kind of channel that the upstream wants.
async fn attempt(
    channel: &mut HeldConnection<'_>,
    sending: Sending<'_>,
    failover: &mut Failover<'_>,
) -> Made {
    match channel.calls.upstream.settings.engine {
        Engine::Held => channel.attempt(sending, failover).await,
        Engine::Pipeline(_) => pipelined::attempt(channel, sending, failover).await,
        Engine::H2 => streams::attempt(channel.calls, sending, failover).await,
    }
}
