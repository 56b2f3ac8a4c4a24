//! What is kept without need: a stream keeps the results of its last lines, because later ones may name them.
//!
//! It could do without. So all streams together keep at most a quarter of the memory, and nothing while more than half of it
//! is held: bodies and calls always find the rest. A client that holds next to nothing can always keep a little.

use std::sync::atomic::Ordering;

use super::MemoryReservation;

impl MemoryReservation<'_> {
    /// How many bytes it may keep without need.
    pub(crate) fn may_keep(&self) -> usize {
        let memory = self.memory;
        if memory.held() > memory.half() {
            return 0;
        }
        let others = memory.kept.load(Ordering::Relaxed).saturating_sub(self.kept.load(Ordering::Relaxed));
        (memory.limit() / 4).saturating_sub(others).max(memory.small())
    }

    /// Keeps exactly `bytes` without need from now on.
    pub(crate) fn keep(&self, bytes: usize) {
        let before = self.kept.swap(bytes, Ordering::Relaxed);
        if before != bytes {
            self.memory.kept.fetch_add(bytes, Ordering::Relaxed);
            self.memory.kept.fetch_sub(before, Ordering::Relaxed);
            self.change(before, bytes);
        }
    }
}
