//! The work of one batch: queues of items, workers that take from them, and the slots they fill.
//!
//! Items for one upstream stand in one queue; in sequential order all stand in one. A worker takes
//! the next item of its queue, makes its call on the lane it holds, fills the item's slot, and goes
//! on until the queue is empty. Taking is by an atomic cursor, so no item is taken twice; a slot
//! is a `OnceLock`, so none is filled twice.
//!
//! Where items wait for each other, [`graph`] takes the queues' place.

mod graph;

use std::panic::AssertUnwindSafe;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::Semaphore;

use crate::batch::ItemIndex;
use crate::clock::Deadline;
use crate::plan::{Call, Conditions, Plan, PlannedItem, Step};
use crate::route::UpstreamIndex;

use super::ramp::{Ramp, first_lanes};
use super::{
    Attempt, CallFailure, DispatchLimits, DispatchedItem, End, Engine, Lane, Outcome, Progress, ReplyBudget,
    Sent, SkipReason,
};

/// An item with its slot.
struct Place {
    item: PlannedItem,
    progress: Progress,
    slot: OnceLock<(Outcome, Duration)>,
}

/// Items that wait for the same workers, by their place in the batch.
struct Queue {
    places: Vec<usize>,
    next: AtomicUsize,
}

/// A batch's work.
pub(super) struct Work {
    places: Vec<Place>,
    queues: Vec<Queue>,
    /// What each place waits for; empty where none does.
    dependencies: Vec<Vec<ItemIndex>>,
    conditions: Conditions,
    limits: DispatchLimits,
    budget: ReplyBudget,
    /// Bounds all queues' workers together; not needed where there is one queue.
    concurrency: Option<Semaphore>,
    stopped: AtomicBool,
    completed: AtomicUsize,
}

impl Work {
    pub(super) fn new(plan: Plan, limits: DispatchLimits) -> Self {
        let places: Vec<_> = plan
            .items
            .into_iter()
            .map(|item| Place { item, progress: Progress::default(), slot: OnceLock::new() })
            .collect();
        let callable = places_before_a_stop(&places, limits.stop_on_error);
        let queues =
            if plan.dependencies.is_empty() { queues(callable, limits.sequential) } else { Vec::new() };
        let concurrency = (queues.len() > 1).then(|| Semaphore::new(limits.concurrency));
        Self {
            places,
            queues,
            dependencies: plan.dependencies,
            conditions: plan.conditions,
            limits,
            budget: ReplyBudget::new(limits.max_reply, limits.max_item_reply),
            concurrency,
            stopped: AtomicBool::new(false),
            completed: AtomicUsize::new(0),
        }
    }

