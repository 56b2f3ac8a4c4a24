//! The items of a batch that is complete, each with a slot for its outcome.
//!
//! A slot is a `OnceLock`, so none is filled twice. One that is empty when the batch ends gets its outcome from its
//! progress then ([`collect`](super::collect)).

use std::sync::OnceLock;

use http::Method;

use crate::batch::ItemIndex;
use crate::clock::{Deadline, Stopwatch};
use crate::plan::{Call, Conditions, Plan, PlannedItem};

use super::need::Need;
use super::outcome::Outcome;
use super::progress::Progress;
use super::resolve::Earlier;
use super::source::{DispatchLimits, Job, Limit, Run};
use super::turn::Results;

/// The items of a batch, and what their sources share.
pub(super) struct Items {
    pub(super) places: Vec<Place>,
    /// With `stop_on_error`: nothing from here on is started, because an item here has failed already.
    pub(super) barrier: usize,
    /// What each item waits for; empty where none waits.
    pub(super) dependencies: Vec<Vec<ItemIndex>>,
    pub(super) conditions: Conditions,
    /// When the reply has to leave.
    pub(super) deadline: Deadline,
    pub(super) run: Run,
}

/// An item with its slot.
pub(super) struct Place {
    pub(super) item: PlannedItem,
    pub(super) progress: Progress,
    pub(super) slot: OnceLock<Outcome>,
}

impl Items {
    pub(super) fn new(plan: Plan, limits: DispatchLimits) -> Self {
        let queued = Stopwatch::start();
        let place = |item| Place { item, progress: Progress::new(queued), slot: OnceLock::new() };
        let places: Vec<_> = plan.items.into_iter().map(place).collect();
        let mut items = Self {
            barrier: places.len(),
            places,
            dependencies: plan.dependencies,
            conditions: plan.conditions,
            deadline: queued.deadline(limits.patience),
            run: Run::new(limits),
        };
        if let Some(failed) = items.first_failed_already() {
            items.barrier = failed;
        }
        items
    }

    /// With `stop_on_error`: the first item that failed by its plan alone.
    fn first_failed_already(&self) -> Option<usize> {
        let mut places = self.places.iter().enumerate().filter(|_| self.run.limits.stop_on_error);
        places
            .find(|(number, place)| self.settled_already(*number, place) == Some(true))
            .map(|(number, _)| number)
    }

    /// For an item that is settled by its plan alone: whether it failed.
    pub(super) fn settled_already(&self, number: usize, place: &Place) -> Option<bool> {
        let known = Need::new(&place.item.step).known()?;
        (known.holds_anyway || !self.waits(number)).then_some(known.is_error)
    }

    /// Whether an item can't end before others have ended, or its condition was evaluated.
    pub(super) fn waits(&self, number: usize) -> bool {
        self.dependencies.get(number).is_some_and(|on| !on.is_empty())
            || self.conditions.contains_key(&ItemIndex(number))
    }

    /// The outcome of an item that has ended.
    pub(super) fn outcome(&self, number: usize) -> Option<&Outcome> {
        self.places.get(number)?.slot.get()
    }

    pub(super) fn fill(&self, place: &Place, outcome: Outcome) {
        self.run.stop_after(&outcome);
        place.progress.mark_ended();
        if place.slot.set(outcome).is_ok() {
            self.run.complete();
        }
    }
}

impl Results for Items {
    fn earlier(&self, index: ItemIndex) -> Option<Earlier<'_>> {
        let place = self.places.get(index.0)?;
        Some(Earlier { outcome: place.slot.get()?, route: place.item.route })
    }

    /// One whose slot is empty was stopped.
    fn has_failed(&self, index: ItemIndex) -> bool {
        let Some(place) = self.places.get(index.0) else { return true };
        match place.slot.get() {
            Some(outcome) => outcome.is_error(),
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

/// The call of an item.
pub(super) enum PlacedCall<'run> {
    /// As planned.
    Planned(&'run Call),
    /// With its references filled in.
    Resolved(Box<Call>),
}

impl Job for PlacedJob<'_> {
    fn method(&self) -> &Method {
        &self.place.item.subject.method
    }

    fn call(&self) -> &Call {
        match &self.call {
            PlacedCall::Planned(call) => call,
            PlacedCall::Resolved(call) => call,
        }
    }

    fn progress(&self) -> &Progress {
        &self.place.progress
    }

    fn limit(&self) -> Limit {
        Limit::Batch(self.deadline)
    }
}
