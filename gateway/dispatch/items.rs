//! The items of a batch that is complete, each with a slot for its outcome.
//!
//! No slot is filled twice. One that is empty when the batch ends gets its outcome from its progress then
//! ([`collect`](super::collect)).

use std::sync::atomic::{AtomicBool, Ordering};

use http::Method;

use crate::batch::ItemIndex;
use crate::clock::{Deadline, Stopwatch};
use crate::plan::{Call, Conditions, Plan, PlannedItem, Step};

use super::need::Need;
use super::outcome::Outcome;
use super::placed_call::PlacedCall;
use super::progress::Progress;
use super::resolve::Earlier;
use super::slot::Slot;
use super::source::{DispatchLimits, Job, Limit, Run};
use super::turn::Results;
use super::undo_groups::{Member, UndoGroups};

/// The items of a batch, and what their sources share.
pub(super) struct Items {
    pub(super) places: Vec<Place>,
    /// With `stop_on_error`: nothing from here on is started, because an item here has failed already.
    pub(super) barrier: usize,
    /// What each item waits for; empty where none waits.
    pub(super) dependencies: Vec<Vec<ItemIndex>>,
    pub(super) conditions: Conditions,
    /// For each item, the member of its group that must end first, whether it succeeds or fails. Empty without groups.
    follows: Vec<Option<ItemIndex>>,
    /// The groups that are undone if they fail.
    pub(super) groups: UndoGroups,
    /// When the reply has to leave.
    pub(super) deadline: Deadline,
    pub(super) run: Run,
}

/// An item with its slot.
pub(super) struct Place {
    pub(super) item: PlannedItem,
    pub(super) progress: Progress,
    pub(super) slot: Slot,
    /// Whether another item shares its call.
    pub(super) is_shared: bool,
    /// The next member of its group.
    pub(super) next_in_group: Option<ItemIndex>,
    /// Whether a member of its group before it has failed.
    after_failure: AtomicBool,
}

impl Items {
    pub(super) fn new(plan: Plan, limits: DispatchLimits) -> Self {
        let queued = Stopwatch::start();
        let place = |item| Place {
            item,
            progress: Progress::new(queued),
            slot: Slot::new(),
            is_shared: false,
            next_in_group: None,
            after_failure: AtomicBool::new(false),
        };
        let mut places: Vec<_> = plan.items.into_iter().map(place).collect();
        for (number, before) in plan.follows.iter().enumerate() {
            if let Some(before) = before.and_then(|before| places.get_mut(before.0)) {
                before.next_in_group = Some(ItemIndex(number));
            }
        }
        let groups = if plan.undos.is_empty() {
            UndoGroups::default()
        } else {
            UndoGroups::new(&plan.follows, plan.undos)
        };
        let mut items = Self {
            groups,
            barrier: places.len(),
            places,
            dependencies: plan.dependencies,
            conditions: plan.conditions,
            follows: plan.follows,
            deadline: queued.deadline(limits.patience),
            run: Run::new(limits),
        };
        if let Some(failed) = items.first_failed_already() {
            items.barrier = failed;
        }
        items.keep_what_others_need();
        items
    }

    /// Finds the items whose outcome others look at.
    fn keep_what_others_need(&mut self) {
        for number in 0..self.places.len() {
            let awaited: Vec<_> = self.awaited(number).collect();
            let first = self.shared_call_of(number);
            for index in awaited.into_iter().chain(first) {
                if let Some(place) = self.places.get_mut(index.0) {
                    place.slot = Slot::new_kept();
                    place.is_shared |= first == Some(index);
                }
            }
            if self.groups.member(number).is_some()
                && let Some(place) = self.places.get_mut(number)
            {
                // What undoes it depends on how it ended.
                place.slot = Slot::new_kept();
            }
        }
    }

    /// The item whose call an item shares.
    fn shared_call_of(&self, number: usize) -> Option<ItemIndex> {
        match self.places.get(number)?.item.step {
            Step::Same(first) => Some(first),
            Step::Call(_) | Step::Later(_) | Step::Respond(_) | Step::Rejected(_) => None,
        }
    }

    /// With `stop_on_error`: the end of the first item that failed by its plan alone, and of its group.
    fn first_failed_already(&self) -> Option<usize> {
        let mut places = self.places.iter().enumerate().filter(|_| self.run.limits.stop_on_error);
        let (number, mut last) =
            places.find(|(number, place)| self.settled_already(*number, place) == Some(true))?;
        let mut end = number;
        while let Some(next) = last.next_in_group {
            end = next.0 + 1;
            last = self.places.get(next.0)?;
        }
        Some(end)
    }

