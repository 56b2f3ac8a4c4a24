//! Retries: whether a call is sent once more after an attempt. One policy for items and single requests.
//!
//! **Why it exists.** A call that failed may succeed at another target, or a moment later. But a call that is sent twice
//! may also happen twice, and retries multiply the load of a service that is failing already. So the decision is made in
//! one place, from facts alone, and can be read in one piece: [`decide`].
//!
//! **In:** how the attempt ended ([`Ended`]), the rules of the upstream (`retry`), what happened before, and the time that
//! is left. **Out:** [`Next`]: a retry with its pause, or why there is none. The callers only carry it out: they wait,
//! choose a target ([`Failover`](super::failover::Failover)) and send.
//!
//! **What may be retried.** A call that was not sent at all, whatever its method. A call that was sent, only if its method
//! is idempotent (RFC 9110 §9.2.2): a POST or PATCH may have taken effect. Either only if its body can be sent again from
//! its beginning; a single request whose body has grown too long to be held can't. No retry follows a reply
//! that the client has in part, which is why callers ask before they pass anything on.
//!
//! **Three kinds of retry** ([`RetryKind`]):
//! - An *attempt* follows a failure that `retry.on` lists, a status that `retry.status` lists, or an attempt that took
//!   longer than `retry.timeout`. It counts against `retry.attempts` and takes one retry from the upstream's budget.
//! - A *replacement* follows an idle connection that the service had closed meanwhile (RFC 9112 §9.3.1). No one is at
//!   fault, so it needs no budget. The new connection has not been idle, so there is one for each attempt.
//! - An attempt *aside* follows a call that the service has not processed, as it said itself: it refused the stream
//!   (`REFUSED_STREAM`, RFC 9113 §8.7), or is going away and has not seen it (GOAWAY, §6.8). This is safe for every
//!   method and not the service's fault. It needs no budget either, but is bounded: eight times for a call.
//!
//! A target that can't be connected to is not retried here. The failover passes it over and takes the next, because nothing
//! was sent. Only when no target could be connected to has the attempt failed. A TLS handshake that failed won't
//! succeed a moment later, so it is never retried.
//!
//! **Pauses.** Before the first retry 50 ms, then twice as long each time, up to a second; a random part, up to half, is
//! left out, so that calls that failed together don't come back together. A reply with Retry-After is waited for as
//! long as it says. A replacement, and the first attempt aside, follow at once. A waiting call keeps its permit: the
//! call is still under way, and its service should not go to another call first. A pause that the time left
//! does not cover is not begun; the caller keeps what it has.
//!
//! **The budget** ([`retry_budget`](super::retry_budget)) is a share of the upstream's calls of the last ten seconds, for
//! items and single requests together. So a service that fails every call gets a fifth more of them by default, not
//! twice as many.
//!
//! **What it does not do.** It does not judge targets (that is the circuit breaker's task), does not choose them, and keeps
//! no reply. Whether a client may send the call again is another question (`problem`).

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, Method, StatusCode};

use crate::config;
use crate::dispatch::{CallFailure, FailureKind};
use crate::header::retry_after;
use crate::problem::is_idempotent;

use super::instance::Upstream;

/// The pause before the first retry. A random part of it is left out, up to half; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// How often a call that the upstream did not process is sent again aside from its attempts.
const MAX_ASIDES: usize = 8;

/// An attempt that brought no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) failure: CallFailure,
    /// A byte of the call may have reached the service.
    pub(crate) is_sent: bool,
    /// The connection had been idle before, and not one byte of a reply came.
    pub(crate) is_stale: bool,
}

impl Lost {
    /// An attempt that ended before anything was sent.
    pub(crate) const fn not_sent(failure: CallFailure) -> Self {
        Self { failure, is_sent: false, is_stale: false }
    }
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Replied {
        status: StatusCode,
        retry_after: Option<Duration>,
    },
    Lost(Lost),
    /// It has taken longer than `retry.timeout`.
    TooSlow,
}

/// What follows an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Retry(Retry),
    GiveUp(GiveUp),
}

