//! The work of one batch: queues of items, workers that take from them, and the slots they fill.
//!
//! Items for one upstream stand in one queue; in sequential order all stand in one. A worker takes
//! the next item of its queue, makes its call on the lane it holds, fills the item's slot, and goes
//! on until the queue is empty. Taking is by an atomic cursor, so no item is taken twice; a slot
//! is a `OnceLock`, so none is filled twice.
//!
//! Where items wait for each other, [`graph`] takes the queues' place. An item that shares a call stands in no queue:
//! [`copies`] makes its outcome once all calls have ended.

mod copies;
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
    Sent, SkipReason, give_back, take_permit,
};
use copies::copy_of;

/// An item with its slot.
struct Place {
    item: PlannedItem,
    progress: Progress,
    slot: OnceLock<(Outcome, Duration)>,
}

/// Items that wait for the same workers, by their place in the batch.
struct Queue {
    /// Where the first of them goes; the others too, unless all of a batch stand in one queue.
    upstream: UpstreamIndex,
    places: Vec<usize>,
    next: AtomicUsize,
}

/// A queue's lanes.
struct Lanes {
    open: usize,
    most: usize,
}

/// A batch's work.
pub(crate) struct Work {
    places: Vec<Place>,
    /// With `stop_on_error`: nothing from here on is started, for an item here has failed already.
    barrier: usize,
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
    pub(crate) fn new(plan: Plan, limits: DispatchLimits) -> Self {
        let places: Vec<_> = plan
            .items
            .into_iter()
            .map(|item| Place { item, progress: Progress::default(), slot: OnceLock::new() })
            .collect();
        let barrier = places.len();
        let mut work = Self {
            places,
            barrier,
            queues: Vec::new(),
            dependencies: plan.dependencies,
            conditions: plan.conditions,
            limits,
            budget: ReplyBudget::new(limits.max_reply, limits.max_item_reply),
            concurrency: None,
            stopped: AtomicBool::new(false),
            completed: AtomicUsize::new(0),
        };
        work.barrier = work.first_failed_already().unwrap_or(barrier);
        if work.dependencies.is_empty() {
            work.queues = queues(work.callable(), limits.sequential);
        }
        work.concurrency = (work.queues.len() > 1).then(|| Semaphore::new(limits.concurrency));
        work
    }

    /// With `stop_on_error`: the place of the first item that failed by its plan alone.
    fn first_failed_already(&self) -> Option<usize> {
        let mut places = self.places.iter().enumerate().filter(|_| self.limits.stop_on_error);
        places
            .find(|(number, place)| self.settled_already(*number, place) == Some(true))
            .map(|(number, _)| number)
    }

    /// The calls that may be started.
    fn callable(&self) -> Vec<(usize, UpstreamIndex)> {
        let mut callable = Vec::with_capacity(self.places.len());
        for (number, place) in self.places.iter().enumerate().take(self.barrier) {
            match &place.item.step {
                Step::Call(call) => callable.push((number, call.upstream)),
                Step::Later(_) | Step::Same(_) | Step::Respond(_) | Step::Rejected(_) => {}
            }
        }
        callable
    }

