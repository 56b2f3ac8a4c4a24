//! The source of a stream: lines that arrive wait for a worker, and those that ended wait to be taken. Lines that name
//! earlier ones wait for those first (`deferred`), and of those that have ended the stream keeps the last (`window`). Memory
//! follows from the limits of the stream, not from the number of its items.

use std::collections::VecDeque;

use http::Method;
use parking_lot::Mutex;

use crate::batch::StreamWindow;
use crate::clock::{Deadline, Stopwatch};
use crate::plan::{Call, PlannedItem, PlannedLine, Step, Waits};
use crate::route::RouteIndex;

use super::deferred::{DeferredLines, Released};
use super::failure::CallFailure;
use super::line::{Entry, WaitingLine};
use super::need::{Need, planned_outcome};
use super::outcome::{DispatchedItem, Outcome, SkipReason};
use super::progress::{Progress, Sent};
use super::resolve::{MAX_LOOKED_THROUGH_BY_LINE, Resolver};
use super::source::{DispatchLimits, Job, Limit, Run, Source};
use super::sources::Sources;
use super::turn::{Turn, turn};
use super::window::Window;

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
pub struct StreamWork<'run> {
    pub(super) run: Run,
    resolver: &'run dyn Resolver,
    /// Lines that wait for a worker, in their order. All of a stream runs in one task, so nothing ever waits for a lock.
    waiting: Mutex<VecDeque<WaitingLine>>,
    earlier: Mutex<EarlierWork>,
    ended: Mutex<VecDeque<StreamedItem>>,
}

/// The lines that others can wait for, and those that wait for them.
#[derive(Debug)]
struct EarlierWork {
    window: Window,
    deferred: DeferredLines,
}

impl<'run> StreamWork<'run> {
    /// Nothing yet.
    #[must_use]
    pub fn new(limits: DispatchLimits, window: StreamWindow, resolver: &'run dyn Resolver) -> Self {
        let earlier = EarlierWork { window: Window::new(window), deferred: DeferredLines::default() };
        Self {
            run: Run::new(limits),
            resolver,
            waiting: Mutex::default(),
            earlier: Mutex::new(earlier),
            ended: Mutex::default(),
        }
    }

    /// Takes an item; it ends at once if that needs neither a call nor another item.
    pub(super) fn add(&self, position: usize, line: PlannedLine, bytes: usize) {
        let queued = Stopwatch::start();
        let PlannedLine { item: PlannedItem { subject, route, step }, waits } = line;
        let need = Need::new(&step);
        let (upstream, known) = (need.upstream(), need.known());
        let number = self.earlier.lock().window.begin();
        let entry = Entry { subject, route, upstream, number, position, bytes };
        let progress = Progress::new(queued);
        if self.run.is_stopped() {
            return self.finish(entry, &progress, SKIPPED);
        }
        if known.is_some_and(|known| known.holds_anyway || waits.is_none()) {
            return self.finish(entry, &progress, planned_outcome(step).unwrap_or(INTERNAL));
        }
        let deadline = queued.deadline(self.run.limits.patience);
        let line = WaitingLine { entry, progress, step, deadline, sources: None };
        match waits {
            Some(waits) => {
                let released = self.earlier.lock().defer(line, *waits);
                self.release(released.into_iter().collect());
            }
            None => self.queue(line),
        }
    }

    /// A line can be taken by a worker. The first in the order of the stream is taken first.
    fn queue(&self, line: WaitingLine) {
        if line.sources.is_some() && !self.run.limits.sequential {
            line.progress.mark_ready();
        }
        let mut waiting = self.waiting.lock();
        let place = waiting.partition_point(|other| other.entry.number < line.entry.number);
        waiting.insert(place, line);
    }

    /// An item has ended, and with it possibly those that waited for it.
    fn finish(&self, entry: Entry, progress: &Progress, outcome: Outcome) {
        let released = self.end_one(entry, progress, outcome);
        self.release(released);
    }

    fn release(&self, mut released: Vec<Released>) {
        while let Some(next) = released.pop() {
            match next {
                Released::Ready(line) => self.queue(line),
                Released::Skipped(line, reason) => {
                    let WaitingLine { entry, progress, .. } = line;
                    released.extend(self.end_one(entry, &progress, Outcome::Skipped(reason)));
                }
            }
        }
    }

