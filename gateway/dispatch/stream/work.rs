//! The items of a stream: those that wait for a worker, and those that ended and wait to be taken.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Deadline;
use crate::plan::{PlannedItem, Step};

use super::{StreamLimits, StreamedItem};
use crate::dispatch::{CallFailure, DispatchedItem, Outcome, Progress, ReplyBudget, Sent, SkipReason};

/// The items of a stream.
#[derive(Debug)]
pub struct StreamWork {
    pub(super) limits: StreamLimits,
    pub(super) budget: ReplyBudget,
    waiting: Mutex<VecDeque<Entry>>,
    ended: Mutex<VecDeque<StreamedItem>>,
    stopped: AtomicBool,
    completed: AtomicUsize,
}

/// An item that was started.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) item: PlannedItem,
    pub(super) progress: Progress,
    pub(super) deadline: Deadline,
    position: usize,
    bytes: usize,
}

impl StreamWork {
    /// Nothing yet.
    #[must_use]
    pub fn new(limits: StreamLimits) -> Self {
        Self {
            limits,
            budget: ReplyBudget::new(limits.max_reply, limits.max_item_reply),
            waiting: Mutex::default(),
            ended: Mutex::default(),
            stopped: AtomicBool::new(false),
            completed: AtomicUsize::new(0),
        }
    }

    /// Takes an item; it ends at once if no call is needed.
    pub(super) fn add(&self, position: usize, item: PlannedItem, bytes: usize) {
        let deadline = Deadline::after(self.limits.patience);
        let entry = Entry { item, progress: Progress::default(), deadline, position, bytes };
        match &entry.item.step {
            Step::Call(_) if !self.is_stopped() => lock(&self.waiting).push_back(entry),
            Step::Later(_) | Step::Same(_) | Step::Respond(_) | Step::Rejected(_) if !self.is_stopped() => {
                self.settle_without_call(entry);
            }
            Step::Call(_) | Step::Later(_) | Step::Same(_) | Step::Respond(_) | Step::Rejected(_) => {
                self.end(entry, SKIPPED);
            }
        }
    }

    fn settle_without_call(&self, mut entry: Entry) {
        let rejected = Step::Rejected(crate::batch::ItemRejection::NoRoute);
        let outcome = match std::mem::replace(&mut entry.item.step, rejected) {
            Step::Respond(respond) => Outcome::Responded(respond),
            Step::Rejected(rejection) => Outcome::Rejected(rejection),
            // None comes here: the one is called, the other was made a call, and lines share none.
            Step::Call(_) | Step::Later(_) | Step::Same(_) => {
                Outcome::Failed { failure: CallFailure::Internal, sent: Sent::No }
            }
        };
        self.end(entry, outcome);
    }

    /// The next item to call for. Those whose time is over or that are not wanted any more end here.
    pub(super) fn next(&self) -> Option<InFlightGuard<'_>> {
        loop {
            let entry = lock(&self.waiting).pop_front()?;
            if self.is_stopped() {
                self.end(entry, SKIPPED);
            } else if entry.deadline.is_over() {
                let outcome = Outcome::Failed { failure: CallFailure::DeadlineBeforeCall, sent: Sent::No };
                self.end(entry, outcome);
            } else {
                return Some(InFlightGuard { work: self, entry: Some(entry) });
            }
        }
    }

    /// An item has ended.
    fn end(&self, entry: Entry, outcome: Outcome) {
        if self.limits.stop_on_error && outcome.is_error() {
            self.stopped.store(true, Ordering::Relaxed);
        }
        self.completed.fetch_add(1, Ordering::Relaxed);
        let Entry { item: PlannedItem { subject, route, step }, progress, position, bytes, .. } = entry;
        let upstream = match step {
            Step::Call(call) => Some(call.upstream),
            Step::Later(_) | Step::Same(_) | Step::Respond(_) | Step::Rejected(_) => None,
        };
        let elapsed = progress.elapsed().unwrap_or(Duration::ZERO);
        let item = DispatchedItem { subject, route, upstream, outcome, elapsed, coalesced: false };
        lock(&self.ended).push_back(StreamedItem { position, item, bytes });
    }

    pub(super) fn take_ended(&self) -> Option<StreamedItem> {
        let ended = lock(&self.ended).pop_front()?;
        if let Outcome::Answered(reply) = &ended.item.outcome {
            self.budget.give_back(reply.bytes());
        }
        Some(ended)
    }

    /// Ends the items that wait, because the client has left.
    pub(super) fn abandon(&self) {
        let waiting = std::mem::take(&mut *lock(&self.waiting));
        for entry in waiting {
            self.end(entry, Outcome::Failed { failure: CallFailure::ClientGone, sent: Sent::No });
        }
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    pub(super) fn has_ended(&self) -> bool {
        !lock(&self.ended).is_empty()
    }

    pub(super) fn waiting(&self) -> usize {
        lock(&self.waiting).len()
    }

    pub(super) fn completed(&self) -> usize {
        self.completed.load(Ordering::Relaxed)
    }
}

pub(super) const SKIPPED: Outcome = Outcome::Skipped(SkipReason::BatchStopped);

/// An item whose call is made. Dropped in the middle, it ends because the client has left.
pub(super) struct InFlightGuard<'work> {
    work: &'work StreamWork,
    /// Always there until it ends.
    entry: Option<Entry>,
}

impl InFlightGuard<'_> {
    pub(super) const fn entry(&self) -> Option<&Entry> {
        self.entry.as_ref()
    }

    pub(super) fn end(mut self, outcome: Outcome) {
        if let Some(entry) = self.entry.take() {
            self.work.end(entry, outcome);
        }
    }
}

impl Drop for InFlightGuard<'_> {
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            let sent = entry.progress.sent();
            self.work.end(entry, Outcome::Failed { failure: CallFailure::ClientGone, sent });
        }
    }
}

/// All of a stream runs in one task; nothing ever waits for a lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