    /// For an item that is settled by its plan alone: whether it failed.
    pub(super) fn settled_already(&self, number: usize, place: &Place) -> Option<bool> {
        let known = Need::new(&place.item.step).known()?;
        (known.holds_anyway || !self.waits(number)).then_some(known.is_error)
    }

    /// Whether an item can't end before others have ended, or its condition was evaluated.
    pub(super) fn waits(&self, number: usize) -> bool {
        !self.starts_freely(number) || self.conditions.contains_key(&ItemIndex(number))
    }

    /// Whether an item waits for no other.
    pub(super) fn starts_freely(&self, number: usize) -> bool {
        self.dependencies.get(number).is_none_or(Vec::is_empty) && self.leader(number).is_none()
    }

    /// The member of its group that an item follows.
    pub(super) fn leader(&self, number: usize) -> Option<ItemIndex> {
        self.follows.get(number).copied().flatten()
    }

    /// Whether an item is started even after the batch has stopped: a group that has begun goes on to its end.
    pub(super) fn goes_on(&self, number: usize) -> bool {
        self.leader(number).is_some() || self.groups.member(number).is_some_and(Member::has_begun)
    }

    /// The items that an item waits for, each once.
    pub(super) fn awaited(&self, number: usize) -> impl Iterator<Item = ItemIndex> {
        let on = self.dependencies.get(number).map_or(&[][..], Vec::as_slice);
        let leader = self.leader(number).filter(|leader| !on.contains(leader));
        on.iter().copied().chain(leader)
    }

    /// Whether an item is skipped if this other one fails, unless its condition decides.
    pub(super) fn needs(&self, number: usize, other: usize) -> bool {
        let on = self.dependencies.get(number);
        on.is_some_and(|on| on.binary_search(&ItemIndex(other)).is_ok())
    }

    /// The outcome of an item that has ended, if others need it.
    pub(super) fn outcome(&self, number: usize) -> Option<&Outcome> {
        self.places.get(number)?.slot.kept()
    }

    pub(super) fn fill(&self, place: &Place, outcome: Outcome) {
        self.stop_after(place, &outcome);
        place.progress.mark_ended();
        if place.slot.fill(outcome) {
            self.run.complete();
        }
    }

    /// An item has ended. If it failed, or one of its group before it, the batch stops at the end of the group.
    fn stop_after(&self, place: &Place, outcome: &Outcome) {
        if !outcome.is_error() && !place.after_failure.load(Ordering::Relaxed) {
            return;
        }
        match place.next_in_group.and_then(|next| self.places.get(next.0)) {
            Some(next) => next.after_failure.store(true, Ordering::Relaxed),
            None => self.run.stop(),
        }
    }
}

impl Results for Items {
    fn earlier(&self, index: ItemIndex) -> Option<Earlier<'_>> {
        let place = self.places.get(index.0)?;
        let outcome = place.slot.kept().filter(|_| self.groups.keeps_result(index.0))?;
        Some(Earlier { outcome, route: place.item.route })
    }

    /// One whose slot is empty was stopped.
    fn has_failed(&self, index: ItemIndex) -> bool {
        let Some(place) = self.places.get(index.0) else { return true };
        match place.slot.kept() {
            Some(outcome) => outcome.is_error() || self.groups.has_failed(index.0),
            None => self.settled_already(index.0, place).unwrap_or(true),
        }
    }
}

/// An item of a batch that was taken to be called.
pub(super) struct PlacedJob<'run> {
    pub(super) number: usize,
    pub(super) place: &'run Place,
    pub(super) call: PlacedCall<'run>,
    pub(super) deadline: Deadline,
}

impl Job for PlacedJob<'_> {
    fn method(&self) -> &Method {
        match &self.call {
            PlacedCall::Planned(_) | PlacedCall::Resolved(_) => &self.place.item.subject.method,
            PlacedCall::Snapshot(_) => &Method::GET,
        }
    }

    fn call(&self) -> &Call {
        self.call.call()
    }

    fn progress(&self) -> &Progress {
        match &self.call {
            PlacedCall::Planned(_) | PlacedCall::Resolved(_) => &self.place.progress,
            PlacedCall::Snapshot(snapshot) => snapshot.progress(),
        }
    }

    fn limit(&self) -> Limit {
        Limit::Batch(self.deadline)
    }
}