    /// Makes all calls, and the copies of those that are shared. Dropping the future drops the calls under way.
    pub(crate) async fn run<'work, E: Engine>(&'work self, engine: &'work E) {
        if self.dependencies.is_empty() {
            self.run_queues(engine).await;
        } else {
            self.run_graph(engine).boxed().await;
        }
        if self.places.iter().any(|place| matches!(place.item.step, Step::Same(_))) {
            self.make_copies(engine).boxed().await;
        }
    }

    async fn run_queues<'work, E: Engine>(&'work self, engine: &'work E) {
        let mut workers = FuturesUnordered::new();
        let mut lanes: Vec<Lanes> = Vec::with_capacity(self.queues.len());
        for queue in &self.queues {
            let most = self.most_lanes(queue, engine);
            let open = first_lanes(queue.places.len()).min(most);
            lanes.push(Lanes { open, most });
            for _ in 0..open {
                workers.push(self.worker(queue, engine));
            }
        }
        let mut ramp = Ramp::default();
        loop {
            let may_open_more = self.may_open_more(&lanes);
            tokio::select! {
                biased;
                done = workers.next() => if done.is_none() { break },
                pause = Ramp::wait(), if may_open_more => {
                    let growth = ramp.growth(pause, self.completed.load(Ordering::Relaxed));
                    for (queue, lanes) in self.queues.iter().zip(&mut lanes) {
                        let wanted = lanes.open.saturating_mul(growth).min(lanes.most);
                        for _ in lanes.open..wanted {
                            workers.push(self.worker(queue, engine));
                        }
                        lanes.open = wanted;
                    }
                }
            }
        }
    }

    fn may_open_more(&self, lanes: &[Lanes]) -> bool {
        let wants_more = |(queue, lanes): (&Queue, &Lanes)| queue.waiting() > 0 && lanes.open < lanes.most;
        self.queues.iter().zip(lanes).any(wants_more)
    }

    /// More lanes than the upstream has turns for one client would only wait for each other.
    fn most_lanes<E: Engine>(&self, queue: &Queue, engine: &E) -> usize {
        if self.limits.sequential {
            return 1;
        }
        let most = self.limits.concurrency.min(engine.most_at_once(queue.upstream));
        most.max(1).min(queue.places.len())
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
                Some((_, mut other)) => {
                    other.rest();
                    engine.lane(call.upstream)
                }
                None => engine.lane(call.upstream),
            };
            held = self.settle(place, call, engine, lane).await.map(|lane| (call.upstream, lane));
        }
        if let Some((_, mut lane)) = held {
            lane.rest();
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
            Step::Later(_) | Step::Same(_) | Step::Respond(_) | Step::Rejected(_) => None,
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
        let _batch_turn = acquire(self.concurrency.as_ref()).await;
        let permit = match take_permit(engine, call.upstream, &mut lane).await {
            Ok(permit) => permit,
            Err(failure) => {
                self.fill(place, place.failed(failure));
                return Some(lane);
            }
        };
        if self.stopped.load(Ordering::Relaxed) {
            return Some(lane);
        }
        place.progress.mark_started();
        let patience = engine.call_timeout(call.upstream);
        let patience = call.timeout.map_or(patience, |own| own.min(patience));
        let over_at = Deadline::after(patience);
        let deadline = over_at.earlier(self.limits.deadline);
        let attempt = Attempt { progress: &place.progress, budget: &self.budget, deadline };
        let made = AssertUnwindSafe(lane.call(&place.item.subject.method, call, attempt)).catch_unwind();
        let made = over_at.race(made).await;
        let (outcome, mut lane) = match made {
            Some(Ok(Ok(reply))) => (Outcome::Answered(reply), Some(lane)),
            Some(Ok(Err(failure))) => (place.failed(failure), Some(lane)),
            Some(Err(_panic)) => (place.failed(CallFailure::Internal), None),
            None => (place.over_time(), None),
        };
        give_back(permit, lane.as_mut());
        self.fill(place, outcome);
        lane
    }

    fn fill(&self, place: &Place, outcome: Outcome) {
        let elapsed = place.progress.elapsed().unwrap_or_default();
        self.fill_after(place, outcome, elapsed);
    }

    fn fill_after(&self, place: &Place, outcome: Outcome, elapsed: Duration) {
        if self.limits.stop_on_error && outcome.is_error() {
            self.stopped.store(true, Ordering::Relaxed);
        }
        if place.slot.set((outcome, elapsed)).is_ok() {
            self.completed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The items with their outcomes, once the workers came to this `end`.
    pub(crate) fn into_items<E: Engine>(self, end: End, engine: &E) -> Vec<DispatchedItem> {
        let mut stopped = false;
        let mut items: Vec<DispatchedItem> = Vec::with_capacity(self.places.len());
        for (number, place) in self.places.into_iter().enumerate() {
            let waits = self.dependencies.get(number).is_some_and(|on| !on.is_empty())
                || self.conditions.contains_key(&ItemIndex(number));
            let item = if let Step::Same(first) = place.item.step {
                let copied = |outcome: &Outcome| copy_of(outcome, &self.budget, engine);
                place.into_copy(items.get(first.0), (end, number < self.barrier), copied)
            } else {
                place.into_item(end, (stopped, waits), |upstream| engine.was_held_back(upstream))
            };
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
    /// other items. `was_held_back`: whether calls to an upstream waited for others of their client.
    fn into_item(
        self,
        end: End,
        (stopped, waits): (bool, bool),
        was_held_back: impl Fn(UpstreamIndex) -> bool,
    ) -> DispatchedItem {
        let upstream = match &self.item.step {
            Step::Call(call) => Some(call.upstream),
            Step::Later(template) => template.destination.map(|destination| destination.upstream),
            Step::Same(_) | Step::Respond(_) | Step::Rejected(_) => None,
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
            (None, Step::Call(_) | Step::Later(_) | Step::Same(_)) => {
                let mut outcome = unfilled(end, started.is_some(), sent);
                if let Outcome::Failed { failure, .. } = &mut outcome
                    && *failure == CallFailure::DeadlineBeforeCall
                    && !waits
                    && upstream.is_some_and(was_held_back)
                {
                    *failure = CallFailure::ClientShareDeadline;
                }
                (outcome, started.unwrap_or_default())
            }
        };
        DispatchedItem {
            subject: self.item.subject,
            route: self.item.route,
            upstream,
            outcome,
            elapsed,
            coalesced: false,
        }
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

/// Waits until the batch has room for one more call.
async fn acquire(permits: Option<&Semaphore>) -> Option<tokio::sync::SemaphorePermit<'_>> {
    match permits {
        // An error would mean that the semaphore was closed; none ever is.
        Some(permits) => permits.acquire().await.ok(),
        None => None,
    }
}

fn queues(callable: Vec<(usize, UpstreamIndex)>, sequential: bool) -> Vec<Queue> {
    let mut queues: Vec<Queue> = Vec::new();
    for (number, upstream) in callable {
        let found = queues.iter_mut().find(|queue| sequential || queue.upstream == upstream);
        match found {
            Some(queue) => queue.places.push(number),
            None => queues.push(Queue { upstream, places: vec![number], next: AtomicUsize::new(0) }),
        }
    }
    queues
}

impl Queue {
    fn waiting(&self) -> usize {
        self.places.len().saturating_sub(self.next.load(Ordering::Relaxed))
    }
}

impl Outcome {
    pub(crate) fn is_error(&self) -> bool {
        match self {
            Self::Answered(reply) => reply.status.as_u16() >= 400,
            Self::Responded(respond) => respond.status.as_u16() >= 400,
            Self::Rejected(_) | Self::Skipped(_) | Self::Failed { .. } => true,
        }
    }
}
