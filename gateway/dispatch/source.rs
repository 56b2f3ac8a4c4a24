//! Where items come from, and where their outcomes go: a plan that is complete ([`queues`](super::queues)), a plan whose
//! items wait for each other ([`graph`](super::graph)), or lines that arrive ([`arriving`](super::arriving)).

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

    /// Items that have ended so far.
    fn completed(&self) -> usize;

    /// Whether an item failed and nothing more is to be started.
    fn is_stopped(&self) -> bool;

    /// The limits of the replies.
    fn budget(&self) -> &ReplyBudget;

    /// Waits until the batch may have one more call under way, where the channels alone don't bound that.
    fn turn(&self) -> impl Future<Output = Option<SemaphorePermit<'_>>> + Send;
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
