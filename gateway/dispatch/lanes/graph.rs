//! The work of a batch whose items wait for each other. One loop starts each item once all it waits
//! for has ended below 400, in the order of the request among those that are ready, and holds the
//! idle lanes between calls. An item that waits for one that failed is skipped at once, and so are
//! those that wait for it. Where an item has a condition, that alone decides: it is told once all that
//! the item waits for has ended, well or not (OData JSON Format 4.01 §19.1).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{FuturesUnordered, StreamExt};

use super::{Place, Ramp, Work, first_lanes};
use crate::batch::ItemIndex;
use crate::dispatch::condition::{Ended, unmet};
use crate::dispatch::resolve::{Earlier, MAX_LOOKED_THROUGH};
use crate::dispatch::{Answers, Engine, Lane, Outcome, SkipReason};
use crate::plan::{Call, CallTemplate, Step};
use crate::route::UpstreamIndex;

/// What is known while the work goes on.
struct Graph<'work, E> {
    work: &'work Work,
    engine: &'work E,
    /// By place: how many of those that it waits for have not ended.
    waiting: Vec<usize>,
    /// By place: who waits for it.
    dependents: Vec<Vec<usize>>,
    /// What can be started.
    ready: BinaryHeap<Reverse<usize>>,
    /// Bytes of results that references may still look through.
    left: usize,
}

/// A call that ended: its place, and its lane unless the call broke it.
struct Done<L> {
    number: usize,
    lane: Option<(UpstreamIndex, L)>,
}

impl Work {
    /// Makes all calls. Dropping the future drops the calls under way.
    pub(super) async fn run_graph<'work, E: Engine>(&'work self, engine: &'work E) {
        let mut graph = Graph::new(self, engine);
        graph.begin();
        let most = if self.limits.sequential { 1 } else { self.limits.concurrency.max(1) };
        let mut open = first_lanes(self.places.len()).min(most);
        let mut ramp = Ramp::default();
        let mut under_way = FuturesUnordered::new();
        let mut idle: Vec<(UpstreamIndex, E::Lane)> = Vec::new();
        loop {
            while under_way.len() < open
                && let Some((number, call)) = graph.next()
            {
                under_way.push(self.make(number, call, engine, &mut idle));
            }
            for (_, lane) in &mut idle {
                lane.rest();
            }
            tokio::select! {
                biased;
                done = under_way.next() => {
                    let Some(Done { number, lane }) = done else { break };
                    idle.extend(lane);
                    graph.ended(number);
                }
                pause = Ramp::wait(), if open < most && !graph.ready.is_empty() => {
                    let completed = self.completed.load(std::sync::atomic::Ordering::Relaxed);
                    open = open.saturating_mul(ramp.growth(pause, completed)).min(most);
                }
            }
        }
    }

    /// Makes one call, over an idle lane if there is one to its upstream.
    fn make<'work, E: Engine>(
        &'work self,
        number: usize,
        call: Ready<'work>,
        engine: &'work E,
        idle: &mut Vec<(UpstreamIndex, E::Lane)>,
    ) -> BoxFuture<'work, Done<E::Lane>> {
        let upstream = call.get().upstream;
        let held = idle.iter().position(|(other, _)| *other == upstream);
        let lane = held.map_or_else(|| engine.lane(upstream), |at| idle.swap_remove(at).1);
        async move {
            let lane = match self.places.get(number) {
                Some(place) => self.settle(place, call.get(), engine, lane).await,
                None => Some(lane),
            };
            Done { number, lane: lane.map(|lane| (upstream, lane)) }
        }
        .boxed()
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(std::sync::atomic::Ordering::Relaxed)
    }
}

/// A call that can be made now.
enum Ready<'work> {
    Planned(&'work Call),
    Resolved(Box<Call>),
}

impl Ready<'_> {
    fn get(&self) -> &Call {
        match self {
            Self::Planned(call) => call,
            Self::Resolved(call) => call,
        }
    }
}

impl<'work, E: Engine> Graph<'work, E> {
    fn new(work: &'work Work, engine: &'work E) -> Self {
        let mut dependents = vec![Vec::new(); work.places.len()];
        for (number, on) in work.dependencies.iter().enumerate() {
            for index in on {
                if let Some(dependents) = dependents.get_mut(index.0) {
                    dependents.push(number);
                }
            }
        }
        let waiting = work.dependencies.iter().map(Vec::len).collect();
        // One that shares a call ends with it; where nobody waits for that, it need not be told here.
        for (number, place) in work.places.iter().enumerate() {
            if let Step::Same(first) = &place.item.step
                && dependents.get(number).is_some_and(|waiting| !waiting.is_empty())
                && let Some(dependents) = dependents.get_mut(first.0)
            {
                dependents.push(number);
            }
        }
        Self { work, engine, waiting, dependents, ready: BinaryHeap::new(), left: MAX_LOOKED_THROUGH }
    }

