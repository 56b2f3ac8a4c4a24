//! How many flows may wait at a gate (`queue`), and how many of them may be one client's (`client_share`). A
//! flow counts once however many of its calls wait, so that one batch can't fill the queue.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::clients::ClientPermits;
use super::{Flow, QueueFull};

/// The flows that wait.
#[derive(Debug)]
pub(super) struct Line {
    waiting: AtomicUsize,
    most: usize,
    most_of_client: usize,
}

impl Line {
    pub(super) const fn new(most: usize, most_of_client: usize) -> Self {
        Self { waiting: AtomicUsize::new(0), most, most_of_client }
    }

    /// One more call of this flow waits, until what this returns is dropped. A flow that was let in before is not
    /// turned away. All calls of a flow are made in one task, so its own count can't change meanwhile.
    pub(super) fn join<'line>(
        &'line self,
        flow: &'line Flow,
        client: Option<&'line ClientPermits>,
    ) -> Result<InLine<'line>, QueueFull> {
        if flow.waiting.fetch_add(1, Ordering::Relaxed) == 0
            && let Err(full) = self.count(flow, client)
        {
            flow.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(full);
        }
        flow.let_in();
        Ok(InLine { line: self, flow, client })
    }

    fn count(&self, flow: &Flow, client: Option<&ClientPermits>) -> Result<(), QueueFull> {
        let one_more = |waiting: &AtomicUsize, most: usize| {
            let most = if flow.is_known() { usize::MAX } else { most };
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

/// A call that waits.
pub(super) struct InLine<'line> {
    line: &'line Line,
    flow: &'line Flow,
    client: Option<&'line ClientPermits>,
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        if self.flow.waiting.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.line.waiting.fetch_sub(1, Ordering::Relaxed);
            if let Some(client) = self.client {
                client.waiting.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}
