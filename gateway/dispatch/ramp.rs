//! How many channels a batch opens. Against a fast upstream a few channels cost least (connections and wake-ups are
//! shared by many calls); against a slow one every item should wait at once. So a batch starts with a few, and opens
//! more only while nothing at all has come back.

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

/// A wait that takes this long says that the gateway itself is busy; that nothing came back then says little about the
/// upstream.
const BUSY: Duration = Duration::from_micros(2500);

/// How many times as many channels there are after each wait.
const GROWTH: usize = 8;

/// Decides when to open more channels.
#[derive(Debug, Default)]
pub(super) struct Ramp {
    completed_before: usize,
    wait: Option<(Stopwatch, Pin<Box<Sleep>>)>,
}

impl Ramp {
    /// Waits as long as nothing may come back. Then says how many times as many channels there should be, by how many
    /// items are `completed` in all.
    pub(super) fn poll(
        &mut self,
        context: &mut Context<'_>,
        completed: impl FnOnce() -> usize,
    ) -> Poll<usize> {
        let begin = || (Stopwatch::start(), Box::pin(tokio::time::sleep(PATIENCE)));
        let (since, sleep) = self.wait.get_or_insert_with(begin);
        ready!(sleep.as_mut().poll(context));
        let waited = since.elapsed();
        self.wait = None;
        Poll::Ready(self.growth(waited, completed()))
    }

    /// No more channels are wanted for now.
    pub(super) fn stop(&mut self) {
        self.wait = None;
    }

    fn growth(&mut self, waited: Duration, completed: usize) -> usize {
        let stalled = completed <= self.completed_before && waited < BUSY;
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
        assert_eq!(ramp.growth(PATIENCE, 0), GROWTH);
        assert_eq!(ramp.growth(PATIENCE, 5), 1);
        assert_eq!(ramp.growth(PATIENCE, 5), GROWTH);
    }

    #[test]
    fn a_busy_gateway_opens_no_channels() {
        assert_eq!(Ramp::default().growth(BUSY, 0), 1);
    }
}
