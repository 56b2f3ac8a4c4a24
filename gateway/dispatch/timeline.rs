//! What happened to an item, and when: it was queued, had its permit, was sent in one or more attempts, and ended.
//!
//! All points in time are [`Stopwatch`]es of one monotonic clock, so that any two can be compared
//! ([`Stopwatch::since`]). A timeline is made when its item ends ([`Progress`](super::Progress) keeps the marks until
//! then) and belongs to the holder of the item. An attempt is recorded when it ends or is dropped, by the channel that
//! made it. Requests that are not batches have a timeline of the same kind.

use std::fmt::{self, Display, Formatter};
use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use crate::clock::Stopwatch;
use crate::route::UpstreamIndex;

use super::connecting::FailedConnects;

/// The times of one item.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// It could have been started from here on: the start of its batch, the arrival of its line, or the end of the last item
    /// that it had to wait for.
    pub queued: Stopwatch,
    /// It had its permit, and its call began. `None`: it was never started.
    pub permit: Option<Stopwatch>,
    /// The attempts of its call.
    pub attempts: Attempts,
    /// It ended. `None`: it was never started.
    pub end: Option<Stopwatch>,
    /// The call that undid it, after its group had failed.
    pub undo: Option<Arc<UndoTimes>>,
}

/// A call that undid an item, and when what happened to it.
#[derive(Clone, Debug)]
pub struct UndoTimes {
    /// Its method.
    pub method: Method,
    /// Where it went.
    pub upstream: UpstreamIndex,
    /// The path and query of the request line, as the upstream saw it.
    pub target: Box<str>,
    /// It could have been sent from here on.
    pub began: Stopwatch,
    /// It had worked, or was given up.
    pub end: Stopwatch,
    /// Its attempts.
    pub attempts: Attempts,
}

impl Timeline {
    /// The times of an item that was never started.
    #[must_use]
    pub const fn not_started(queued: Stopwatch) -> Self {
        Self { queued, permit: None, attempts: Attempts::none(), end: None, undo: None }
    }

    /// It ends now, and so does its last attempt.
    pub fn end_now(&mut self) {
        let now = Stopwatch::start();
        self.end = Some(now);
        if let Some(last) = self.attempts.last_mut() {
            last.end = now;
        }
    }

    /// From its permit to its end; `None` where it was never started.
    #[must_use]
    pub fn elapsed(&self) -> Option<Duration> {
        Some(self.end?.since(self.permit?))
    }

    /// How long it waited for its permit: for its turn in its batch, and for room at its upstream. `None` where it was never
    /// started.
    #[must_use]
    pub fn queue_time(&self) -> Option<Duration> {
        Some(self.permit?.since(self.queued))
    }

    /// From when it could have been started to its end; `None` where it was never started.
    #[must_use]
    pub fn total(&self) -> Option<Duration> {
        Some(self.end?.since(self.queued))
    }

    /// How long it took to have a connection for the last attempt, targets that refused included; without an attempt, how
    /// long none was to be had. `None`: the attempt went over a connection that was open already.
    #[must_use]
    pub fn connect_time(&self) -> Option<Duration> {
        let failed = self.attempts.failed_connects.last();
        let Some(last) = self.attempts.last() else {
            return Some(failed?.end.since(self.permit?));
        };
        let before = self.attempts.before_last().map(|attempt| attempt.end).or(self.permit)?;
        let has_failed_since = || failed.is_some_and(|failed| failed.end > before && failed.end <= last.sent);
        let connected = last.connected.or_else(|| has_failed_since().then_some(last.sent))?;
        Some(connected.since(before))
    }

    /// The name of the target of the last attempt; without one, of the last target that could not be connected to. Nothing
    /// if no target was chosen.
    #[must_use]
    pub fn target(&self) -> &str {
        let failed = || self.attempts.failed_connects.last().map(|failed| &*failed.target);
        self.attempts.last().map(|attempt| &*attempt.target).or_else(failed).unwrap_or_default()
    }

    /// From the first byte of the last attempt to the head of its reply; `None` where none came.
    #[must_use]
    pub fn first_byte_time(&self) -> Option<Duration> {
        let last = self.attempts.last()?;
        Some(last.first_byte?.since(last.sent))
    }
}

/// The id of one attempt's span in the client's trace (W3C Trace Context).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpanId(pub u64);

impl Display for SpanId {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

/// The times of one attempt.
#[derive(Clone, Debug)]
pub struct AttemptTimes {
    /// The name of the target that it went to, as metrics have it.
    pub target: Arc<str>,
    /// Its span, if the client began a trace.
    pub span: Option<SpanId>,
    /// A connection was opened for it. `None`: it went over one that was open already.
    pub connected: Option<Stopwatch>,
    /// Just before its first byte was written.
    pub sent: Stopwatch,
    /// The head of the reply was read. `None`: none came.
    pub first_byte: Option<Stopwatch>,
    /// The reply was complete, or the attempt failed or was dropped.
    pub end: Stopwatch,
    /// The status of its reply; `None` where it brought none.
    pub status: Option<StatusCode>,
}

/// The attempts of one call, in order. The first one needs no allocation: most calls have no other.
#[derive(Clone, Debug)]
pub struct Attempts {
    first: Option<AttemptTimes>,
    more: Vec<AttemptTimes>,
    /// Where nothing could be sent, before, between or after the attempts.
    pub failed_connects: FailedConnects,
}

impl Attempts {
    /// No attempt yet.
    #[must_use]
    pub const fn none() -> Self {
        Self { first: None, more: Vec::new(), failed_connects: FailedConnects::none() }
    }

    /// Adds an attempt that has ended.
    pub fn push(&mut self, attempt: AttemptTimes) {
        if self.first.is_none() {
            self.first = Some(attempt);
        } else {
            self.more.push(attempt);
        }
    }

    /// Adds what a later call of the same kind has brought.
    pub(super) fn append(&mut self, later: Self) {
        later.first.into_iter().chain(later.more).for_each(|attempt| self.push(attempt));
        self.failed_connects.append(later.failed_connects);
    }

    /// The attempts, the first one first.
    pub fn iter(&self) -> impl Iterator<Item = &AttemptTimes> {
        self.first.iter().chain(&self.more)
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> usize {
        usize::from(self.first.is_some()) + self.more.len()
    }

    /// The last attempt.
    #[must_use]
    pub fn last(&self) -> Option<&AttemptTimes> {
        self.more.last().or(self.first.as_ref())
    }

    fn last_mut(&mut self) -> Option<&mut AttemptTimes> {
        self.more.last_mut().or(self.first.as_mut())
    }

    /// The attempt before the last one.
    fn before_last(&self) -> Option<&AttemptTimes> {
        let before = self.more.len().checked_sub(1)?;
        before.checked_sub(1).map_or(self.first.as_ref(), |index| self.more.get(index))
    }
}
