//! The only module that reads a clock: deadlines, stopwatches, metronomes. It uses tokio's clock, so that tests can pause
//! it. Durations are monotonic.

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

    /// The time until the deadline; zero once it has passed.
    #[must_use]
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(now())
    }

    /// The same in milliseconds, rounded down, and at least 1.
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

    /// Waits for the deadline.
    pub async fn come(self) {
        tokio::time::sleep_until(self.0).await;
    }

    /// The result of `work` if it ends before the deadline. At the deadline `work` is dropped.
    pub async fn race<F: Future>(self, work: F) -> Option<F::Output> {
        tokio::time::timeout_at(self.0, work).await.ok()
    }
}

/// Measures how long something took.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Stopwatch(Instant);

impl Default for Stopwatch {
    fn default() -> Self {
        Self::start()
    }
}

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

/// Turns points of the monotonic clock into times since the epoch, for what is shown to others.
#[derive(Clone, Copy, Debug)]
pub struct Calendar {
    now: Stopwatch,
    unix: Duration,
}

impl Calendar {
    /// Reads both clocks.
    #[must_use]
    pub fn read() -> Self {
        Self { now: Stopwatch::start(), unix: unix_time() }
    }

    /// Now, since the epoch.
    #[must_use]
    pub const fn now(self) -> Duration {
        self.unix
    }

    /// The time from a point until now.
    #[must_use]
    pub fn since(self, earlier: Stopwatch) -> Duration {
        self.now.since(earlier)
    }

    /// When a point was that has passed, since the epoch.
    #[must_use]
    pub fn time_of(self, at: Stopwatch) -> Duration {
        self.unix.saturating_sub(self.since(at))
    }
}

/// Beats at most once per interval, with a few beats in a row after a pause (the generic cell rate algorithm: ITU-T
/// I.371, annex A).
#[derive(Clone, Copy, Debug)]
pub struct Metronome {
    interval: Duration,
    /// How early a beat may come.
    tolerance: Duration,
    due: Instant,
}

impl Metronome {
    /// A metronome that beats once per `interval`, and `burst` times in a row after a pause.
    #[must_use]
    pub fn new(interval: Duration, burst: NonZeroUsize) -> Self {
        let more = u32::try_from(burst.get() - 1).unwrap_or(u32::MAX);
        Self { interval, tolerance: interval.saturating_mul(more), due: now() }
    }

    /// `None` if it beats now; otherwise the time until it may.
    pub fn tick(&mut self) -> Option<Duration> {
        let wait = self.wait();
        if wait.is_none() {
            self.due = self.due.max(now()) + self.interval;
        }
        wait
    }

    /// The time until it may beat; `None` if it may now.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        let early = self.due.saturating_duration_since(now());
        early.checked_sub(self.tolerance).filter(|wait| !wait.is_zero())
    }
}

#[expect(clippy::disallowed_methods, reason = "the only place that reads the monotonic clock")]
fn now() -> Instant {
    Instant::now()
}

/// Seconds since the epoch, for log lines, metrics and the dates of certificates only; never for measuring.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the only place that reads the wall clock")]
pub fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