    /// Returns the lines that need not wait any more.
    fn end_one(&self, entry: Entry, progress: &Progress, outcome: Outcome) -> Vec<Released> {
        self.run.stop_after(&outcome);
        self.run.complete();
        let Entry { subject, route, upstream, number, position, bytes } = entry;
        let released = self.earlier.lock().end(number, route, &outcome);
        let timeline = progress.take_timeline();
        let item =
            DispatchedItem { subject, route, upstream, outcome, timeline, coalesced: false, undone: None };
        self.ended.lock().push_back(StreamedItem { position, item, bytes });
        released
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
        let deferred = self.earlier.lock().deferred.take_all();
        let waiting = std::mem::take(&mut *self.waiting.lock());
        for WaitingLine { entry, progress, .. } in waiting.into_iter().chain(deferred) {
            self.finish(entry, &progress, Outcome::failed(CallFailure::ClientGone, &progress));
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        !self.ended.lock().is_empty()
    }

    /// Bytes of results that are kept for later lines.
    pub(super) fn kept_bytes(&self) -> usize {
        self.earlier.lock().window.bytes()
    }

    /// Keeps at most this many bytes of results from now on.
    pub(super) fn keep_at_most(&self, bytes: usize) {
        self.earlier.lock().window.allow(bytes);
    }

    /// The call of an item whose turn has come.
    ///
    /// # Errors
    /// It ends without one.
    fn call(&self, step: Step, sources: Option<&Sources>) -> Result<Call, Box<Outcome>> {
        let step = match (step, sources) {
            (Step::Call(call), None) => return Ok(call),
            (step, _) => step,
        };
        let none = Sources::default();
        let sources = sources.unwrap_or(&none);
        let mut left = MAX_LOOKED_THROUGH_BY_LINE;
        let resolved = match turn(&step, sources.condition(), sources, self.resolver, &mut left) {
            Turn::AsPlanned(_) | Turn::WithOther => None,
            Turn::Resolved(call) => Some(*call),
            Turn::Ends(outcome) => return Err(Box::new(outcome)),
        };
        match (resolved, step) {
            (Some(call), _) | (None, Step::Call(call)) => Ok(call),
            // No line shares a call.
            (None, Step::Later(_) | Step::Same(_) | Step::Respond(_) | Step::Rejected(_)) => {
                Err(Box::new(INTERNAL))
            }
        }
    }
}

impl EarlierWork {
    fn defer(&mut self, line: WaitingLine, waits: Waits) -> Option<Released> {
        self.deferred.add(line, waits, &mut self.window)
    }

    fn end(&mut self, number: usize, route: Option<RouteIndex>, outcome: &Outcome) -> Vec<Released> {
        if !self.window.has_lines() {
            return Vec::new();
        }
        if !self.deferred.wait_for(number) {
            let end = self.window.end_of(outcome, route);
            self.window.end(number, end);
            return Vec::new();
        }
        let end = self.window.end_for_others(outcome, route);
        let released = self.deferred.ended(number, &end);
        self.window.end(number, end);
        released
    }
}

const SKIPPED: Outcome = Outcome::Skipped(SkipReason::BatchStopped);
const INTERNAL: Outcome = Outcome::Failed { failure: CallFailure::Internal, sent: Sent::No };

impl<'run, 'work: 'run> Source<'run> for StreamWork<'work> {
    type Job = ArrivedJob<'run>;

    /// Items whose time has expired, or that come after the stream has stopped, end here.
    fn take(&'run self, _queue: usize) -> Option<ArrivedJob<'run>> {
        loop {
            let line = self.waiting.lock().pop_front()?;
            let WaitingLine { entry, progress, step, deadline, sources } = line;
            if self.run.limits.sequential {
                progress.mark_ready();
            }
            let call = if self.run.is_stopped() {
                Err(Box::new(SKIPPED))
            } else if deadline.is_over() {
                Err(Box::new(Outcome::failed(CallFailure::DeadlineBeforeCall, &progress)))
            } else {
                self.call(step, sources.as_deref())
            };
            match call {
                Ok(call) => {
                    let method = entry.subject.method.clone();
                    let entry = Some(entry);
                    return Some(ArrivedJob { work: self, method, call, deadline, progress, entry });
                }
                Err(outcome) => self.finish(entry, &progress, *outcome),
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
    work: &'run StreamWork<'run>,
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
