//! How far a call got, and how many bytes of replies a batch holds. Written by the engine, read
//! by the dispatcher, also after the call was dropped in the middle.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::clock::Stopwatch;

use super::CallFailure;

/// Whether a byte of a call may have reached an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// None did: safe to send again.
    No,
    /// Some may have: safe to send again only if the method is idempotent.
    Maybe,
}

/// One call's progress.
#[derive(Debug, Default)]
pub struct Progress {
    started: OnceLock<Stopwatch>,
    sent: AtomicBool,
}

impl Progress {
    /// The item's turn has come.
    pub fn mark_started(&self) {
        self.started.get_or_init(Stopwatch::start);
    }

    /// From here on, bytes may reach the upstream. The engine says this just before it writes.
    pub fn mark_sent(&self) {
        self.sent.store(true, Ordering::Relaxed);
    }

    /// What was sent since `before` was not processed, as the upstream itself said: it counts as not sent.
    pub fn take_back(&self, before: Sent) {
        self.sent.store(before == Sent::Maybe, Ordering::Relaxed);
    }

    /// The time since the item's turn came; `None` where it has not.
    #[must_use]
    pub fn elapsed(&self) -> Option<Duration> {
        self.started.get().map(|started| started.elapsed())
    }

    /// Whether bytes may have reached the upstream.
    #[must_use]
    pub fn sent(&self) -> Sent {
        if self.sent.load(Ordering::Relaxed) { Sent::Maybe } else { Sent::No }
    }
}

/// Bytes of reply bodies that a batch may hold.
#[derive(Debug)]
pub struct ReplyBudget {
    left: AtomicUsize,
    max_reply: usize,
    max_item_reply: usize,
}

impl ReplyBudget {
    /// A budget of `max_reply` bytes in all and `max_item_reply` for one.
    #[must_use]
    pub const fn new(max_reply: usize, max_item_reply: usize) -> Self {
        Self { left: AtomicUsize::new(max_reply), max_reply, max_item_reply }
    }

    /// Takes `more` bytes for a reply that has `held` already.
    ///
    /// # Errors
    /// Names the limit that is in the way; the caller gives back what it holds.
    pub fn take(&self, held: usize, more: usize) -> Result<(), CallFailure> {
        if held.saturating_add(more) > self.max_item_reply {
            return Err(CallFailure::ReplyTooLarge { limit: self.max_item_reply });
        }
        self.take_of_all(more)
    }

    /// Takes the `bytes` of a reply that was taken once already, for one more copy of it.
    ///
    /// # Errors
    /// All replies together have become too large.
    pub fn take_copy(&self, bytes: usize) -> Result<(), CallFailure> {
        self.take_of_all(bytes)
    }

    fn take_of_all(&self, more: usize) -> Result<(), CallFailure> {
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(more))
            .map(|_| ())
            .map_err(|_| CallFailure::RepliesTooLarge { limit: self.max_reply })
    }

    /// Gives back the bytes of a reply that was dropped.
    pub fn give_back(&self, held: usize) {
        self.left.fetch_add(held, Ordering::Relaxed);
    }

    /// The most that one reply may hold.
    #[must_use]
    pub const fn max_item_reply(&self) -> usize {
        self.max_item_reply
    }
}
