//! Dispatches a stream: each item starts when it is given, its outcome comes when it ends, and at no time are there more of
//! them than [`DispatchLimits`](super::source::DispatchLimits) says.
//!
//! [`StreamWork`] has the items, [`StreamDispatch`] drives their calls, all in the task that polls it. Each item that was
//! started comes out once, whatever happens: a timeout, a panic, a client that leaves.

use std::future::{Future, poll_fn};
use std::task::{Context, Poll};

use crate::plan::PlannedLine;

use super::arriving::{StreamWork, StreamedItem};
use super::engine::Engine;
use super::scheduler::{Scheduler, Width};

/// Drives the calls of a stream.
pub struct StreamDispatch<'work, E: Engine> {
    work: &'work StreamWork<'work>,
    scheduler: Scheduler<'work, StreamWork<'work>, E>,
    under_way: usize,
    bytes_under_way: usize,
}

impl<'work, E: Engine> StreamDispatch<'work, E> {
    /// Nothing was started yet.
    pub fn new(work: &'work StreamWork<'work>, engine: &'work E) -> Self {
        let scheduler =
            Scheduler::new(work, engine, [Width { most: work.run.limits.most_at_once(), upstream: None }]);
        Self { work, scheduler, under_way: 0, bytes_under_way: 0 }
    }

    /// Whether one more item may be started now.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.under_way < self.work.run.limits.most_at_once()
            && self.bytes_under_way < self.work.run.limits.max_bytes.max(1)
    }

    /// Items whose result was not taken yet.
    #[must_use]
    pub const fn under_way(&self) -> usize {
        self.under_way
    }

    /// Bytes of those items, as they were given.
    #[must_use]
    pub const fn bytes_under_way(&self) -> usize {
        self.bytes_under_way
    }

    /// Starts an item that has `bytes`.
    pub fn start(&mut self, position: usize, line: PlannedLine, bytes: usize) {
        self.under_way += 1;
        self.bytes_under_way += bytes;
        self.work.add(position, line, bytes);
    }

    /// Bytes of results that are kept for later items.
    #[must_use]
    pub fn kept_bytes(&self) -> usize {
        self.work.kept_bytes()
    }

    /// Keeps at most this many of them from now on, for lack of memory.
    pub fn keep_at_most(&self, bytes: usize) {
        self.work.keep_at_most(bytes);
    }

    /// The next result, if there is one now.
    pub fn take(&mut self) -> Option<StreamedItem> {
        let ended = self.work.take_ended()?;
        self.under_way = self.under_way.saturating_sub(1);
        self.bytes_under_way = self.bytes_under_way.saturating_sub(ended.bytes);
        Some(ended)
    }

    /// Waits until there is a result to take. Dropping the future stops nothing.
    pub async fn ready(&mut self) {
        poll_fn(|context| self.poll_ready(context)).await;
    }

    /// Waits for `other`; meanwhile the calls go on.
    pub async fn alongside<T>(&mut self, other: impl Future<Output = T> + Send) -> T {
        let mut other = std::pin::pin!(other);
        poll_fn(|context| {
            let _ = self.poll_ready(context);
            other.as_mut().poll(context)
        })
        .await
    }

    /// Drops the calls under way. All items that were started end now, because the client has left.
    pub fn abandon(&mut self) {
        // First those that wait, so that none of them goes on when a call is dropped.
        self.work.abandon();
        self.scheduler.clear();
    }

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let _all_is_done = self.scheduler.poll(context);
        if self.work.has_ended() { Poll::Ready(()) } else { Poll::Pending }
    }
}
