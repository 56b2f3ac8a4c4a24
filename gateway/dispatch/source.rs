//! Where items come from, and where their outcomes go: a plan that is complete ([`queues`](super::queues)), a plan whose
//! items wait for each other ([`graph`](super::graph)), or lines that arrive ([`arriving`](super::arriving)).

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http::Method;
use tokio::sync::SemaphorePermit;

use crate::clock::Deadline;
use crate::plan::Call;

use super::budget::ReplyBudget;
use super::outcome::Outcome;
use super::progress::Progress;

/// Has items in one or more queues, each with channels of its own. It is shared by all of a batch's workers,
/// which run in one task.
///
/// Invariant: an item that was taken is not taken again, and ends when [`Source::end`] is called or its job is
/// dropped.
pub(super) trait Source<'run>: Sync {
    /// An item that was taken.
    type Job: Job;

    /// Takes the next item of a queue that needs a call. Items that need none end on the way.
    fn take(&'run self, queue: usize) -> Option<Self::Job>;

    /// Items that wait in a queue; 0 once nothing more is to be started.
    fn waiting(&self, queue: usize) -> usize;

    /// Takes the outcome of an item that was taken.
    fn end(&'run self, job: Self::Job, outcome: Outcome);

    /// How far its items have come together.
    fn run(&self) -> &Run;

    /// Whether this item, which was taken, is not to be started any more.
    fn is_stopped(&self, _job: &Self::Job) -> bool {
        self.run().is_stopped()
    }

    /// Waits until the batch may have one more call under way, where the channels alone don't bound that.
    fn turn(&self) -> impl Future<Output = Option<SemaphorePermit<'_>>> + Send {
        std::future::ready(None)
    }
}

/// What bounds the dispatch of one batch or stream.
#[derive(Clone, Copy, Debug)]
pub struct DispatchLimits {
    /// Calls of a batch under way at once; at least 1. In a stream: items, from their start until their result is taken.
    pub concurrency: usize,
    /// One by one, in the order of the request.
    pub sequential: bool,
    /// Start nothing after the first status of 400 or above.
    pub stop_on_error: bool,
    /// How long a batch may take before its reply has to leave, or each item of a stream before its result does.
    pub patience: Duration,
    /// Bytes of a stream's items under way together; one more item may start below it. A batch is all there already.
    pub max_bytes: usize,
    /// Bytes of one reply's body.
    pub max_item_reply: usize,
    /// Bytes of all replies' bodies together; in a stream, of those that wait to be taken.
    pub max_reply: usize,
}

impl DispatchLimits {
    pub(super) fn most_at_once(&self) -> usize {
        if self.sequential { 1 } else { self.concurrency.max(1) }
    }
}

/// The items of one batch or stream together: their limits, and how far they have come.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) limits: DispatchLimits,
    pub(super) budget: ReplyBudget,
    stopped: AtomicBool,
    completed: AtomicUsize,
}

impl Run {
    pub(super) const fn new(limits: DispatchLimits) -> Self {
        let budget = ReplyBudget::new(limits.max_reply, limits.max_item_reply);
        Self { limits, budget, stopped: AtomicBool::new(false), completed: AtomicUsize::new(0) }
    }

    /// Starts nothing more if an item ended so that the others are not wanted.
    pub(super) fn stop_after(&self, outcome: &Outcome) {
        if outcome.is_error() {
            self.stop();
        }
    }

    /// Starts nothing more, if errors stop the batch.
    pub(super) fn stop(&self) {
        if self.limits.stop_on_error {
            self.stopped.store(true, Ordering::Relaxed);
        }
    }

    /// Whether an item failed and nothing more is to be started.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// One more item has ended.
    pub(super) fn complete(&self) {
        self.completed.fetch_add(1, Ordering::Relaxed);
    }

    /// Items that have ended so far.
    pub(super) fn completed(&self) -> usize {
        self.completed.load(Ordering::Relaxed)
    }
}

/// An item that was taken and has not ended.
pub(super) trait Job: Send + Sync {
    /// Its method.
    fn method(&self) -> &Method;

    /// Its call.
    fn call(&self) -> &Call;

    /// How far it got.
    fn progress(&self) -> &Progress;

    /// When it ends at the latest.
    fn limit(&self) -> Limit;
}

/// When an item ends at the latest, and who sees to it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Limit {
    /// All of the batch ends then: the scheduler's driver drops it.
    Batch(Deadline),
    /// The item ends then by itself.
    Item(Deadline),
}

impl Limit {
    /// The point in time.
    pub(super) const fn deadline(self) -> Deadline {
        match self {
            Self::Batch(deadline) | Self::Item(deadline) => deadline,
        }
    }
}
