//! The memory of encoders, and that of decoders: a reply that is compressed on its way, or a request that is decompressed, needs a
//! window and tables until its end.
//!
//! Each comes in addition to the memory for bodies, and is at most a quarter as much. Nobody waits for it: a reply for which
//! there is no room leaves as it is, and such a request is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The memory of all encoders, or of all decoders, together.
#[derive(Debug)]
pub(crate) struct CoderMemory {
    limit: AtomicUsize,
    used: AtomicUsize,
}

/// The memory of one encoder or decoder. It is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct CoderPlace {
    memory: Arc<CoderMemory>,
    bytes: usize,
}

impl CoderMemory {
    /// The memory where `limits.memory` is this many bytes.
    pub(crate) const fn new(memory: usize) -> Self {
        Self { limit: AtomicUsize::new(memory / 4), used: AtomicUsize::new(0) }
    }

    /// Changes its size. What is at work stays.
    pub(crate) fn resize(&self, memory: usize) {
        self.limit.store(memory / 4, Ordering::Relaxed);
    }

    /// Bytes that are taken now.
    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// A place of this size, if there is room for it.
    pub(crate) fn take(self: &Arc<Self>, bytes: usize) -> Option<CoderPlace> {
        let limit = self.limit.load(Ordering::Relaxed);
        let more = |used: usize| Some(used + bytes).filter(|used| *used <= limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(CoderPlace { memory: Arc::clone(self), bytes })
    }
}

impl Drop for CoderPlace {
    fn drop(&mut self) {
        self.memory.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_a_quarter_and_all_of_it_comes_back() {
        let memory = Arc::new(CoderMemory::new(400));
        let first = memory.take(60).unwrap();
        assert!(memory.take(41).is_none());
        let second = memory.take(40).unwrap();
        assert!(memory.take(1).is_none());
        drop(first);
        assert!(memory.take(61).is_none());
        drop((memory.take(60), second));
        memory.resize(40);
        assert!(memory.take(11).is_none() && memory.take(10).is_some());
    }
}
