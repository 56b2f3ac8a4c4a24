//! The limits of one upstream's limiter, as configured.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::share::ClientShare;

/// The limits of a [`FairLimiter`](super::FairLimiter).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimiterLimits {
    /// Calls at once.
    pub permits: NonZeroUsize,
    /// Flows that may wait. One more is turned away.
    pub queue: usize,
    /// The part of the permits and of the queue that one client may hold.
    pub share: ClientShare,
    /// How fast calls may start.
    pub rate: Option<Rate>,
}

impl LimiterLimits {
    /// Permits that one client may hold at once.
    #[must_use]
    pub fn permits_of_client(&self) -> NonZeroUsize {
        self.share.of(self.permits)
    }

    /// Flows of one client that may wait.
    pub(super) fn queue_of_client(&self) -> usize {
        NonZeroUsize::new(self.queue).map_or(0, |queue| self.share.of(queue).get())
    }
}

/// How often calls may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The time between two starts.
    pub interval: Duration,
    /// Calls that may start together after a pause.
    pub burst: NonZeroUsize,
}
