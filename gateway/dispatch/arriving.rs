//! The source of a stream: lines that arrive wait for a worker, and those that ended wait to be taken. Memory follows from
//! the limits of the stream, not from the number of its items.

use std::collections::VecDeque;

use http::Method;
use parking_lot::Mutex;

use crate::batch::Subject;
use crate::clock::{Deadline, Stopwatch};
use crate::plan::{Call, PlannedItem, Step};
use crate::route::{RouteIndex, UpstreamIndex};

use super::failure::CallFailure;
use super::need::{Need, planned_outcome};
use super::outcome::{DispatchedItem, Outcome, SkipReason};
use super::progress::{Progress, Sent};
use super::source::{DispatchLimits, Job, Limit, Run, Source};

/// An item that ended, and its 1-based position.
#[derive(Debug)]
pub struct StreamedItem {
    /// Its position.
    pub position: usize,
    /// How it ended.
    pub item: DispatchedItem,
    /// Its bytes, as they were given.
    pub(super) bytes: usize,
}

/// The items of a stream.
#[derive(Debug)]
pub struct StreamWork {
    pub(super) run: Run,
    /// All of a stream runs in one task, so nothing ever waits for a lock.
    waiting: Mutex<VecDeque<Waiting>>,
    ended: Mutex<VecDeque<StreamedItem>>,
}

/// An item that was started.
#[derive(Debug)]
struct Entry {
    subject: Subject,
    route: Option<RouteIndex>,
    upstream: Option<UpstreamIndex>,
    position: usize,
    bytes: usize,
}

/// An item that waits for a worker.
#[derive(Debug)]
struct Waiting {
    entry: Entry,
    progress: Progress,
    call: Call,
    deadline: Deadline,
}

impl StreamWork {
    /// Nothing yet.
    #[must_use]
    pub fn new(limits: DispatchLimits) -> Self {
        Self { run: Run::new(limits), waiting: Mutex::default(), ended: Mutex::default() }
    }

    /// Takes an item; it ends at once if no call is needed.
    pub(super) fn add(&self, position: usize, item: PlannedItem, bytes: usize) {
        let queued = Stopwatch::start();
        let PlannedItem { subject, route, step } = item;
        let upstream = Need::new(&step).upstream();
        let progress = Progress::new(queued);
        let entry = Entry { subject, route, upstream, position, bytes };
        if self.run.is_stopped() {
            return self.finish(entry, &progress, SKIPPED);
        }
        if let Step::Call(call) = step {
            let deadline = queued.deadline(self.run.limits.patience);
            return self.waiting.lock().push_back(Waiting { entry, progress, call, deadline });
        }
        // No line refers to another or shares a call, so there is always an outcome.
        let none = Outcome::Failed { failure: CallFailure::Internal, sent: Sent::No };
        self.finish(entry, &progress, planned_outcome(step).unwrap_or(none));
    }

    /// An item has ended.
    fn finish(&self, entry: Entry, progress: &Progress, outcome: Outcome) {
        self.run.stop_after(&outcome);
        self.run.complete();
        let Entry { subject, route, upstream, position, bytes } = entry;
        let timeline = progress.take_timeline();
        let item = DispatchedItem { subject, route, upstream, outcome, timeline, coalesced: false };
        self.ended.lock().push_back(StreamedItem { position, item, bytes });
    }

    /// Hands out an item that has ended.
    pub(super) fn take_ended(&self) -> Option<StreamedItem> {
        let ended = self.ended.lock().pop_front()?;
        if let Outcome::Answered(reply) = &ended.item.outcome {
            self.run.budget.give_back(reply.bytes());
        }
        Some(ended)
    }

    /// Ends the items that wait, because the client has left.
    pub(super) fn abandon(&self) {
        let waiting = std::mem::take(&mut *self.waiting.lock());
        for Waiting { entry, progress, .. } in waiting {
            self.finish(entry, &progress, Outcome::failed(CallFailure::ClientGone, &progress));
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        !self.ended.lock().is_empty()
    }
}

const SKIPPED: Outcome = Outcome::Skipped(SkipReason::BatchStopped);

impl<'run> Source<'run> for StreamWork {
    type Job = ArrivedJob<'run>;

    /// Items whose time has expired, or that come after the stream has stopped, end here.
    fn take(&'run self, _queue: usize) -> Option<ArrivedJob<'run>> {
        loop {
            let Waiting { entry, progress, call, deadline } = self.waiting.lock().pop_front()?;
            if self.run.is_stopped() {
                self.finish(entry, &progress, SKIPPED);
            } else if deadline.is_over() {
                self.finish(entry, &progress, Outcome::failed(CallFailure::DeadlineBeforeCall, &progress));
            } else {
                let method = entry.subject.method.clone();
                return Some(ArrivedJob { work: self, method, call, deadline, progress, entry: Some(entry) });
            }
        }
    }

    fn waiting(&self, _queue: usize) -> usize {
        self.waiting.lock().len()
    }

    fn end(&'run self, mut job: ArrivedJob<'run>, outcome: Outcome) {
        if let Some(entry) = job.entry.take() {
            self.finish(entry, &job.progress, outcome);
        }
    }

    fn run(&self) -> &Run {
        &self.run
    }
}

/// An item of a stream that was taken to be called. If it is dropped before it ended, the client has left, and that is how
/// it ends.
pub(super) struct ArrivedJob<'run> {
    work: &'run StreamWork,
    method: Method,
    call: Call,
    deadline: Deadline,
    progress: Progress,
    /// There until the item ends.
    entry: Option<Entry>,
}

impl Job for ArrivedJob<'_> {
    fn method(&self) -> &Method {
        &self.method
    }

    fn call(&self) -> &Call {
        &self.call
    }

    fn progress(&self) -> &Progress {
        &self.progress
    }

    fn limit(&self) -> Limit {
        Limit::Item(self.deadline)
    }
}

impl Drop for ArrivedJob<'_> {
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            self.work.finish(entry, &self.progress, Outcome::failed(CallFailure::ClientGone, &self.progress));
        }
    }
}
