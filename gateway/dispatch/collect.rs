//! Makes dispatched items of the places of a batch, in the order of the request: early, while calls of other items go on,
//! or at the end. The rules are the same for both.
//!
//! An item whose slot is empty at the end was not started, or was cut off in the middle; which of the two, and why, follows
//! from its progress and from how the dispatch of the batch ended.

use std::collections::HashMap;

use crate::batch::{ItemId, Subject};
use crate::plan::{PlannedItem, Step};
use crate::route::{RouteIndex, UpstreamIndex};

use super::coalesced::copy_of;
use super::engine::Engine;
use super::failure::CallFailure;
use super::items::{Items, Place};
use super::need::{Known, Need, planned_copy, planned_outcome};
use super::outcome::{DispatchedItem, Outcome, SkipReason};
use super::progress::{Progress, Sent};
use super::timeline::Timeline;

/// Why the dispatch of a batch came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Finished,
    Deadline,
    ClientGone,
}

/// Collects the items of a batch, one after the other. It carries what the outcome of an item depends on from those before
/// it.
#[derive(Default)]
pub(super) struct Collector {
    /// The position of the next item.
    next: usize,
    has_failed: bool,
    /// An item before the next one failed, and the batch stops at errors.
    is_stopped: bool,
    /// The items whose calls others share, by position.
    shared: HashMap<usize, Shared>,
}

/// What is kept of an item for those that share its call.
struct Shared {
    upstream: Option<UpstreamIndex>,
    outcome: Outcome,
    timeline: Timeline,
}

/// What is found at the place of an item.
struct Found<'place> {
    subject: Subject,
    route: Option<RouteIndex>,
    origin: Origin,
    /// What was in its slot.
    outcome: Option<Outcome>,
    progress: &'place Progress,
    /// Whether another item shares its call.
    is_shared: bool,
    ends_its_group: bool,
}

/// Where the outcome of an item comes from.
#[derive(Clone, Copy)]
enum Origin {
    /// A call of its own, or its plan.
    Own { upstream: Option<UpstreamIndex>, known: Option<Known> },
    /// The call of the item at this position.
    SameAs(usize),
}

impl Origin {
    fn from_step(step: &Step) -> Self {
        if let Step::Same(first) = step {
            return Self::SameAs(first.0);
        }
        let need = Need::new(step);
        Self::Own { upstream: need.upstream(), known: need.known() }
    }
}

/// What the outcome of an item depends on in addition to its place and to the items before it.
struct Around<'run, E> {
    items: &'run Items,
    engine: &'run E,
    end: End,
    /// The ids of all items, if there are groups that are undone.
    ids: &'run [ItemId],
}

impl Collector {
    /// How many items were taken.
    pub(super) const fn taken(&self) -> usize {
        self.next
    }

    /// Takes the next item, which has ended and is not in a group that may still be undone. The calls of others go on.
    pub(super) fn take<E: Engine>(&mut self, items: &Items, engine: &E) -> Option<DispatchedItem> {
        let place = items.places.get(self.next)?;
        let PlannedItem { subject, route, step } = &place.item;
        let found = Found {
            subject: subject.clone(),
            route: *route,
            origin: Origin::from_step(step),
            outcome: place.slot.take(),
            progress: &place.progress,
            is_shared: place.is_shared,
            ends_its_group: place.next_in_group.is_none(),
        };
        // An item that has ended is not cut off, whatever the end will be.
        let around = Around { items, engine, end: End::Finished, ids: &[] };
        Some(self.add(found, || planned_copy(step), &around))
    }

    /// Takes all other items, once no call is under way any more.
    pub(super) fn take_rest<E: Engine>(
        mut self,
        mut items: Items,
        end: End,
        engine: &E,
    ) -> Vec<DispatchedItem> {
        let places = std::mem::take(&mut items.places);
        let ids: Vec<_> = if items.groups.is_empty() {
            Vec::new()
        } else {
            places.iter().map(|place| place.item.subject.id.clone()).collect()
        };
        let around = Around { items: &items, engine, end, ids: &ids };
        places.into_iter().skip(self.next).map(|place| self.take_last(place, &around)).collect()
    }

    fn take_last<E: Engine>(&mut self, place: Place, around: &Around<'_, E>) -> DispatchedItem {
        let Place { item, progress, slot, is_shared, next_in_group, .. } = place;
        let PlannedItem { subject, route, step } = item;
        let found = Found {
            subject,
            route,
            origin: Origin::from_step(&step),
            outcome: slot.into_outcome(),
            progress: &progress,
            is_shared,
            ends_its_group: next_in_group.is_none(),
        };
        self.add(found, || planned_outcome(step), around)
    }

