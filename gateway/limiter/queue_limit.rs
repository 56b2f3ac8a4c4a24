//! How many flows may wait at a limiter (`queue`), and how many of them may belong to one client (`client_share`).
//! A flow counts once however many of its calls wait, so that one batch can't fill the queue.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::clients::ClientPermits;
use super::flow::Flow;

/// Too many flows wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueFull {
    /// Of all clients (`queue`).
    All,
    /// Of this client (`client_share`).
    OfClient,
}

/// The number of flows that wait, and its limits.
#[derive(Debug)]
pub(super) struct QueueLimit {
    waiting: AtomicUsize,
    most: usize,
    most_of_client: usize,
}

impl QueueLimit {
    pub(super) const fn new(most: usize, most_of_client: usize) -> Self {
        Self { waiting: AtomicUsize::new(0), most, most_of_client }
    }

    /// Counts one more waiting call of this flow, until the guard is dropped. A flow that was let in before is not
    /// turned away. All calls of a flow are made in one task, so its own count can't change meanwhile.
    pub(super) fn join<'limit>(
        &'limit self,
        flow: &'limit Flow,
        client: Option<&'limit ClientPermits>,
    ) -> Result<QueuedCall<'limit>, QueueFull> {
        if flow.waiting.fetch_add(1, Ordering::Relaxed) == 0
            && let Err(full) = self.count(flow, client)
        {
            flow.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(full);
        }
        flow.admit();
        Ok(QueuedCall { limit: self, flow, client })
    }

    fn count(&self, flow: &Flow, client: Option<&ClientPermits>) -> Result<(), QueueFull> {
        let one_more = |waiting: &AtomicUsize, most: usize| {
            let most = if flow.is_admitted() { usize::MAX } else { most };
            waiting
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| (now < most).then(|| now + 1))
                .is_ok()
        };
        if !one_more(&self.waiting, self.most) {
            return Err(QueueFull::All);
        }
        if client.is_none_or(|client| one_more(&client.waiting, self.most_of_client)) {
            return Ok(());
        }
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        Err(QueueFull::OfClient)
    }
}

/// A call that waits. Dropping it, whether the call got its permit or gave up, ends the count.
pub(super) struct QueuedCall<'limit> {
    limit: &'limit QueueLimit,
    flow: &'limit Flow,
    client: Option<&'limit ClientPermits>,
}

impl Drop for QueuedCall<'_> {
    fn drop(&mut self) {
        if self.flow.waiting.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.limit.waiting.fetch_sub(1, Ordering::Relaxed);
            if let Some(client) = self.client {
                client.waiting.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}
