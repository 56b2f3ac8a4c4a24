//! The source of a batch whose items wait for each other. Of the items that are ready, the first in the order of the
//! request is taken first; `turn` has the rules that decide when an item is ready, and what becomes of it then.
//!
//! All of it changes under one lock, which is never contended, because a batch is one task.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use parking_lot::Mutex;

use crate::batch::ItemIndex;
use crate::plan::Step;

use super::coalesced::fill_copy;
use super::engine::Engine;
use super::items::{Items, Place, PlacedCall, PlacedJob};
use super::need::planned_answer;
use super::outcome::{Outcome, SkipReason};
use super::resolve::{MAX_LOOKED_THROUGH, Resolver};
use super::source::{Run, Source};
use super::turn::{Results, Turn, skipped_by, turn};

/// The items of a batch by what they wait for.
pub(super) struct Graph<'run, E> {
    items: &'run Items,
    state: Mutex<State<'run, E>>,
}

/// The state of the work in progress.
struct State<'run, E> {
    items: &'run Items,
    engine: &'run E,
    resolver: &'run dyn Resolver,
    /// By item: how many of those that it waits for have not ended.
    waiting: Vec<usize>,
    /// By item: which items wait for it.
    dependents: Vec<Vec<usize>>,
    /// What can be started.
    ready: BinaryHeap<Reverse<usize>>,
    /// Bytes of results that references may still look through.
    left: usize,
}

impl<'run, E: Engine> Graph<'run, E> {
    /// Settles what needs no call, and finds what can be started.
    pub(super) fn new(items: &'run Items, engine: &'run E, resolver: &'run dyn Resolver) -> Self {
        let mut state = State {
            items,
            engine,
            resolver,
            waiting: (0..items.places.len()).map(|number| items.awaited(number).count()).collect(),
            dependents: dependents(items),
            ready: BinaryHeap::new(),
            left: MAX_LOOKED_THROUGH,
        };
        state.begin();
        Self { items, state: Mutex::new(state) }
    }
}

impl<'run, 'graph: 'run, E: Engine> Source<'run> for Graph<'graph, E> {
    type Job = PlacedJob<'graph>;

    fn take(&'run self, _queue: usize) -> Option<PlacedJob<'graph>> {
        self.state.lock().next()
    }

    fn waiting(&self, _queue: usize) -> usize {
        let state = self.state.lock();
        if self.items.run.is_stopped() {
            state.ready.iter().filter(|Reverse(number)| self.items.leader(*number).is_some()).count()
        } else {
            state.ready.len()
        }
    }

    /// A group that has begun goes on to its end.
    fn is_stopped(&self, job: &PlacedJob<'graph>) -> bool {
        self.items.run.is_stopped() && self.items.leader(job.number).is_none()
    }

    fn end(&'run self, job: PlacedJob<'graph>, outcome: Outcome) {
        self.state.lock().settle(job.number, job.place, outcome);
    }

    fn run(&self) -> &Run {
        &self.items.run
    }
}

/// By item: which items wait for it.
fn dependents(items: &Items) -> Vec<Vec<usize>> {
    let mut dependents = vec![Vec::new(); items.places.len()];
    for number in 0..items.places.len() {
        for index in items.awaited(number) {
            if let Some(dependents) = dependents.get_mut(index.0) {
                dependents.push(number);
            }
        }
    }
    // One that shares a call ends with it. Where no item waits for that, it can end later, with the batch.
    for (number, place) in items.places.iter().enumerate() {
        if let Step::Same(first) = &place.item.step
            && dependents.get(number).is_some_and(|waiting| !waiting.is_empty())
            && let Some(dependents) = dependents.get_mut(first.0)
        {
            dependents.push(number);
        }
    }
    dependents
}

impl<'run, E: Engine> State<'run, E> {
    fn begin(&mut self) {
        let items = self.items;
        for (number, place) in items.places.iter().enumerate() {
            // A fixed answer holds, whatever becomes of the others.
            let holds = !items.run.limits.stop_on_error && !items.waits(number);
            if let Some(answer) = planned_answer(&place.item.step).filter(|_| holds) {
                // References can take from a fixed answer, too.
                items.fill(place, answer);
            }
            match items.settled_already(number, place) {
                Some(_) => self.ended(number),
                // One that waits is made ready by the last it waits for, which may be a fixed answer above.
                None if items.starts_freely(number) => self.is_ready(number),
                None => {}
            }
        }
    }

    /// The next item that needs a call. Items that need none are settled on the way.
    fn next(&mut self) -> Option<PlacedJob<'run>> {
        let items = self.items;
        while let Some(Reverse(number)) = self.ready.pop() {
            if items.run.is_stopped() && items.leader(number).is_none() {
                continue;
            }
            let Some(place) = items.places.get(number) else { continue };
            let job = |call| PlacedJob { number, place, call, deadline: items.deadline };
            let condition = items.conditions.get(&ItemIndex(number));
            match turn(&place.item.step, condition, items, self.resolver, &mut self.left) {
                Turn::AsPlanned(call) => return Some(job(PlacedCall::Planned(call))),
                Turn::Resolved(call) => return Some(job(PlacedCall::Resolved(call))),
                Turn::Ends(outcome) => self.settle(number, place, outcome),
                Turn::WithOther => {}
            }
        }
        None
    }

    fn settle(&mut self, number: usize, place: &Place, outcome: Outcome) {
        self.items.fill(place, outcome);
        self.ended(number);
    }

    /// An item ended: those that waited for it are nearer to their start, or have come to their end.
    fn ended(&mut self, number: usize) {
        let mut ended = vec![number];
        while let Some(number) = ended.pop() {
            let dependents = self.dependents.get_mut(number).map(std::mem::take).unwrap_or_default();
            for dependent in dependents {
                if self.one_ended(number, dependent) {
                    ended.push(dependent);
                }
            }
        }
    }

    /// An item that `dependent` waits for has ended. Returns whether that has ended `dependent` as well.
    fn one_ended(&mut self, number: usize, dependent: usize) -> bool {
        let items = self.items;
        let Some(place) = items.places.get(dependent) else { return false };
        if place.slot.get().is_some() || items.settled_already(dependent, place).is_some() {
            return false;
        }
        if let Step::Same(first) = &place.item.step {
            if dependent < items.barrier {
                fill_copy(items, place, first.0, self.engine);
            }
            return dependent < items.barrier;
        }
        let condition = items.conditions.get(&ItemIndex(dependent));
        let failed = items.has_failed(ItemIndex(number)) && items.needs(dependent, number);
        let failed = failed.then(|| {
            let subject = &items.places.get(number).unwrap_or(place).item.subject;
            SkipReason::DependencyFailed { on: subject.id.clone(), group: subject.form.group.clone() }
        });
        if let Some(reason) = skipped_by(failed, condition) {
            items.fill(place, Outcome::Skipped(reason));
            return true;
        }
        if let Some(waiting) = self.waiting.get_mut(dependent) {
            *waiting = waiting.saturating_sub(1);
            if *waiting == 0 {
                self.is_ready(dependent);
            }
        }
        false
    }

    fn is_ready(&mut self, number: usize) {
        if number < self.items.barrier {
            self.ready.push(Reverse(number));
        }
    }
}
