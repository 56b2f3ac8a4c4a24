//! How fast a service answers when nothing holds it up, as far as its replies show.
//!
//! **Why.** A batch against a fast service needs few connections, and more of them only cost more. Against a slow one every
//! item should wait at once. A batch that starts with few and waits to see finds out a millisecond or two too late; the
//! batches before it knew.
//!
//! In: the time of each reply. Out: about the shortest of the last few hundred. It falls at once and rises slowly, so a service or a gateway that is
//! busy for a moment does not look slow. Two atomics for each call, no lock; an update that is lost does no harm.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The part of the way to a longer time that one reply goes.
const RISE: u64 = 64;

/// The pace of one upstream.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    microseconds: AtomicU64,
}

impl Pace {
    /// A reply took this long.
    pub(crate) fn note(&self, took: Duration) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let before = self.microseconds.load(Ordering::Relaxed);
        let now = if took < before { took } else { before + (took - before).div_ceil(RISE) };
        if now != before {
            self.microseconds.store(now, Ordering::Relaxed);
        }
    }

    /// The time that a reply takes if nothing holds it up; zero if nothing is known yet.
    pub(crate) fn quickest(&self) -> Duration {
        Duration::from_micros(self.microseconds.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_falls_at_once_and_rises_slowly() {
        let pace = Pace::default();
        let slow = Duration::from_millis(10);
        (0..20).for_each(|_| pace.note(slow));
        assert!(pace.quickest() < Duration::from_millis(3), "{pace:?}");
        (0..300).for_each(|_| pace.note(slow));
        assert!(pace.quickest() > Duration::from_millis(9), "{pace:?}");
        pace.note(Duration::from_micros(200));
        assert_eq!(pace.quickest(), Duration::from_micros(200));
    }
}
