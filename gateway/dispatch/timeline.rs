//! What happened to an item, and when: it was queued, had its permit, was sent in one or more attempts, and ended.
//!
//! All points in time are [`Stopwatch`]es of one monotonic clock, so that any two can be compared
//! ([`Stopwatch::since`]). A timeline is made when its item ends ([`Progress`](super::Progress) keeps the marks until
//! then) and belongs to the holder of the item. An attempt is recorded when it ends or is dropped, by the channel that
//! made it; a trace's span id would be one more field of [`AttemptTimes`].

use std::time::Duration;

use http::StatusCode;

use crate::address::TargetAddress;
use crate::clock::Stopwatch;

/// The times of one item.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// It could have been started from here on: the start of its batch, or the arrival of its line.
    pub queued: Stopwatch,
    /// It had its permit, and its call began. `None`: it was never started.
    pub permit: Option<Stopwatch>,
    /// The attempts of its call.
    pub attempts: Attempts,
    /// It ended. `None`: it was never started.
    pub end: Option<Stopwatch>,
}

impl Timeline {
    /// The times of an item that was never started.
    #[must_use]
    pub const fn not_started(queued: Stopwatch) -> Self {
        Self { queued, permit: None, attempts: Attempts::none(), end: None }
    }

    /// From its permit to its end; `None` where it was never started.
    #[must_use]
    pub fn elapsed(&self) -> Option<Duration> {
        Some(self.end?.since(self.permit?))
    }
}

/// The times of one attempt.
#[derive(Clone, Debug)]
pub struct AttemptTimes {
    /// The target that it went to.
    pub target: TargetAddress,
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
}

impl Attempts {
    /// No attempt yet.
    #[must_use]
    pub const fn none() -> Self {
        Self { first: None, more: Vec::new() }
    }

    /// Adds an attempt that has ended.
    pub fn push(&mut self, attempt: AttemptTimes) {
        if self.first.is_none() {
            self.first = Some(attempt);
        } else {
            self.more.push(attempt);
        }
    }

    /// The attempts, the first one first.
    pub fn iter(&self) -> impl Iterator<Item = &AttemptTimes> {
        self.first.iter().chain(&self.more)
    }
}