/// A retry that may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Retry {
    pub(crate) kind: RetryKind,
    /// The pause before it.
    pub(crate) after: Duration,
    /// The word for metrics and logs.
    reason: &'static str,
}

/// The kinds of retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetryKind {
    /// One more of `retry.attempts`, within the budget.
    Attempt,
    /// On a new connection, in place of one that had gone.
    Replacement,
    /// Of a call that the upstream did not process.
    Aside,
}

/// Why there is no retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GiveUp {
    /// The reply is the final one.
    Settled,
    /// The body can't be sent again.
    BodyGone,
    /// The call may have taken effect, and its method is not idempotent.
    MayHaveActed,
    /// The settings of the upstream don't ask for one.
    NotWanted,
    /// It would fail again.
    Hopeless,
    /// All attempts have been made.
    AttemptsUsed,
    /// There is not enough time left.
    NoTime,
    /// The budget is exhausted.
    NoBudget,
}

impl GiveUp {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::BodyGone => "body_gone",
            Self::MayHaveActed => "may_have_acted",
            Self::NotWanted => "not_wanted",
            Self::Hopeless => "hopeless",
            Self::AttemptsUsed => "attempts_used",
            Self::NoTime => "no_time",
            Self::NoBudget => "no_budget",
        }
    }
}

/// What has happened to a call so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SoFar {
    is_idempotent: bool,
    /// Its body can be sent again from the beginning.
    is_body_held: bool,
    /// Attempts that count for `retry.attempts`, the one that has just ended included.
    made: usize,
    /// The attempt that has just ended was made in place of one on a connection that had gone.
    is_replacement: bool,
    asides: usize,
}

/// The retries of one call.
pub(crate) struct Retries<'call> {
    upstream: &'call Upstream,
    so_far: SoFar,
}

impl<'call> Retries<'call> {
    /// Begins with the first attempt of a call, which the budget counts.
    pub(crate) fn new(upstream: &'call Upstream, method: &Method) -> Self {
        upstream.retry_budget.count_call();
        let is_idempotent = is_idempotent(method);
        let so_far = SoFar { is_idempotent, is_body_held: true, made: 1, is_replacement: false, asides: 0 };
        Self { upstream, so_far }
    }

    /// From here on the body can't be sent again from its beginning.
    pub(crate) const fn body_is_gone(&mut self) {
        self.so_far.is_body_held = false;
    }

    /// How long the next attempt may take before [`Retries::after_timeout`] is asked, if another may follow it.
    pub(crate) fn attempt_limit(&self) -> Option<Duration> {
        let rules = &self.upstream.settings.retry;
        let may_follow =
            self.so_far.is_idempotent && self.so_far.made < rules.attempts.get() && rules.on.timeout;
        rules.timeout.filter(|_| may_follow)
    }

    /// Decides what follows a reply with this head.
    pub(crate) fn after_reply(
        &mut self,
        status: StatusCode,
        fields: &HeaderMap,
        left: impl FnOnce() -> Duration,
    ) -> Next {
        if !self.upstream.settings.retry.status.contains(&status) {
            return Next::GiveUp(GiveUp::Settled);
        }
        let retry_after = fields.get(RETRY_AFTER).and_then(retry_after::parse);
        self.settle(Ended::Replied { status, retry_after }, left())
    }

    /// Decides what follows an attempt without a reply.
    pub(crate) fn after_loss(&mut self, lost: Lost, left: impl FnOnce() -> Duration) -> Next {
        self.settle(Ended::Lost(lost), left())
    }

    /// Decides what follows an attempt that has reached its limit. Without a retry it goes on.
    pub(crate) fn after_timeout(&mut self, left: impl FnOnce() -> Duration) -> Next {
        self.settle(Ended::TooSlow, left())
    }

