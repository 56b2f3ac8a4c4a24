//! The memory of encoders: a reply that is compressed on its way needs a window and tables until its end.
//!
//! It comes in addition to the memory for bodies, and is at most a quarter as much. Nobody waits for it: a reply for which
//! there is no room leaves as it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The memory of all encoders together.
#[derive(Debug)]
pub(crate) struct EncoderMemory {
    limit: AtomicUsize,
    used: AtomicUsize,
}

/// The memory of one encoder. It is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct EncoderPlace {
    memory: Arc<EncoderMemory>,
    bytes: usize,
}

impl EncoderMemory {
    /// The memory of encoders where `limits.memory` is this many bytes.
    pub(crate) const fn new(memory: usize) -> Self {
        Self { limit: AtomicUsize::new(memory / 4), used: AtomicUsize::new(0) }
    }

    /// Changes its size. Encoders at work stay.
    pub(crate) fn resize(&self, memory: usize) {
        self.limit.store(memory / 4, Ordering::Relaxed);
    }

    /// A place for an encoder of this size, if there is room for it.
    pub(crate) fn take(self: &Arc<Self>, bytes: usize) -> Option<EncoderPlace> {
        let limit = self.limit.load(Ordering::Relaxed);
        let more = |used: usize| Some(used + bytes).filter(|used| *used <= limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(EncoderPlace { memory: Arc::clone(self), bytes })
    }
}

impl Drop for EncoderPlace {
    fn drop(&mut self) {
        self.memory.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_a_quarter_and_all_of_it_comes_back() {
        let memory = Arc::new(EncoderMemory::new(400));
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
