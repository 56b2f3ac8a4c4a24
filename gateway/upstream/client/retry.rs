//! When a call is made once more: only where that is safe, within the upstream's budget, after a short pause, and
//! never past the call's time. Another target comes first. The better of two answers stands: an attempt of which
//! nothing was sent takes nothing from the one before.

use std::time::Duration;

use futures_util::future::FutureExt;
use http::Method;

use crate::clock::Deadline;
use crate::config::Retry;
use crate::dispatch::{Attempt, CallFailure, FailureKind, ReplyBudget, Sent, UpstreamReply};
use crate::plan::Call;
use crate::problem::is_idempotent;

use super::Kind;
use super::call::Calls;
use super::failover::Failover;
use super::reply::Unanswered;
use crate::memory::MemoryReservation;
use crate::upstream::backoff::{pause_after, pause_aside, wanted_pause};
use crate::upstream::instance::Upstream;

/// What is to be sent.
#[derive(Clone, Copy)]
pub(super) struct Sending<'call> {
    pub(super) method: &'call Method,
    pub(super) call: &'call Call,
    pub(super) attempt: Attempt<'call>,
}

type Made = Result<UpstreamReply, Unanswered>;

/// Makes a call, in as many attempts as it takes and may take.
pub(super) async fn call(lane: &mut Kind<'_>, sending: Sending<'_>) -> Result<UpstreamReply, CallFailure> {
    let calls = lane.calls();
    calls.upstream.retry_budget.count_call();
    let mut failover = Failover::new(calls, sending.call);
    let mut attempts = Attempts::new(calls, sending);
    attempts.made += 1;
    let made = attempts.make(lane, &mut failover, false).await;
    let next = attempts.after(&made);
    if next == Next::Done {
        return made.map_err(|unanswered| unanswered.failure);
    }
    // Boxed, so that a call that needs one attempt is no larger for it.
    attempts.go_on(lane, failover, (made, next)).boxed().await
}

/// What the attempts so far have come to; its bytes count until it is dropped or handed on.
struct Kept<'call> {
    made: Option<Made>,
    budget: &'call ReplyBudget,
    reservation: &'call MemoryReservation<'call>,
}

impl Kept<'_> {
    const fn is_reply(&self) -> bool {
        matches!(self.made, Some(Ok(_)))
    }

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

/// What follows an attempt.
#[derive(Debug, PartialEq)]
enum Next {
    Done,
    /// At once, on a connection of its own.
    Fresh,
    /// After a pause, and not as an attempt of its own.
    Aside(Duration),
    After(Duration),
}

/// The attempts of one call.
struct Attempts<'call> {
    upstream: &'call Upstream,
    reservation: &'call MemoryReservation<'call>,
    sending: Sending<'call>,
    safe: bool,
    made: usize,
    /// A connection that had gone was replaced.
    replaced: bool,
    /// Times that the upstream did not process the call.
    asides: usize,
    /// The budget has given a retry already for what comes next.
    granted: bool,
}

impl<'call> Attempts<'call> {
    fn new(calls: Calls<'call>, sending: Sending<'call>) -> Self {
        let safe = is_idempotent(sending.method);
        let upstream = calls.upstream;
        let reservation = calls.engine.reservation;
        Self { upstream, reservation, sending, safe, made: 0, replaced: false, asides: 0, granted: false }
    }

