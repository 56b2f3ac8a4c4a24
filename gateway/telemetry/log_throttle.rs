//! Limits log lines about events that may happen thousands of times a second: an attack must not fill the log.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::unix_time;

/// Allows one line a second.
#[derive(Debug, Default)]
pub struct LogThrottle {
    /// The second of the last line, since the epoch.
    last: AtomicU64,
}

impl LogThrottle {
    /// Whether a line may be written now.
    pub fn may_log(&self) -> bool {
        let now = unix_time().as_secs();
        self.last.load(Ordering::Relaxed) != now && self.last.swap(now, Ordering::Relaxed) != now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_events_at_once_are_a_line_or_two() {
        let throttle = LogThrottle::default();
        let lines = (0..1000).filter(|_| throttle.may_log()).count();
        assert!((1..=2).contains(&lines), "{lines}");
    }
}
