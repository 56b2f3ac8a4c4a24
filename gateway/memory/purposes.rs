//! What memory is held for. It decides nothing: metrics show it.
//!
//! Bodies of requests and what is kept without need are counted by those who hold them; all that is left is for replies, and
//! for what is leased ahead.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of some purposes, of one reservation or of all together.
#[derive(Debug, Default)]
pub(super) struct Purposes {
    /// Results that streams keep without need.
    pub(super) kept: AtomicUsize,
    /// Bodies of requests, and lines of streams.
    pub(super) bodies: AtomicUsize,
}

/// Bytes held, by what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MemoryUse {
    /// Bodies of requests, and lines of streams.
    pub(crate) bodies: usize,
    /// Replies, and what is leased ahead.
    pub(crate) replies: usize,
    /// Results that streams keep for later lines.
    pub(crate) kept: usize,
}

impl Purposes {
    /// Takes the bytes of a reservation that ends from these, which are those of all.
    pub(super) fn give_back(&self, of_one: &Self) {
        for (all, one) in [(&self.kept, &of_one.kept), (&self.bodies, &of_one.bodies)] {
            all.fetch_sub(one.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }
}

/// Sets the bytes of one reservation, and those of all with them. Returns what it was before.
pub(super) fn set(all: &AtomicUsize, of_one: &AtomicUsize, bytes: usize) -> usize {
    let before = of_one.swap(bytes, Ordering::Relaxed);
    if before != bytes {
        all.fetch_add(bytes, Ordering::Relaxed);
        all.fetch_sub(before, Ordering::Relaxed);
    }
    before
}