    fn retry(&self) -> &'call Retry {
        &self.upstream.settings.retry
    }

    fn may_follow(&self) -> bool {
        self.made < self.retry().attempts.get()
    }

    /// All attempts after the first.
    async fn go_on(
        mut self,
        lane: &mut Kind<'_>,
        mut failover: Failover<'_>,
        (made, mut next): (Made, Next),
    ) -> Result<UpstreamReply, CallFailure> {
        let Attempt { budget, deadline, .. } = self.sending.attempt;
        let reservation = self.reservation;
        let mut kept = Kept { made: Some(made), budget, reservation };
        loop {
            let fresh = match next {
                Next::Done => break,
                Next::Fresh => true,
                Next::After(pause) | Next::Aside(pause) => {
                    tokio::time::sleep(pause).await;
                    failover.once_more();
                    false
                }
            };
            if !matches!(next, Next::Fresh | Next::Aside(_)) {
                self.made += 1;
            }
            let attempt = self.make(lane, &mut failover, fresh);
            let made = if kept.is_reply() {
                // Whoever waits for us would forget the reply that we have.
                let Some(made) = deadline.race(attempt).boxed().await else { break };
                made
            } else {
                attempt.await
            };
            next = self.after(&made);
            // An attempt of which nothing was sent takes nothing from the one before.
            if made.as_ref().map_or_else(|unanswered| unanswered.sent, |_| true) {
                kept = Kept { made: Some(made), budget, reservation };
            }
        }
        kept.into_made()
    }

    /// One attempt, within `retry.timeout` if it is followed by another then.
    async fn make(&mut self, lane: &mut Kind<'_>, failover: &mut Failover<'_>, fresh: bool) -> Made {
        let limit = self.retry().timeout.filter(|_| self.safe && self.may_follow());
        failover.patience = self.patience(limit);
        let Some(limit) = limit else { return lane.attempt(self.sending, failover, fresh).await };
        // Boxed for the same reason, where `retry.timeout` is set.
        let mut attempt = lane.attempt(self.sending, failover, fresh).boxed();
        match Deadline::after(limit).race(attempt.as_mut()).await {
            Some(made) => made,
            None if self.retry().on.timeout && self.grant("timeout", self.pause()) => {
                self.granted = true;
                let sent = self.sending.attempt.progress.sent() == Sent::Maybe;
                Err(Unanswered { sent, ..CallFailure::ReplyTimeout.into() })
            }
            None => attempt.await,
        }
    }

    /// When an attempt that is dropped is a timeout to the breaker: the client's own limits are not the target's fault.
    fn patience(&self, limit: Option<Duration>) -> Option<Deadline> {
        if !self.upstream.settings.breaker.on.timeout {
            return None;
        }
        let elapsed = self.sending.attempt.progress.elapsed().unwrap_or_default();
        let left = self.upstream.settings.timeout.item.saturating_sub(elapsed);
        Some(Deadline::after(limit.map_or(left, |limit| limit.min(left))))
    }

    fn after(&mut self, made: &Made) -> Next {
        if std::mem::take(&mut self.granted) {
            return Next::After(self.pause());
        }
        match made {
            // RFC 9110 §9.2.2, RFC 9112 §9.3.1: an idle connection may have been closed under us. That is no fault of
            // the target, so it needs no budget; there is one such connection for each time.
            Err(unanswered) if unanswered.stale && self.safe && !self.replaced => {
                self.replaced = true;
                self.count("stale");
                Next::Fresh
            }
            // RFC 9113 §8.7: safe for every method. Not the target's fault either, and bounded, so it needs no budget.
            Err(unanswered) if unanswered.failure == CallFailure::NotProcessed => self.aside(),
            Err(unanswered) => self.after_failure(unanswered),
            Ok(reply) if self.safe && self.retry().status.contains(&reply.status) => {
                let pause = self.pause().max(wanted_pause(&reply.headers).unwrap_or_default());
                self.granted_after("status", pause)
            }
            Ok(_) => Next::Done,
        }
    }

    fn aside(&mut self) -> Next {
        let Some(pause) = pause_aside(self.asides, self.sending.attempt.deadline.remaining()) else {
            return Next::Done;
        };
        self.asides += 1;
        self.count("refused");
        Next::Aside(pause)
    }

    fn after_failure(&self, unanswered: &Unanswered) -> Next {
        // What is not trusted now is not trusted later.
        let hopeless = unanswered.failure == CallFailure::TlsHandshake;
        if hopeless || unanswered.sent && !self.safe || !self.retry().on.count(unanswered.failure) {
            return Next::Done;
        }
        match unanswered.failure.kind() {
            Some(FailureKind::Connect) => self.granted_after("connect", self.pause()),
            Some(FailureKind::Lost) => self.granted_after("lost", self.pause()),
            Some(FailureKind::Timeout) => self.granted_after("timeout", self.pause()),
            None => Next::Done,
        }
    }

    fn granted_after(&self, reason: &'static str, pause: Duration) -> Next {
        if self.grant(reason, pause) { Next::After(pause) } else { Next::Done }
    }

    /// Whether there may be one more attempt after a pause.
    fn grant(&self, reason: &'static str, pause: Duration) -> bool {
        if !self.may_follow() || pause >= self.sending.attempt.deadline.remaining() {
            return false;
        }
        self.upstream.take_retry(reason)
    }

    fn count(&self, reason: &'static str) {
        self.upstream.count_retry(reason);
    }

    fn pause(&self) -> Duration {
        pause_after(self.made)
    }
}