    /// Settles what needs no call, and finds what can be started.
    fn begin(&mut self) {
        for (number, place) in self.work.places.iter().enumerate() {
            if let (Step::Respond(respond), true) = (&place.item.step, self.may_answer(number)) {
                // References can take from a fixed answer, too.
                self.work.fill(place, Outcome::Responded(respond.clone()));
            }
            match self.work.settled_already(number, place) {
                Some(_) => self.ended(number),
                // One that waits is made ready by the last it waits for, which may be a fixed answer above.
                None if self.work.dependencies.get(number).is_some_and(Vec::is_empty) => {
                    self.is_ready(number);
                }
                None => {}
            }
        }
    }

    /// Whether a fixed answer to this item stands, whatever becomes of the others.
    fn may_answer(&self, number: usize) -> bool {
        !self.work.limits.stop_on_error && !self.work.waits(number)
    }

    /// The next call that can be made. Items that need none are settled on the way.
    fn next(&mut self) -> Option<(usize, Ready<'work>)> {
        while let Some(Reverse(number)) = self.ready.pop() {
            if self.work.is_stopped() {
                self.ready.clear();
                return None;
            }
            let Some(place) = self.work.places.get(number) else { continue };
            if let Some(reason) = self.unmet(number) {
                self.settle(number, place, Outcome::Skipped(reason));
                continue;
            }
            match &place.item.step {
                Step::Call(call) => return Some((number, Ready::Planned(call))),
                Step::Later(template) => match self.resolve(template) {
                    Ok(call) => return Some((number, Ready::Resolved(Box::new(call)))),
                    Err(unfit) => self.settle(number, place, unfit.into()),
                },
                Step::Respond(respond) => self.settle(number, place, Outcome::Responded(respond.clone())),
                Step::Same(_) | Step::Rejected(_) => {}
            }
        }
        None
    }

    /// Why an item that may be started by all else is not, for its condition.
    fn unmet(&mut self, number: usize) -> Option<SkipReason> {
        let work = self.work;
        let planned = work.conditions.get(&ItemIndex(number))?;
        let outcome = |index: ItemIndex| work.places.get(index.0)?.slot.get().map(|(outcome, _)| outcome);
        let succeeded = |index: ItemIndex| !work.has_failed(index.0);
        unmet(planned, &mut Ended { outcome: &outcome, succeeded: &succeeded, left: &mut self.left })
    }

    fn resolve(&mut self, template: &CallTemplate) -> Result<Call, crate::dispatch::Unfit> {
        let places = &self.work.places;
        let of = |index: ItemIndex| {
            let place = places.get(index.0)?;
            Some(Earlier { outcome: &place.slot.get()?.0, route: place.item.route })
        };
        self.engine.resolve(template, &mut Answers { of: &of, left: &mut self.left })
    }

    fn settle(&mut self, number: usize, place: &Place, outcome: Outcome) {
        self.work.fill(place, outcome);
        self.ended(number);
    }

    /// An item ended: those that waited for it are nearer to their start, or have come to their end.
    fn ended(&mut self, number: usize) {
        let mut ended = vec![number];
        while let Some(number) = ended.pop() {
            let failed = self.work.has_failed(number);
            let dependents = self.dependents.get_mut(number).map(std::mem::take).unwrap_or_default();
            for dependent in dependents {
                let Some(place) = self.work.places.get(dependent) else { continue };
                if place.slot.get().is_some() || self.work.settled_already(dependent, place).is_some() {
                    continue;
                }
                if let Step::Same(first) = &place.item.step {
                    if dependent < self.work.barrier {
                        self.work.fill_copy(place, first.0, self.engine);
                        ended.push(dependent);
                    }
                } else if failed && !self.work.conditions.contains_key(&ItemIndex(dependent)) {
                    let on = self.work.places.get(number).map(|place| place.item.subject.id.clone());
                    let on = on.unwrap_or_else(|| place.item.subject.id.clone());
                    self.work.fill(place, Outcome::Skipped(SkipReason::DependencyFailed { on }));
                    ended.push(dependent);
                } else if let Some(waiting) = self.waiting.get_mut(dependent) {
                    *waiting = waiting.saturating_sub(1);
                    if *waiting == 0 {
                        self.is_ready(dependent);
                    }
                }
            }
        }
    }

    fn is_ready(&mut self, number: usize) {
        if number < self.work.barrier {
            self.ready.push(Reverse(number));
        }
    }
}

impl Work {
    /// For an item that is settled by its plan alone: whether it failed.
    pub(super) fn settled_already(&self, number: usize, place: &Place) -> Option<bool> {
        let waits = self.waits(number);
        match &place.item.step {
            Step::Rejected(_) => Some(true),
            Step::Respond(respond) if !waits => Some(respond.status.as_u16() >= 400),
            Step::Respond(_) | Step::Call(_) | Step::Later(_) | Step::Same(_) => None,
        }
    }

    /// Whether an item can't be settled before others have ended, or its condition was told.
    fn waits(&self, number: usize) -> bool {
        self.dependencies.get(number).is_some_and(|on| !on.is_empty())
            || self.conditions.contains_key(&ItemIndex(number))
    }

    /// Whether an item that ended did not end below 400. One whose slot is empty was stopped.
    fn has_failed(&self, number: usize) -> bool {
        let Some(place) = self.places.get(number) else { return true };
        match place.slot.get() {
            Some((outcome, _)) => outcome.is_error(),
            None => self.settled_already(number, place).unwrap_or(true),
        }
    }
}
