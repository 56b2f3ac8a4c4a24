//! A stream of items: each starts when it is given, its result comes when it ends, and at no time are
//! there more of them than [`StreamLimits`] says. Memory follows from that, not from the number of
//! items.
//!
//! [`StreamWork`] has the items, [`StreamDispatch`] drives their calls, all in the task that polls it.
//! Each item that was started comes out once, whatever happens: a timeout, a panic, a client that
//! leaves.

mod work;
mod call;

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::batch::ItemRejection;
use crate::plan::{CallTemplate, PlannedItem, Step};

use super::ramp::{Ramp, first_lanes};
use super::{Answers, DispatchedItem, Engine, Unfit};

pub use work::StreamWork;

/// What bounds the dispatch of one stream.
#[derive(Clone, Copy, Debug)]
pub struct StreamLimits {
    /// Items under way at once, from their start until their result is taken; at least 1.
    pub concurrency: usize,
    /// One by one.
    pub sequential: bool,
    /// Start no call after the first status of 400 or above.
    pub stop_on_error: bool,
    /// How long an item may take from its start, waiting included.
    pub patience: Duration,
    /// Bytes of the items under way together; one more item may start below it.
    pub max_bytes: usize,
    /// Bytes of one reply's body.
    pub max_item_reply: usize,
    /// Bytes of all replies' bodies that wait to be taken.
    pub max_reply: usize,
}

/// An item that ended, and its 1-based position.
#[derive(Debug)]
pub struct StreamedItem {
    /// Its position.
    pub position: usize,
    /// How it ended.
    pub item: DispatchedItem,
    /// Its bytes, as they were given.
    bytes: usize,
}

/// Drives the calls of a stream.
pub struct StreamDispatch<'work, E: Engine> {
    work: &'work StreamWork,
    engine: &'work E,
    workers: FuturesUnordered<BoxFuture<'work, ()>>,
    /// Workers that there should be while items wait.
    wanted: usize,
    ramp: Ramp,
    pause: Option<BoxFuture<'static, Duration>>,
    under_way: usize,
    bytes_under_way: usize,
}

impl<'work, E: Engine> StreamDispatch<'work, E> {
    /// Nothing yet.
    pub fn new(work: &'work StreamWork, engine: &'work E) -> Self {
        Self {
            work,
            engine,
            workers: FuturesUnordered::new(),
            wanted: 0,
            ramp: Ramp::default(),
            pause: None,
            under_way: 0,
            bytes_under_way: 0,
        }
    }

    /// Whether one more item may be started now.
    #[must_use]
    pub fn has_room(&self) -> bool {
        let limits = &self.work.limits;
        self.under_way < self.most_at_once() && self.bytes_under_way < limits.max_bytes.max(1)
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

    /// Starts an item of so many `bytes`.
    pub fn start(&mut self, position: usize, mut item: PlannedItem, bytes: usize) {
        if let Step::Later(template) = &item.step {
            item.step = settled(self.engine, template);
        }
        self.under_way += 1;
        self.bytes_under_way += bytes;
        self.work.add(position, item, bytes);
    }

    /// The next result, if there is one now.
    pub fn take(&mut self) -> Option<StreamedItem> {
        let ended = self.work.take_ended()?;
        self.under_way = self.under_way.saturating_sub(1);
        self.bytes_under_way = self.bytes_under_way.saturating_sub(ended.bytes);
        Some(ended)
    }

    /// Returns once there is a result to take. Dropping the future stops nothing.
    pub async fn ready(&mut self) {
        poll_fn(|context| self.poll_ready(context)).await;
    }

    /// What `other` gives; meanwhile the calls go on.
    pub async fn beside<T>(&mut self, other: impl Future<Output = T> + Send) -> T {
        let mut other = std::pin::pin!(other);
        poll_fn(|context| {
            let _ = self.poll_ready(context);
            other.as_mut().poll(context)
        })
        .await
    }

    /// Drops what is under way; those items end now, because the client has left.
    pub fn abandon(&mut self) {
        self.workers.clear();
        self.work.abandon();
    }

    fn most_at_once(&self) -> usize {
        if self.work.limits.sequential { 1 } else { self.work.limits.concurrency.max(1) }
    }

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            self.open_workers();
            while let Poll::Ready(Some(())) = self.workers.poll_next_unpin(context) {
                self.open_workers();
            }
            if !self.poll_ramp(context) {
                break;
            }
        }
        if self.work.has_ended() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Opens workers for the items that wait.
    fn open_workers(&mut self) {
        if self.workers.is_empty() {
            self.wanted = 0;
        }
        let waiting = self.work.waiting();
        if waiting == 0 {
            return;
        }
        let most = self.most_at_once();
        self.wanted = self.wanted.max(first_lanes(waiting)).min(most);
        for _ in self.workers.len()..self.wanted.min(self.workers.len() + waiting) {
            self.workers.push(call::work_off(self.work, self.engine).boxed());
        }
    }

    /// Whether it was time for more workers (`dispatch/ramp.rs`).
    fn poll_ramp(&mut self, context: &mut Context<'_>) -> bool {
        while self.work.waiting() > 0 && self.wanted < self.most_at_once() {
            let pause = self.pause.get_or_insert_with(|| Ramp::wait().boxed());
            let Poll::Ready(waited) = pause.poll_unpin(context) else { return false };
            self.pause = None;
            let growth = self.ramp.growth(waited, self.work.completed());
            if growth > 1 {
                self.wanted = self.wanted.saturating_mul(growth);
                return true;
            }
        }
        self.pause = None;
        false
    }
}

/// What an item with a template comes to; in a stream it refers to no other (`format/ndjson/item.rs`).
fn settled<E: Engine>(engine: &E, template: &CallTemplate) -> Step {
    let mut answers = Answers { of: &|_| None, left: &mut 0 };
    match engine.resolve(template, &mut answers) {
        Ok(call) => Step::Call(call),
        Err(Unfit::Rejected(rejection)) => Step::Rejected(rejection),
        Err(Unfit::Skipped(_)) => Step::Rejected(ItemRejection::NotImplemented {
            what: "items in lines can't refer to each other's results",
        }),
    }
}

#[cfg(test)]
mod tests;
