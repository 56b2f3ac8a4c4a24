//! The minimum rate of a request's body, over HTTP/1.1 and HTTP/2: the gateway waits for a body at most a grace period
//! in total, and one second more for each KiB that arrives.
//!
//! Only time in which a read had to wait counts. While nothing is read because the service is slow, the client can't be
//! too slow.

use std::time::Duration;

use crate::clock::{Deadline, Stopwatch};

/// A body that arrives at this rate may take any time.
const BYTES_PER_SECOND: u32 = 1024;

/// A body fell behind its rate. The request is answered with 408 if that is still possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooSlow;

/// Counts how long the reads of one body may still wait.
#[derive(Debug)]
pub(crate) struct BodyRate {
    grace: Duration,
    patience: Duration,
    /// Since when a read has waited.
    waits: Option<Stopwatch>,
}

impl BodyRate {
    /// For a body that has not begun. `grace` is the time that its reads may wait in total.
    pub(crate) const fn new(grace: Duration) -> Self {
        Self { grace, patience: grace, waits: None }
    }

    /// The next body begins.
    pub(crate) fn restart(&mut self) {
        *self = Self::new(self.grace);
    }

    /// Waits for a read of the body. Pass what it read to [`Self::received`].
    ///
    /// # Errors
    /// The body fell behind its rate.
    pub(crate) async fn wait_for<F: Future>(&mut self, read: F) -> Result<F::Output, TooSlow> {
        self.begin_wait();
        Deadline::after(self.patience).race(read).await.ok_or(TooSlow)
    }

    /// Bytes of the body have arrived.
    pub(crate) fn received(&mut self, bytes: usize) {
        let waited = self.waits.take().map(Stopwatch::elapsed).unwrap_or_default();
        let earned = Duration::from_secs(1) * u32::try_from(bytes).unwrap_or(u32::MAX) / BYTES_PER_SECOND;
        self.patience = (self.patience.saturating_sub(waited) + earned).min(self.grace);
    }

    /// A read has to wait. Returns whether this wait has just begun.
    pub(crate) fn begin_wait(&mut self) -> bool {
        let begins = self.waits.is_none();
        if begins {
            self.waits = Some(Stopwatch::start());
        }
        begins
    }

    /// How long a read may wait that begins to wait now.
    pub(crate) const fn patience(&self) -> Duration {
        self.patience
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    /// Sends a piece each `pause`; gives after how many pieces and seconds it was too slow.
    async fn pieces(bytes: usize, pause: Duration) -> Option<(u32, u64)> {
        let (mut rate, start) = (BodyRate::new(Duration::from_secs(60)), Stopwatch::start());
        for count in 0..10_000 {
            if rate.wait_for(sleep(pause)).await == Err(TooSlow) {
                return Some((count, start.elapsed().as_secs()));
            }
            rate.received(bytes);
        }
        None
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_keeps_to_its_rate_may_take_any_time() {
        assert_eq!(pieces(1024, Duration::from_secs(1)).await, None);
        assert_eq!(pieces(50 << 10, Duration::from_secs(50)).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_body_ends_after_its_grace_and_what_it_earned() {
        assert_eq!(pieces(100, Duration::from_secs(1)).await, Some((66, 66)));
        assert_eq!(pieces(1, Duration::from_millis(10)).await.map(|(_, seconds)| seconds), Some(66));
        assert_eq!(pieces(1 << 20, Duration::from_secs(61)).await, Some((0, 60)));
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_nothing_was_read_does_not_count() {
        let mut rate = BodyRate::new(Duration::from_secs(60));
        for _ in 0..10 {
            sleep(Duration::from_secs(100)).await;
            rate.wait_for(sleep(Duration::from_secs(5))).await.unwrap();
            rate.received(1);
        }
    }
}
