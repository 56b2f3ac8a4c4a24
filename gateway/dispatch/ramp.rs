//! How many lanes a batch opens. Against a fast upstream a few lanes cost least (connections and
//! wake-ups are shared by many calls); against a slow one every item should wait at once. So a
//! batch starts with a few, and opens more only while nothing at all has come back.

use std::time::Duration;

use crate::clock::Stopwatch;

/// Lanes that a batch opens at once, for a queue of `calls`: a connection is worth opening for a run
/// of calls, not for one.
pub(crate) fn first_lanes(calls: usize) -> usize {
    (calls / 4).clamp(2, 8)
}

/// How long nothing may come back before more lanes open.
const PATIENCE: Duration = Duration::from_millis(1);

/// A wait that takes this long says that the gateway itself is busy; that nothing came back then says
/// little about the upstream.
const BUSY: Duration = Duration::from_micros(2500);

/// How many times as many lanes there are after each time of waiting.
const GROWTH: usize = 8;

/// Decides when to open more lanes.
#[derive(Debug, Default)]
pub(crate) struct Ramp {
    completed_before: usize,
}

impl Ramp {
    /// Waits as long as nothing may come back. Says how long that took.
    pub(crate) async fn wait() -> Duration {
        let stopwatch = Stopwatch::start();
        tokio::time::sleep(PATIENCE).await;
        stopwatch.elapsed()
    }

    /// How many times as many lanes there should be, now that a wait is over that took `waited`, and
    /// `completed` items are done in all.
    pub(crate) fn growth(&mut self, waited: Duration, completed: usize) -> usize {
        let stalled = completed <= self.completed_before && waited < BUSY;
        self.completed_before = completed;
        if stalled { GROWTH } else { 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_open_only_while_nothing_comes_back() {
        let mut ramp = Ramp::default();
        assert_eq!(ramp.growth(PATIENCE, 0), GROWTH);
        assert_eq!(ramp.growth(PATIENCE, 5), 1);
        assert_eq!(ramp.growth(PATIENCE, 5), GROWTH);
    }

    #[test]
    fn a_busy_gateway_opens_no_lanes() {
        assert_eq!(Ramp::default().growth(BUSY, 0), 1);
    }
}
