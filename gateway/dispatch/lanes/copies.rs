//! Items that share the call of an earlier one. Each ends as that one did, well or not. A copy has the body's
//! bytes in common with the first, and yet counts as a reply: it will be written once more.

use std::time::Duration;

use super::super::{DispatchedItem, End, Engine, Outcome, ReplyBudget, Sent};
use super::{Place, Work, unfilled};
use crate::plan::PlannedItem;

/// What an outcome is to an item that shares its call.
pub(super) fn copy_of<E: Engine>(outcome: &Outcome, budget: &ReplyBudget, engine: &E) -> Outcome {
    let Outcome::Answered(reply) = outcome else { return outcome.clone() };
    let bytes = reply.bytes();
    let held = budget
        .take_copy(bytes)
        .and_then(|()| engine.hold_copy(bytes).inspect_err(|_| budget.give_back(bytes)));
    match held {
        Ok(()) => outcome.clone(),
        Err(failure) => Outcome::Failed { failure, sent: Sent::Maybe },
    }
}

impl Work {
    /// Fills the slot of an item whose shared call has ended. Only for items that others wait for: for all others
    /// the bytes are taken once every call has those of its own.
    pub(super) fn fill_copy<E: Engine>(&self, place: &Place, first: usize, engine: &E) {
        if let Some((outcome, elapsed)) = self.places.get(first).and_then(|first| first.slot.get()) {
            self.fill_after(place, copy_of(outcome, &self.budget, engine), *elapsed);
        }
    }
}

impl Place {
    /// The item, as it ends with the one whose call it shares. `may_start`: the batch had not stopped before it.
    pub(super) fn into_copy(
        self,
        first: Option<&DispatchedItem>,
        (end, may_start): (End, bool),
        copied: impl FnOnce(&Outcome) -> Outcome,
    ) -> DispatchedItem {
        let PlannedItem { subject, route, .. } = self.item;
        let upstream = first.and_then(|first| first.upstream);
        let (outcome, elapsed) = match (self.slot.into_inner(), first.filter(|_| may_start)) {
            (Some(filled), _) => filled,
            (None, Some(first)) => (copied(&first.outcome), first.elapsed),
            (None, None) => (unfilled(end, false, Sent::No), Duration::ZERO),
        };
        let coalesced = may_start && !matches!(outcome, Outcome::Skipped(_));
        DispatchedItem { subject, route, upstream, outcome, elapsed, coalesced }
    }
}