    /// Makes all calls. Dropping the future drops the calls under way.
    pub(super) async fn run<'work, E: Engine>(&'work self, engine: &'work E) {
        if !self.dependencies.is_empty() {
            return self.run_graph(engine).boxed().await;
        }
        let mut workers = FuturesUnordered::new();
        let mut open: Vec<usize> = Vec::with_capacity(self.queues.len());
        for queue in &self.queues {
            let first = self.lanes_wanted(queue, first_lanes(queue.places.len()));
            open.push(first);
            for _ in 0..first {
                workers.push(self.worker(queue, engine));
            }
        }
        let mut ramp = Ramp::default();
        loop {
            let may_open_more = self.may_open_more(&open);
            tokio::select! {
                biased;
                done = workers.next() => if done.is_none() { break },
                pause = Ramp::wait(), if may_open_more => {
                    let growth = ramp.growth(pause, self.completed.load(Ordering::Relaxed));
                    for (queue, open) in self.queues.iter().zip(&mut open) {
                        let wanted = self.lanes_wanted(queue, *open * growth);
                        for _ in *open..wanted {
                            workers.push(self.worker(queue, engine));
                        }
                        *open = wanted.max(*open);
                    }
                }
            }
        }
    }

    fn may_open_more(&self, open: &[usize]) -> bool {
        let wants_more = |queue: &Queue, open: usize| open < self.lanes_wanted(queue, usize::MAX);
        self.queues.iter().zip(open).any(|(queue, open)| queue.waiting() > 0 && wants_more(queue, *open))
    }

    fn lanes_wanted(&self, queue: &Queue, wish: usize) -> usize {
        let most = if self.limits.sequential { 1 } else { self.limits.concurrency.max(1) };
        wish.min(most).min(queue.places.len())
    }

    /// A worker; boxed, so that the compiler need not see through it to know that it is `Send`.
    fn worker<'work, E: Engine>(&'work self, queue: &'work Queue, engine: &'work E) -> BoxFuture<'work, ()> {
        self.work_off(queue, engine).boxed()
    }

    /// One worker: takes items until its queue is empty.
    async fn work_off<'work, E: Engine>(&'work self, queue: &'work Queue, engine: &'work E) {
        let mut held: Option<(UpstreamIndex, E::Lane)> = None;
        while let Some((place, call)) = self.take(queue) {
            let lane = match held.take() {
                Some((upstream, lane)) if upstream == call.upstream => lane,
                Some((_, other)) => {
                    other.close().await;
                    engine.lane(call.upstream)
                }
                None => engine.lane(call.upstream),
            };
            held = self.settle(place, call, engine, lane).await.map(|lane| (call.upstream, lane));
        }
        if let Some((_, lane)) = held {
            lane.close().await;
        }
    }

    fn take(&self, queue: &Queue) -> Option<(&Place, &Call)> {
        if self.stopped.load(Ordering::Relaxed) {
            return None;
        }
        let next = queue.next.fetch_add(1, Ordering::Relaxed);
        let place = self.places.get(*queue.places.get(next)?)?;
        match &place.item.step {
            Step::Call(call) => Some((place, call)),
            // The first only where items wait for each other.
            Step::Later(_) | Step::Respond(_) | Step::Rejected(_) => None,
        }
    }

    /// Makes one item's call and fills its slot. Gives the lane back unless the call broke it.
    async fn settle<E: Engine>(
        &self,
        place: &Place,
        call: &Call,
        engine: &E,
        mut lane: E::Lane,
    ) -> Option<E::Lane> {
        let turn = self.turn(engine, call.upstream).await;
        if self.stopped.load(Ordering::Relaxed) {
            return Some(lane);
        }
        place.progress.mark_started();
        let patience = engine.call_timeout(call.upstream);
        let patience = call.timeout.map_or(patience, |own| own.min(patience));
        let limit = Deadline::after(patience);
        let deadline = limit.earlier(self.limits.deadline);
        let attempt = Attempt { progress: &place.progress, budget: &self.budget, deadline };
        let made = AssertUnwindSafe(lane.call(&place.item.subject.method, call, attempt)).catch_unwind();
        let made = limit.race(made).await;
        drop(turn);
        let (outcome, lane) = match made {
            Some(Ok(Ok(reply))) => (Outcome::Answered(reply), Some(lane)),
            Some(Ok(Err(failure))) => (place.failed(failure), Some(lane)),
            Some(Err(_panic)) => (place.failed(CallFailure::Internal), None),
            None => (place.over_time(), None),
        };
        self.fill(place, outcome);
        lane
    }

    /// Waits until the batch and the upstream have room for one more call.
    async fn turn<'permit, E: Engine>(
        &'permit self,
        engine: &'permit E,
        upstream: UpstreamIndex,
    ) -> Turn<'permit> {
        Turn {
            _batch: acquire(self.concurrency.as_ref()).await,
            _upstream: acquire(engine.permits(upstream)).await,
        }
    }

    fn fill(&self, place: &Place, outcome: Outcome) {
        if self.limits.stop_on_error && outcome.is_error() {
            self.stopped.store(true, Ordering::Relaxed);
        }
        let elapsed = place.progress.elapsed().unwrap_or_default();
        if place.slot.set((outcome, elapsed)).is_ok() {
            self.completed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The items with their outcomes, once the workers came to this `end`.
    pub(super) fn into_items(self, end: End) -> Vec<DispatchedItem> {
        let mut stopped = false;
        let mut items = Vec::with_capacity(self.places.len());
        for (number, place) in self.places.into_iter().enumerate() {
            let waits = self.dependencies.get(number).is_some_and(|on| !on.is_empty())
                || self.conditions.contains_key(&ItemIndex(number));
            let item = place.into_item(end, stopped, waits);
            stopped |= self.limits.stop_on_error && item.outcome.is_error();
            items.push(item);
        }
        items
    }
}

impl Place {
    fn failed(&self, failure: CallFailure) -> Outcome {
        Outcome::Failed { failure, sent: self.progress.sent() }
    }

    /// The failure of a call whose time was over, by whether bytes of it may have left.
    fn over_time(&self) -> Outcome {
        self.failed(match self.progress.sent() {
            Sent::No => CallFailure::TimeoutBeforeSending,
            Sent::Maybe => CallFailure::ReplyTimeout,
        })
    }

    /// `stopped`: an item before this one failed, and the batch stops at errors. `waits`: it waits for
    /// other items.
    fn into_item(self, end: End, stopped: bool, waits: bool) -> DispatchedItem {
        let upstream = match &self.item.step {
            Step::Call(call) => Some(call.upstream),
            Step::Later(template) => template.destination.map(|destination| destination.upstream),
            Step::Respond(_) | Step::Rejected(_) => None,
        };
        let sent = self.progress.sent();
        let started = self.progress.elapsed();
        let (outcome, elapsed) = match (self.slot.into_inner(), self.item.step) {
            (Some(filled), _) => filled,
            (None, Step::Respond(_) | Step::Rejected(_)) if stopped => {
                (Outcome::Skipped(SkipReason::BatchStopped), Duration::ZERO)
            }
            (None, Step::Respond(_)) if waits => (unfilled(end, false, Sent::No), Duration::ZERO),
            (None, Step::Respond(respond)) => (Outcome::Responded(respond), Duration::ZERO),
            (None, Step::Rejected(rejection)) => (Outcome::Rejected(rejection), Duration::ZERO),
            (None, Step::Call(_) | Step::Later(_)) => {
                (unfilled(end, started.is_some(), sent), started.unwrap_or_default())
            }
        };
        DispatchedItem { subject: self.item.subject, route: self.item.route, upstream, outcome, elapsed }
    }
}

fn unfilled(end: End, started: bool, sent: Sent) -> Outcome {
    let failure = match (end, sent) {
        (End::ClientGone, _) => CallFailure::ClientGone,
        (End::Finished | End::Deadline, Sent::Maybe) => CallFailure::DeadlineDuringCall,
        (End::Deadline, Sent::No) if started => CallFailure::TimeoutBeforeSending,
        (End::Deadline, Sent::No) => CallFailure::DeadlineBeforeCall,
        (End::Finished, Sent::No) => return Outcome::Skipped(SkipReason::BatchStopped),
    };
    Outcome::Failed { failure, sent }
}

/// What a call holds while it is under way.
struct Turn<'permit> {
    _batch: Option<tokio::sync::SemaphorePermit<'permit>>,
    _upstream: Option<tokio::sync::SemaphorePermit<'permit>>,
}