    /// `planned`: the outcome of an item that needs no call.
    fn add<E: Engine>(
        &mut self,
        found: Found<'_>,
        planned: impl FnOnce() -> Option<Outcome>,
        around: &Around<'_, E>,
    ) -> DispatchedItem {
        let number = self.next;
        self.next += 1;
        let (is_shared, ends_its_group) = (found.is_shared, found.ends_its_group);
        let mut item = match found.origin {
            Origin::SameAs(first) => self.copied(number, first, found, around),
            Origin::Own { upstream, known } => {
                let unstarted = || self.unstarted(known?, number, around.items, planned);
                ended(found, upstream, unstarted, |progress| around.cut_off(progress, upstream, number))
            }
        };
        // One that the batch did not come to is not a matter of its group.
        if !self.is_stopped || !matches!(item.outcome, Outcome::Skipped(SkipReason::BatchStopped)) {
            around.items.groups.judge(number, &mut item, around.ids);
        }
        self.has_failed |= around.items.run.limits.stop_on_error && item.outcome.is_error();
        self.is_stopped |= self.has_failed && ends_its_group;
        if is_shared {
            self.shared.insert(number, Shared::from_item(&item));
        }
        item
    }

    /// The outcome of an item that needs no call, unless it still waited for others.
    fn unstarted(
        &self,
        known: Known,
        number: usize,
        items: &Items,
        planned: impl FnOnce() -> Option<Outcome>,
    ) -> Option<Outcome> {
        if self.is_stopped {
            return Some(Outcome::Skipped(SkipReason::BatchStopped));
        }
        if known.holds_anyway || !items.waits(number) { planned() } else { None }
    }

    /// An item that ends with the one whose call it shares, unless the batch stopped before it.
    fn copied<E: Engine>(
        &self,
        number: usize,
        first: usize,
        found: Found<'_>,
        around: &Around<'_, E>,
    ) -> DispatchedItem {
        let first = self.shared.get(&first).filter(|_| number < around.items.barrier);
        let outcome = match (found.outcome, first) {
            (Some(outcome), _) => outcome,
            (None, Some(first)) => copy_of(&first.outcome, &around.items.run.budget, around.engine),
            (None, None) => cut_off(around.end, None),
        };
        let timeline = first.map_or_else(|| found.progress.take_timeline(), |first| first.timeline.clone());
        DispatchedItem {
            subject: found.subject,
            route: found.route,
            upstream: first.and_then(|first| first.upstream),
            coalesced: first.is_some() && !matches!(outcome, Outcome::Skipped(_)),
            outcome,
            timeline,
            undone: None,
        }
    }
}

impl Shared {
    fn from_item(item: &DispatchedItem) -> Self {
        Self { upstream: item.upstream, outcome: item.outcome.clone(), timeline: item.timeline.clone() }
    }
}

impl<E: Engine> Around<'_, E> {
    /// The outcome of an item whose own call was not made to its end.
    fn cut_off(&self, progress: &Progress, upstream: Option<UpstreamIndex>, number: usize) -> Outcome {
        let mut outcome = cut_off(self.end, Some(progress));
        if let Outcome::Failed { failure, .. } = &mut outcome
            && *failure == CallFailure::DeadlineBeforeCall
            && !progress.has_started()
            && !self.items.waits(number)
            && upstream.is_some_and(|upstream| self.engine.was_held_back(upstream))
        {
            *failure = CallFailure::ClientShareDeadline;
        }
        outcome
    }
}

/// An item that ends by a call of its own, or by its plan.
fn ended(
    found: Found<'_>,
    upstream: Option<UpstreamIndex>,
    unstarted: impl FnOnce() -> Option<Outcome>,
    cut_off: impl FnOnce(&Progress) -> Outcome,
) -> DispatchedItem {
    let Found { subject, route, outcome, progress, .. } = found;
    let outcome = outcome.or_else(unstarted).unwrap_or_else(|| cut_off(progress));
    let timeline = progress.take_timeline();
    DispatchedItem { subject, route, upstream, outcome, timeline, coalesced: false, undone: None }
}

/// The outcome of an item whose slot is empty. `progress`: of its own call, if it has one.
fn cut_off(end: End, progress: Option<&Progress>) -> Outcome {
    let sent = progress.map_or(Sent::No, Progress::sent);
    let failure = match (end, sent) {
        (End::ClientGone, _) => CallFailure::ClientGone,
        (End::Finished | End::Deadline, Sent::Maybe) => CallFailure::DeadlineDuringCall,
        (End::Deadline, Sent::No) => CallFailure::DeadlineBeforeCall,
        (End::Finished, Sent::No) => return Outcome::Skipped(SkipReason::BatchStopped),
    };
    Outcome::Failed { failure, sent }
}
