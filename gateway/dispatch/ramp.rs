//! How many lanes a batch opens. Against a fast upstream a few lanes cost least (connections and
//! wake-ups are shared by many calls); against a slow one every item should wait at once. So a
//! batch starts with a few, and opens more only while nothing at all has come back.

use std::time::Duration;

/// Lanes that a batch opens at once.
pub(super) const FIRST_LANES: usize = 8;

/// How long nothing may come back before more lanes open.
const PATIENCE: Duration = Duration::from_millis(1);

/// How many times as many lanes there are after each time of waiting.
const GROWTH: usize = 4;

/// Decides when to open more lanes.
#[derive(Debug, Default)]
pub(super) struct Ramp {
    completed_before: usize,
}

impl Ramp {
    /// Waits as long as nothing may come back.
    pub(super) async fn wait() {
        tokio::time::sleep(PATIENCE).await;
    }

    /// How many times as many lanes there should be, now that a wait is over and `completed` items
    /// are done in all.
    pub(super) fn growth(&mut self, completed: usize) -> usize {
        let stalled = completed <= self.completed_before;
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
        assert_eq!(ramp.growth(0), GROWTH);
        assert_eq!(ramp.growth(5), 1);
        assert_eq!(ramp.growth(5), GROWTH);
    }
}
