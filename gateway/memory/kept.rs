//! What is kept without need: a stream keeps the results of its last lines, because later ones may name them.
//!
//! It could do without. So all streams together keep at most a quarter of the memory, and nothing while more than half of it
//! is held: bodies and calls always find the rest. A client that holds next to nothing can always keep a little.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::purposes::{MemoryUse, set};
use super::{MemoryBudget, MemoryReservation};

impl MemoryReservation<'_> {
    /// How many bytes it may keep without need.
    pub(crate) fn may_keep(&self) -> usize {
        let memory = self.memory;
        if memory.held() > memory.half() {
            return 0;
        }
        let own = self.purposes.kept.load(Ordering::Relaxed);
        let others = memory.purposes.kept.load(Ordering::Relaxed).saturating_sub(own);
        (memory.limit() / 4).saturating_sub(others).max(memory.small())
    }

    /// Keeps exactly `bytes` without need from now on.
    pub(crate) fn keep(&self, bytes: usize) {
        let before = set(&self.memory.purposes.kept, &self.purposes.kept, bytes);
        if before != bytes {
            self.change(before, bytes);
        }
    }
}

impl MemoryBudget {
    /// What the bytes are held for.
    pub(crate) fn uses(&self) -> MemoryUse {
        let of = |bytes: &AtomicUsize| bytes.load(Ordering::Relaxed);
        let (kept, bodies) = (of(&self.purposes.kept), of(&self.purposes.bodies));
        MemoryUse { bodies, replies: self.held().saturating_sub(kept + bodies), kept }
    }
}

impl MemoryReservation<'_> {
    /// Of what it holds, exactly `bytes` are of a request's body from now on.
    pub(crate) fn note_body(&self, bytes: usize) {
        set(&self.memory.purposes.bodies, &self.purposes.bodies, bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limiter::Client;

    #[test]
    fn what_is_held_has_its_purpose_until_it_is_given_back() {
        let memory = MemoryBudget::new(1 << 20);
        let uses = |bodies, replies, kept| MemoryUse { bodies, replies, kept };
        let reservation = MemoryReservation::new(&memory, Client::default());
        reservation.take(8 << 10).unwrap();
        reservation.note_body(8 << 10);
        assert_eq!(memory.uses(), uses(8 << 10, 0, 0));
        reservation.take(4 << 10).unwrap();
        reservation.keep(4 << 10);
        assert_eq!((memory.uses().bodies, memory.uses().kept), (8 << 10, 4 << 10));
        reservation.keep(0);
        reservation.note_body(0);
        assert_eq!(memory.uses(), uses(0, memory.held(), 0));
        reservation.note_body(1);
        drop(reservation);
        assert_eq!(memory.uses(), uses(0, 0, 0));
    }
}
