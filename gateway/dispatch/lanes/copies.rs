//! Items that share the call of an earlier one. Each ends as that one did, well or not. A copy has the body's
//! bytes in common with the first, and yet counts as a reply: it will be written once more.

use std::time::Duration;

use super::{Place, Work, unfilled};
use crate::dispatch::{DispatchedItem, End, Engine, Outcome, ReplyBudget, Sent};
use crate::plan::{PlannedItem, Step};

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
    /// Ends the items that share a call, once every call has the bytes of its own reply. Where there is no memory
    /// they wait for it, as items do that are called.
    pub(super) async fn make_copies<'work, E: Engine>(&'work self, engine: &'work E) {
        for place in self.places.iter().take(self.barrier) {
            let Step::Same(first) = &place.item.step else { continue };
            if place.slot.get().is_some() {
                continue;
            }
            let first_slot = self.places.get(first.0).and_then(|first| first.slot.get());
            if matches!(first_slot, Some((Outcome::Answered(_), _))) && !engine.has_room() {
                // If none comes, the copy tells.
                let _none_came = engine.room().await;
            }
            self.fill_copy(place, first.0, engine);
        }
    }

    /// Fills the slot of an item whose shared call has ended; at once where others wait for it.
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