    /// Decides, asks the budget, and counts.
    fn settle(&mut self, ended: Ended, left: Duration) -> Next {
        let mut next = decide(&self.upstream.settings.retry, self.so_far, ended, left);
        if let Next::Retry(Retry { kind: RetryKind::Attempt, reason, .. }) = next
            && !self.upstream.take_retry(reason)
        {
            next = Next::GiveUp(GiveUp::NoBudget);
        }
        match next {
            Next::Retry(retry) => self.count(retry),
            Next::GiveUp(why) => {
                let (upstream, why) = (self.upstream.settings.name.as_str(), why.as_str());
                tracing::debug!(kind = "retry", upstream, why, "a call is not sent again");
            }
        }
        next
    }

    fn count(&mut self, retry: Retry) {
        match retry.kind {
            RetryKind::Attempt => self.so_far.made += 1,
            RetryKind::Aside => self.so_far.asides += 1,
            RetryKind::Replacement => {}
        }
        if retry.kind != RetryKind::Attempt {
            self.upstream.count_retry(retry.reason);
        }
        self.so_far.is_replacement = retry.kind == RetryKind::Replacement;
    }
}

/// The policy. Apart from the random part of a pause it depends only on its arguments.
fn decide(rules: &config::Retry, so_far: SoFar, ended: Ended, left: Duration) -> Next {
    if !so_far.is_body_held {
        return Next::GiveUp(GiveUp::BodyGone);
    }
    let (reason, is_sent) = match ended {
        Ended::Lost(Lost { failure: CallFailure::NotProcessed, .. }) => return aside(so_far, left),
        Ended::Lost(lost) if lost.is_stale && so_far.is_idempotent && !so_far.is_replacement => {
            let (kind, after) = (RetryKind::Replacement, Duration::ZERO);
            return Next::Retry(Retry { kind, after, reason: "stale" });
        }
        Ended::Lost(lost) => match reason_of(rules, lost.failure) {
            Ok(reason) => (reason, lost.is_sent),
            Err(why) => return Next::GiveUp(why),
        },
        Ended::Replied { status, .. } if !rules.status.contains(&status) => {
            return Next::GiveUp(GiveUp::Settled);
        }
        Ended::Replied { .. } => ("status", true),
        Ended::TooSlow => ("timeout", true),
    };
    if is_sent && !so_far.is_idempotent {
        return Next::GiveUp(GiveUp::MayHaveActed);
    }
    if so_far.made >= rules.attempts.get() {
        return Next::GiveUp(GiveUp::AttemptsUsed);
    }
    let pause = pause_after(so_far.made);
    let after = match ended {
        Ended::Replied { retry_after, .. } => pause.max(retry_after.unwrap_or_default()),
        Ended::Lost(_) | Ended::TooSlow => pause,
    };
    if after >= left {
        return Next::GiveUp(GiveUp::NoTime);
    }
    Next::Retry(Retry { kind: RetryKind::Attempt, after, reason })
}

/// The word for a failure after which the rules want a retry.
fn reason_of(rules: &config::Retry, failure: CallFailure) -> Result<&'static str, GiveUp> {
    if failure == CallFailure::TlsHandshake {
        return Err(GiveUp::Hopeless);
    }
    match failure.kind().filter(|_| rules.on.count(failure)) {
        Some(FailureKind::Connect) => Ok("connect"),
        Some(FailureKind::Lost) => Ok("lost"),
        Some(FailureKind::Timeout) => Ok("timeout"),
        None => Err(GiveUp::NotWanted),
    }
}

/// Whether a call that the upstream did not process is sent again.
fn aside(so_far: SoFar, left: Duration) -> Next {
    if so_far.asides >= MAX_ASIDES {
        return Next::GiveUp(GiveUp::AttemptsUsed);
    }
    let after = if so_far.asides == 0 { Duration::ZERO } else { pause_after(so_far.asides) };
    if after >= left {
        return Next::GiveUp(GiveUp::NoTime);
    }
    Next::Retry(Retry { kind: RetryKind::Aside, after, reason: "refused" })
}

/// The pause after this many attempts.
fn pause_after(made: usize) -> Duration {
    let doubled = u32::try_from(made.saturating_sub(1)).unwrap_or(u32::MAX);
    let longest = PAUSE.saturating_mul(1_u32.checked_shl(doubled).unwrap_or(u32::MAX)).min(MAX_PAUSE);
    longest.mul_f64(rand::random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests;
