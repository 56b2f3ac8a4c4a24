//! Counts requests in flight and open connections of clients. A gateway that drains waits until they have ended.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// Nothing may begin for this long before the gateway counts as quiet. A client may be writing its next request on an
/// idle connection, and closing that would lose the request.
const QUIET: Duration = Duration::from_millis(500);

/// The counts.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    requests: AtomicUsize,
    connections: AtomicUsize,
    /// Requests and connections that have ever begun.
    begun: AtomicUsize,
    ended: Notify,
}

/// What has to end before the gateway counts as quiet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// Requests. Idle connections may be cut.
    Requests,
    /// Requests and connections.
    Connections,
}

impl Activity {
    pub(crate) fn request_begins(&self) {
        self.requests.fetch_add(1, Ordering::AcqRel);
        self.begun.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn request_ends(&self) {
        self.end_one_of(&self.requests);
    }

    pub(crate) fn connection_begins(&self) {
        self.connections.fetch_add(1, Ordering::AcqRel);
        self.begun.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn connection_ends(&self) {
        self.end_one_of(&self.connections);
    }

    fn end_one_of(&self, count: &AtomicUsize) {
        if count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.ended.notify_waiters();
        }
    }

    /// Returns once the awaited work has ended and nothing has begun for half a second.
    pub(crate) async fn quiet(&self, awaited: Awaited) {
        loop {
            let ended = self.ended.notified();
            if self.is_over(awaited) {
                let begun = self.begun.load(Ordering::Acquire);
                tokio::time::sleep(QUIET).await;
                if self.is_over(awaited) && self.begun.load(Ordering::Acquire) == begun {
                    return;
                }
            } else {
                ended.await;
            }
        }
    }

    /// Requests in flight, and open connections.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.requests.load(Ordering::Acquire), self.connections.load(Ordering::Acquire))
    }

    fn is_over(&self, awaited: Awaited) -> bool {
        let (requests, connections) = self.counts();
        requests == 0 && (awaited == Awaited::Requests || connections == 0)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_quiet_when_nothing_has_begun_for_a_moment() {
        let activity = Arc::new(Activity::default());
        activity.connection_begins();
        activity.request_begins();
        let quiet = tokio::spawn({
            let activity = Arc::clone(&activity);
            async move { activity.quiet(Awaited::Requests).await }
        });
        tokio::time::sleep(QUIET * 3).await;
        assert!(!quiet.is_finished());
        activity.request_ends();
        tokio::time::sleep(QUIET / 2).await;
        activity.request_begins();
        activity.request_ends();
        tokio::time::sleep(QUIET * 3 / 4).await;
        assert!(!quiet.is_finished(), "the next request began in the meantime");
        quiet.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn idle_connections_are_waited_for_where_they_are_awaited() {
        let activity = Arc::new(Activity::default());
        activity.connection_begins();
        let quiet = tokio::spawn({
            let activity = Arc::clone(&activity);
            async move { activity.quiet(Awaited::Connections).await }
        });
        tokio::time::sleep(QUIET * 100).await;
        assert!(!quiet.is_finished());
        activity.connection_ends();
        quiet.await.unwrap();
    }
}
