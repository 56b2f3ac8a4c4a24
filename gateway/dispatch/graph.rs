//! The source of a batch whose items wait for each other. Of the items that are ready, the first in the order of the
//! request is taken first; `turn` has the rules that decide when an item is ready, and what becomes of it then.
//!
//! A member of a group that is undone if it fails may need a call of its own before its own: the snapshot. Then it is taken
//! twice. Once its group has failed, what waits for its members waits until the group is undone ([`Graph::release`]).
//!
//! All of it changes under one lock, which is never contended, because a batch is one task.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use parking_lot::Mutex;

use crate::batch::ItemIndex;
use crate::plan::Step;

use super::coalesced::fill_copy;
use super::compensation::{Effect, Ended};
use super::engine::Engine;
use super::items::{Items, Place, PlacedJob};
use super::need::planned_answer;
use super::outcome::{Outcome, SkipReason};
use super::placed_call::PlacedCall;
use super::resolve::{MAX_LOOKED_THROUGH, Resolver};
use super::source::{Run, Source};
use super::turn::{Results, Turn, skipped_by, turn};
use super::undo::Before;
use super::undo_groups::Member;

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
    /// The calls of members whose snapshot was taken.
    prepared: HashMap<usize, PlacedCall<'run>>,
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
            prepared: HashMap::new(),
            left: MAX_LOOKED_THROUGH,
        };
        state.begin();
        Self { items, state: Mutex::new(state) }
    }

    /// A group that failed is undone. What waited for that goes on.
    pub(super) fn release(&self, group: usize) {
        self.state.lock().release(group);
    }

    /// In order, nothing is started while a group is being undone.
    fn waits_for_undo(&self) -> bool {
        self.items.run.limits.sequential && self.items.groups.is_undoing()
    }
}

impl<'run, 'graph: 'run, E: Engine> Source<'run> for Graph<'graph, E> {
    type Job = PlacedJob<'graph>;

    fn take(&'run self, _queue: usize) -> Option<PlacedJob<'graph>> {
        if self.waits_for_undo() { None } else { self.state.lock().next() }
    }

    fn waiting(&self, _queue: usize) -> usize {
        if self.waits_for_undo() {
            return 0;
        }
        let state = self.state.lock();
        if self.items.run.is_stopped() {
            state.ready.iter().filter(|Reverse(number)| self.items.goes_on(*number)).count()
        } else {
            state.ready.len()
        }
    }

    /// A group that has begun goes on to its end.
    fn is_stopped(&self, job: &PlacedJob<'graph>) -> bool {
        self.items.run.is_stopped() && !self.items.goes_on(job.number)
    }

    fn end(&'run self, job: PlacedJob<'graph>, outcome: Outcome) {
        self.state.lock().end(job, outcome);
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
                Some(true) => self.settled_by_plan(number, Ended::Failed(Effect::None)),
                Some(false) => self.settled_by_plan(number, Ended::Succeeded),
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
            if items.run.is_stopped() && !items.goes_on(number) {
                continue;
            }
            let Some(place) = items.places.get(number) else { continue };
            place.progress.mark_ready();
            let member = items.groups.member(number);
            let job = |call| PlacedJob { number, place, call, deadline: items.deadline };
            if let Some(call) = self.prepared.remove(&number) {
                return Some(job(call));
            }
            if member.is_some_and(|member| !member.begin()) {
                continue;
            }
            let job = |call| match member {
                Some(member) => job(member.prepare(call)),
                None => job(call),
            };
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

    fn end(&mut self, job: PlacedJob<'run>, outcome: Outcome) {
        let PlacedJob { number, place, call, .. } = job;
        match call {
            PlacedCall::Snapshot(snapshot) => self.snapshot_ended(number, place, snapshot.write, outcome),
            PlacedCall::Planned(_) | PlacedCall::Resolved(_) => self.settle(number, place, outcome),
        }
    }

    fn settle(&mut self, number: usize, place: &Place, outcome: Outcome) {
        let Some(member) = self.items.groups.member(number) else {
            self.items.fill(place, outcome);
            self.ended(number);
            return;
        };
        let is_stopped = matches!(outcome, Outcome::Skipped(SkipReason::BatchStopped));
        let ended = Ended::from_outcome(&outcome, &place.progress);
        self.items.fill(place, outcome);
        if is_stopped {
            // Only the first member of a group can be stopped. The others wait for it until the batch ends.
            member.withdraw();
        } else {
            self.member_ended(number, member, ended);
        }
    }

    /// An item is settled by its plan alone.
    fn settled_by_plan(&mut self, number: usize, end: Ended) {
        match self.items.groups.member(number) {
            Some(member) => self.member_ended(number, member, end),
            None => self.ended(number),
        }
    }

    /// The end of a member is not known to others before that of its group is, if the group has failed.
    fn member_ended(&mut self, number: usize, member: Member<'_>, ended: Ended) {
        member.end(ended);
        if member.group_has_failed() {
            return;
        }
        if self.items.groups.members(member.group()).last() == Some(&number) {
            self.let_go(member.group());
        }
        self.ended(number);
    }

    /// The snapshot before a member was taken, or was not.
    fn snapshot_ended(&mut self, number: usize, place: &Place, write: PlacedCall<'run>, outcome: Outcome) {
        let Some(member) = self.items.groups.member(number) else { return };
        let bytes = if let Outcome::Answered(reply) = &outcome { reply.bytes() } else { 0 };
        match Before::from_outcome(outcome, write.call()) {
            Err(outcome) => self.settle(number, place, *outcome),
            Ok(before) => {
                member.keep(before, bytes);
                if member.group_has_failed() {
                    member.withdraw();
                } else {
                    self.prepared.insert(number, write);
                    self.is_ready(number);
                }
            }
        }
    }

    /// Nothing is kept any more to undo a group.
    fn let_go(&self, group: usize) {
        let held = self.items.groups.take_held(group);
        if held > 0 {
            self.items.run.budget.give_back(held);
            self.engine.let_go(held);
        }
    }

    fn release(&mut self, group: usize) {
        let items = self.items;
        items.groups.is_undone();
        for number in items.groups.members(group) {
            // If the group failed by its plan alone, its members are as if the batch had not come to them.
            let has_run = items.groups.member(*number).is_some_and(Member::has_run);
            let Some(place) = items.places.get(*number).filter(|_| has_run) else { continue };
            if let Some(on) = items.groups.held_up_by(*number).and_then(|cause| items.places.get(cause)) {
                let on = on.item.subject.id.clone();
                items.fill(place, Outcome::Skipped(SkipReason::NeverRan { on }));
            }
        }
        for number in items.groups.members(group) {
            self.ended(*number);
        }
        self.let_go(group);
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
        if place.slot.is_filled() || items.settled_already(dependent, place).is_some() {
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
            let member = items.groups.member(dependent);
            // One of a group is ended with it.
            if let Some(member) = member {
                member.end(Ended::Failed(Effect::None));
            }
            return member.is_none();
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
            if let Some(place) = self.items.places.get(number).filter(|_| !self.items.run.limits.sequential) {
                place.progress.mark_ready();
            }
            self.ready.push(Reverse(number));
        }
    }
}