pub(super) async fn acquire(permits: Option<&Semaphore>) -> Option<tokio::sync::SemaphorePermit<'_>> {
    match permits {
        // An error would mean that the semaphore was closed; none ever is.
        Some(permits) => permits.acquire().await.ok(),
        None => None,
    }
}

/// The calls that may be started: with `stop_on_error`, none behind an item that failed already.
fn places_before_a_stop(places: &[Place], stop_on_error: bool) -> Vec<(usize, UpstreamIndex)> {
    let mut callable = Vec::with_capacity(places.len());
    for (number, place) in places.iter().enumerate() {
        match &place.item.step {
            Step::Call(call) => callable.push((number, call.upstream)),
            Step::Respond(respond) if stop_on_error && respond.status.as_u16() >= 400 => break,
            Step::Rejected(_) if stop_on_error => break,
            Step::Later(_) | Step::Respond(_) | Step::Rejected(_) => {}
        }
    }
    callable
}

fn queues(callable: Vec<(usize, UpstreamIndex)>, sequential: bool) -> Vec<Queue> {
    let mut queues: Vec<(UpstreamIndex, Queue)> = Vec::new();
    for (number, upstream) in callable {
        let found = queues.iter_mut().find(|(other, _)| sequential || *other == upstream);
        match found {
            Some((_, queue)) => queue.places.push(number),
            None => queues.push((upstream, Queue { places: vec![number], next: AtomicUsize::new(0) })),
        }
    }
    queues.into_iter().map(|(_, queue)| queue).collect()
}

impl Queue {
    fn waiting(&self) -> usize {
        self.places.len().saturating_sub(self.next.load(Ordering::Relaxed))
    }
}

impl Outcome {
    pub(super) fn is_error(&self) -> bool {
        match self {
            Self::Answered(reply) => reply.status.as_u16() >= 400,
            Self::Responded(respond) => respond.status.as_u16() >= 400,
            Self::Rejected(_) | Self::Skipped(_) | Self::Failed { .. } => true,
        }
    }
}
