//! The limits of the replies of one batch: of each alone (`max_item_reply`) and of all together (`max_reply`).

use std::sync::atomic::{AtomicUsize, Ordering};

use super::failure::CallFailure;

/// Bytes of replies that a batch may hold.
#[derive(Debug)]
pub struct ReplyBudget {
    left: AtomicUsize,
    max_reply: usize,
    max_item_reply: usize,
}

impl ReplyBudget {
    /// A budget of `max_reply` bytes in all and `max_item_reply` for one reply.
    #[must_use]
    pub const fn new(max_reply: usize, max_item_reply: usize) -> Self {
        Self { left: AtomicUsize::new(max_reply), max_reply, max_item_reply }
    }

    /// Bytes that replies may still have.
    #[must_use]
    pub fn left(&self) -> usize {
        self.left.load(Ordering::Relaxed)
    }

    /// Takes `more` bytes for a reply that holds `held` already.
    ///
    /// # Errors
    /// Names the limit that the reply exceeds. Its caller gives back what the reply holds.
    pub fn take(&self, held: usize, more: usize) -> Result<(), CallFailure> {
        if held.saturating_add(more) > self.max_item_reply {
            return Err(CallFailure::ReplyTooLarge { limit: self.max_item_reply });
        }
        self.take_copy(more)
    }

    /// Takes the `bytes` of a reply that was taken once already, for one more copy of it.
    ///
    /// # Errors
    /// All replies together have become too large.
    pub fn take_copy(&self, bytes: usize) -> Result<(), CallFailure> {
        let left =
            self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        left.map(drop).map_err(|_| CallFailure::RepliesTooLarge { limit: self.max_reply })
    }

    /// Gives back the bytes of a reply that was dropped.
    pub fn give_back(&self, held: usize) {
        self.left.fetch_add(held, Ordering::Relaxed);
    }
}
