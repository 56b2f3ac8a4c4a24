//! The source of a stream: lines that arrive wait for a worker, and those that ended wait to be taken. Lines that name
//! earlier ones wait for those first (`deferred`), and of those that have ended the stream keeps the last (`window`). Memory
//! follows from the limits of the stream, not from the number of its items.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Method;
use tokio::sync::SemaphorePermit;

use crate::batch::StreamWindow;
use crate::clock::{Deadline, Stopwatch};
use crate::plan::{Call, PlannedItem, PlannedLine, Step, Waits};
use crate::route::RouteIndex;

use super::budget::ReplyBudget;
use super::deferred::{DeferredLines, Released};
use super::failure::CallFailure;
use super::line::{Entry, WaitingLine};
use super::need::{Need, planned_outcome};
use super::outcome::{DispatchedItem, Outcome, SkipReason};
use super::progress::{Progress, Sent};
use super::resolve::{MAX_LOOKED_THROUGH_BY_LINE, Resolver};
use super::source::{Job, Limit, Source};
use super::sources::Sources;
use super::turn::{Turn, turn};
use super::window::Window;

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
    /// What is kept of earlier lines.
    pub window: StreamWindow,
}

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
    pub(super) limits: StreamLimits,
    resolver: &'run dyn Resolver,
    budget: ReplyBudget,
    /// Lines that wait for a worker, in their order.
    waiting: Mutex<VecDeque<WaitingLine>>,
    earlier: Mutex<EarlierWork>,
    ended: Mutex<VecDeque<StreamedItem>>,
    stopped: AtomicBool,
    completed: AtomicUsize,
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
    pub fn new(limits: StreamLimits, resolver: &'run dyn Resolver) -> Self {
        let (window, deferred) = (Window::new(limits.window), DeferredLines::default());
        Self {
            limits,
            resolver,
            budget: ReplyBudget::new(limits.max_reply, limits.max_item_reply),
            waiting: Mutex::default(),
            earlier: Mutex::new(EarlierWork { window, deferred }),
            ended: Mutex::default(),
            stopped: AtomicBool::new(false),
            completed: AtomicUsize::new(0),
        }
    }

    /// Takes an item; it ends at once if that needs neither a call nor another item.
    pub(super) fn add(&self, position: usize, line: PlannedLine, bytes: usize) {
        let queued = Stopwatch::start();
        let PlannedLine { item: PlannedItem { subject, route, step }, waits } = line;
        let need = Need::new(&step);
        let (upstream, known) = (need.upstream(), need.known());
        let number = lock(&self.earlier).window.begin();
        let entry = Entry { subject, route, upstream, number, position, bytes };
        let progress = Progress::new(queued);
        if self.is_stopped() {
            return self.finish(entry, &progress, SKIPPED);
        }
        if known.is_some_and(|known| known.holds_anyway || waits.is_none()) {
            return self.finish(entry, &progress, planned_outcome(step).unwrap_or(INTERNAL));
        }
        let deadline = queued.deadline(self.limits.patience);
        let line = WaitingLine { entry, progress, step, deadline, sources: None };
        match waits {
            Some(waits) => {
                let released = lock(&self.earlier).defer(line, *waits);
                self.release(released.into_iter().collect());
            }
            None => self.queue(line),
        }
    }

    /// A line can be taken by a worker. The first in the order of the stream is taken first.
    fn queue(&self, line: WaitingLine) {
        let mut waiting = lock(&self.waiting);
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
        if self.limits.stop_on_error && outcome.is_error() {
            self.stopped.store(true, Ordering::Relaxed);
        }
        self.completed.fetch_add(1, Ordering::Relaxed);
        let Entry { subject, route, upstream, number, position, bytes } = entry;
        let released = lock(&self.earlier).end(number, route, &outcome);
        let timeline = progress.take_timeline();
        let item = DispatchedItem { subject, route, upstream, outcome, timeline, coalesced: false };
        lock(&self.ended).push_back(StreamedItem { position, item, bytes });
        released
    }

    /// Hands out an item that has ended.
    pub(super) fn take_ended(&self) -> Option<StreamedItem> {
        let ended = lock(&self.ended).pop_front()?;
        if let Outcome::Answered(reply) = &ended.item.outcome {
            self.budget.give_back(reply.bytes());
        }
        Some(ended)
    }

    /// Ends the items that wait, because the client has left.
    pub(super) fn abandon(&self) {
        let deferred = lock(&self.earlier).deferred.take_all();
        let waiting = std::mem::take(&mut *lock(&self.waiting));
        for WaitingLine { entry, progress, .. } in waiting.into_iter().chain(deferred) {
            self.finish(entry, &progress, Outcome::failed(CallFailure::ClientGone, &progress));
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        !lock(&self.ended).is_empty()
    }

    /// Bytes of results that are kept for later lines.
    pub(super) fn kept_bytes(&self) -> usize {
        lock(&self.earlier).window.bytes()
    }

    /// Keeps at most this many bytes of results from now on.
    pub(super) fn keep_at_most(&self, bytes: usize) {
        lock(&self.earlier).window.allow(bytes);
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
        let is_waited_for = self.deferred.wait_for(number);
        let end = self.window.end_of(outcome, route, is_waited_for);
        let released = if is_waited_for { self.deferred.ended(number, &end) } else { Vec::new() };
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
            let line = lock(&self.waiting).pop_front()?;
            let WaitingLine { entry, progress, step, deadline, sources } = line;
            let call = if self.is_stopped() {
                Err(Box::new(SKIPPED))
            } else if deadline.is_over() {
                Err(Box::new(Outcome::failed(CallFailure::DeadlineBeforeCall, &progress)))
            } else {
                self.call(step, sources.as_deref())
            };
            match call {
                Ok(call) => {
                    let method = entry.subject.method.clone();
                    let started = StartedItem { work: self, progress, entry: Some(entry) };
                    return Some(ArrivedJob { method, call, deadline, started });
                }
                Err(outcome) => self.finish(entry, &progress, *outcome),
            }
        }
    }

    fn waiting(&self, _queue: usize) -> usize {
        lock(&self.waiting).len()
    }

    fn end(&'run self, job: ArrivedJob<'run>, outcome: Outcome) {
        job.started.end(outcome);
    }

    fn completed(&self) -> usize {
        self.completed.load(Ordering::Relaxed)
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    fn budget(&self) -> &ReplyBudget {
        &self.budget
    }

    async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        None
    }
}

/// An item of a stream that was taken to be called.
pub(super) struct ArrivedJob<'run> {
    method: Method,
    call: Call,
    deadline: Deadline,
    started: StartedItem<'run>,
}

impl Job for ArrivedJob<'_> {
    fn method(&self) -> &Method {
        &self.method
    }

    fn call(&self) -> &Call {
        &self.call
    }

    fn progress(&self) -> &Progress {
        &self.started.progress
    }

    fn limit(&self) -> Limit {
        Limit::Item(self.deadline)
    }
}

/// An item whose call is made. If it is dropped before it ended, the client has left, and that is how it ends.
struct StartedItem<'run> {
    work: &'run StreamWork<'run>,
    progress: Progress,
    /// There until the item ends.
    entry: Option<Entry>,
}

impl StartedItem<'_> {
    fn end(mut self, outcome: Outcome) {
        if let Some(entry) = self.entry.take() {
            self.work.finish(entry, &self.progress, outcome);
        }
    }
}

impl Drop for StartedItem<'_> {
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            self.work.finish(entry, &self.progress, Outcome::failed(CallFailure::ClientGone, &self.progress));
        }
    }
}

/// All of a stream runs in one task; nothing ever waits for a lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
