//! How many channels a batch opens. Against a fast upstream a few channels cost least (connections and wake-ups are
//! shared by many calls); against a slow one every item should wait at once. So a batch starts with a few, and opens
//! more only while nothing at all has come back, and only as many as find permits free, and one
//! that waits for its turn: others that wait are of no use, but need memory.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Sleep;

use crate::clock::Stopwatch;

/// Channels that a batch opens at once for a queue of `calls`, unless the engine knows better: a connection is worth opening
/// for a run of calls, not for one.
#[must_use]
pub fn first_channels(calls: usize) -> usize {
    (calls / 4).clamp(2, 8)
}

/// How long nothing may come back before more channels open.
const PATIENCE: Duration = Duration::from_millis(1);

/// The same where many calls are under way already. Then replies are late because of each other, and more calls at once would
/// only wait for permits.
const PATIENCE_IN_A_CROWD: Duration = Duration::from_millis(20);

/// A wait that takes so much longer than it should says that the gateway itself is busy; that nothing came back then says
/// little about the upstream.
const BUSY: Duration = Duration::from_micros(1500);

/// How many times as many channels there are after each wait.
const GROWTH: usize = 8;

/// Decides when to open more channels.
#[derive(Debug, Default)]
pub(super) struct Ramp {
    completed_before: usize,
    wait: Option<Wait>,
}

#[derive(Debug)]
struct Wait {
    since: Stopwatch,
    patience: Duration,
    sleep: Pin<Box<Sleep>>,
}

impl Wait {
    fn new(patience: Duration) -> Self {
        Self { since: Stopwatch::start(), patience, sleep: Box::pin(tokio::time::sleep(patience)) }
    }
}

impl Ramp {
    /// Waits as long as nothing may come back. Then says how many times as many channels there should be, by how many
    /// items are `completed` in all. `is_crowded`: whether many calls are under way.
    pub(super) fn poll(
        &mut self,
        context: &mut Context<'_>,
        is_crowded: impl FnOnce() -> bool,
        completed: impl FnOnce() -> usize,
    ) -> Poll<usize> {
        let patience = || if is_crowded() { PATIENCE_IN_A_CROWD } else { PATIENCE };
        let wait = self.wait.get_or_insert_with(|| Wait::new(patience()));
        ready!(wait.sleep.as_mut().poll(context));
        let late = wait.since.elapsed().saturating_sub(wait.patience);
        self.wait = None;
        Poll::Ready(self.growth(late, completed()))
    }

    /// No more channels are wanted for now.
    pub(super) fn stop(&mut self) {
        self.wait = None;
    }

    fn growth(&mut self, late: Duration, completed: usize) -> usize {
        let stalled = completed <= self.completed_before && late < BUSY;
        self.completed_before = completed;
        if stalled { GROWTH } else { 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_open_only_while_nothing_comes_back() {
        let mut ramp = Ramp::default();
        assert_eq!(ramp.growth(Duration::ZERO, 0), GROWTH);
        assert_eq!(ramp.growth(Duration::ZERO, 5), 1);
        assert_eq!(ramp.growth(Duration::ZERO, 5), GROWTH);
    }

    #[test]
    fn a_busy_gateway_opens_no_channels() {
        assert_eq!(Ramp::default().growth(BUSY, 0), 1);
    }
}
