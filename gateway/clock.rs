//! The only reader of a clock: deadlines and stopwatches. Built on tokio's clock, so that tests
//! can pause it. All durations are wall-clock, monotonic.

use std::num::NonZeroUsize;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// A point in time after which nothing more is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// The deadline `after` from now.
    #[must_use]
    pub fn after(after: Duration) -> Self {
        Self(now() + after)
    }

    /// What is left until the deadline; zero once it has passed.
    #[must_use]
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(now())
    }

    /// The same in whole milliseconds, rounded down; 1 where less is left.
    #[must_use]
    pub fn remaining_milliseconds(self) -> u64 {
        u64::try_from(self.remaining().as_millis()).unwrap_or(u64::MAX).max(1)
    }

    /// Whether the deadline has passed.
    #[must_use]
    pub fn is_over(self) -> bool {
        self.remaining().is_zero()
    }

    /// The earlier of two deadlines.
    #[must_use]
    pub fn earlier(self, other: Self) -> Self {
        self.min(other)
    }

    /// Returns at the deadline.
    pub async fn come(self) {
        tokio::time::sleep_until(self.0).await;
    }

    /// What `work` gives, if it ends before the deadline; at the deadline `work` is dropped.
    pub async fn race<F: Future>(self, work: F) -> Option<F::Output> {
        tokio::time::timeout_at(self.0, work).await.ok()
    }
}

/// Measures how long something took.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts measuring now.
    #[must_use]
    pub fn start() -> Self {
        Self(now())
    }

    /// Time since the start.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        now().saturating_duration_since(self.0)
    }

    /// Time from the start of `earlier` to the start of this one. Reads no clock.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_duration_since(earlier.0)
    }

    /// The deadline `after` the start. Reads no clock.
    #[must_use]
    pub fn deadline(self, after: Duration) -> Deadline {
        Deadline(self.0 + after)
    }
}

/// Beats at most once an interval, but for a few beats in a row after a pause (the generic cell rate
/// algorithm: ITU-T I.371, annex A).
#[derive(Clone, Copy, Debug)]
pub struct Metronome {
    interval: Duration,
    /// How much earlier than due a beat may come.
    tolerance: Duration,
    due: Instant,
}

impl Metronome {
    /// Beats once an `interval`, and `burst` times in a row after a pause.
    #[must_use]
    pub fn new(interval: Duration, burst: NonZeroUsize) -> Self {
        let more = u32::try_from(burst.get() - 1).unwrap_or(u32::MAX);
        Self { interval, tolerance: interval.saturating_mul(more), due: now() }
    }

    /// Beats now, or says how long that has to wait.
    pub fn tick(&mut self) -> Option<Duration> {
        let now = now();
        let early = self.due.saturating_duration_since(now);
        if let Some(wait) = early.checked_sub(self.tolerance).filter(|wait| !wait.is_zero()) {
            return Some(wait);
        }
        self.due = self.due.max(now) + self.interval;
        None
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
fn now() -> Instant {
    Instant::now()
}

/// Seconds since the epoch, for log lines and metrics only; never for measuring.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
pub fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
