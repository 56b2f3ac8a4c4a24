//! The end of a batch: every item gets its outcome, in the order of the request. Those whose slot is empty were not
//! started, or were cut off in the middle; which of the two, and why, follows from their progress and from how the
//! dispatch of the batch ended.

use crate::plan::{PlannedItem, Step};
use crate::route::UpstreamIndex;

use super::coalesced::copy_of;
use super::engine::Engine;
use super::failure::CallFailure;
use super::items::{Items, Place};
use super::need::{Need, planned_outcome};
use super::outcome::{DispatchedItem, Outcome, SkipReason};
use super::progress::{Progress, Sent};

/// Why the dispatch of a batch came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Finished,
    Deadline,
    ClientGone,
}

/// What decides on an item whose slot is empty.
struct Fate {
    end: End,
    /// An item before this one failed, and the batch stops at errors.
    is_stopped: bool,
    /// It waits for other items, or has a condition.
    waits: bool,
}

/// Collects the items of a batch.
pub(super) fn collect<E: Engine>(mut items: Items, end: End, engine: &E) -> Vec<DispatchedItem> {
    let places = std::mem::take(&mut items.places);
    let ids: Vec<_> = if items.groups.is_empty() {
        Vec::new()
    } else {
        places.iter().map(|place| place.item.subject.id.clone()).collect()
    };
    let mut collected: Vec<DispatchedItem> = Vec::with_capacity(places.len());
    let (mut is_stopped, mut has_failed) = (false, false);
    for (number, place) in places.into_iter().enumerate() {
        let ends_its_group = place.next_in_group.is_none();
        let mut item = if let Step::Same(first) = place.item.step {
            let first = collected.get(first.0).filter(|_| number < items.barrier);
            copied(place, first, end, |outcome| copy_of(outcome, &items.run.budget, engine))
        } else {
            let fate = Fate { end, is_stopped, waits: items.waits(number) };
            ended(place, &fate, |upstream| engine.was_held_back(upstream))
        };
        // One that the batch did not come to is not a matter of its group.
        let is_reached = !is_stopped || !matches!(item.outcome, Outcome::Skipped(SkipReason::BatchStopped));
        if is_reached {
            items.groups.judge(number, &mut item, &ids);
        }
        has_failed |= items.run.limits.stop_on_error && item.outcome.is_error();
        is_stopped |= has_failed && ends_its_group;
        collected.push(item);
    }
    collected
}

/// `was_held_back`: whether calls to an upstream waited for others of their client.
fn ended(place: Place, fate: &Fate, was_held_back: impl Fn(UpstreamIndex) -> bool) -> DispatchedItem {
    let Place { item: PlannedItem { subject, route, step }, progress, slot, .. } = place;
    let upstream = Need::new(&step).upstream();
    let outcome = slot.into_inner().or_else(|| unstarted(step, fate));
    let outcome = outcome.unwrap_or_else(|| {
        let mut outcome = cut_off(fate.end, Some(&progress));
        if let Outcome::Failed { failure, .. } = &mut outcome
            && *failure == CallFailure::DeadlineBeforeCall
            && !fate.waits
            && upstream.is_some_and(was_held_back)
        {
            *failure = CallFailure::ClientShareDeadline;
        }
        outcome
    });
    let timeline = progress.take_timeline();
    DispatchedItem { subject, route, upstream, outcome, timeline, coalesced: false, undone: None }
}

/// The outcome of an item that needs no call, unless it still waited for others.
fn unstarted(step: Step, fate: &Fate) -> Option<Outcome> {
    let known = Need::new(&step).known()?;
    if fate.is_stopped {
        return Some(Outcome::Skipped(SkipReason::BatchStopped));
    }
    if known.holds_anyway || !fate.waits { planned_outcome(step) } else { None }
}

/// An item that ends with the one whose call it shares. `first`: that one, unless the batch stopped before this item.
fn copied(
    place: Place,
    first: Option<&DispatchedItem>,
    end: End,
    copy: impl FnOnce(&Outcome) -> Outcome,
) -> DispatchedItem {
    let Place { item: PlannedItem { subject, route, .. }, progress, slot, .. } = place;
    let outcome = match (slot.into_inner(), first) {
        (Some(outcome), _) => outcome,
        (None, Some(first)) => copy(&first.outcome),
        (None, None) => cut_off(end, None),
    };
    let upstream = first.and_then(|first| first.upstream);
    let timeline = first.map_or_else(|| progress.take_timeline(), |first| first.timeline.clone());
    let coalesced = first.is_some() && !matches!(outcome, Outcome::Skipped(_));
    DispatchedItem { subject, route, upstream, outcome, timeline, coalesced, undone: None }
}

/// The outcome of an item whose slot is empty. `progress`: of its own call, if it has one.
fn cut_off(end: End, progress: Option<&Progress>) -> Outcome {
    let sent = progress.map_or(Sent::No, Progress::sent);
    let failure = match (end, sent) {
        (End::ClientGone, _) => CallFailure::ClientGone,
        (End::Finished | End::Deadline, Sent::Maybe) => CallFailure::DeadlineDuringCall,
        (End::Deadline, Sent::No) if progress.is_some_and(Progress::has_started) => {
            CallFailure::TimeoutBeforeSending
        }
        (End::Deadline, Sent::No) => CallFailure::DeadlineBeforeCall,
        (End::Finished, Sent::No) => return Outcome::Skipped(SkipReason::BatchStopped),
    };
    Outcome::Failed { failure, sent }
}
