//! Items that share the call of an earlier one. Each ends as that one did, well or not. A copy has the body's bytes in
//! common with the first, and yet counts as a reply: it will be written once more.

use crate::plan::Step;

use super::budget::ReplyBudget;
use super::engine::Engine;
use super::items::{Items, Place};
use super::outcome::Outcome;
use super::progress::Sent;

/// The outcome of an item that shares the call with this outcome.
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

/// Ends the items that share a call. By then every call holds the bytes of its own reply. Without enough memory, the
/// items wait for it, as called items do.
pub(super) async fn make_copies<E: Engine>(items: &Items, engine: &E) {
    for place in items.places.iter().take(items.barrier) {
        let Step::Same(first) = &place.item.step else { continue };
        if place.slot.is_filled() {
            continue;
        }
        if matches!(items.outcome(first.0), Some(Outcome::Answered(_))) && !engine.has_room() {
            // If none comes, taking the bytes fails and says so.
            let _none_came = engine.room().await;
        }
        fill_copy(items, place, first.0, engine);
    }
}

/// Fills the slot of an item whose shared call has ended.
pub(super) fn fill_copy<E: Engine>(items: &Items, place: &Place, first: usize, engine: &E) {
    if let Some(outcome) = items.outcome(first) {
        items.fill(place, copy_of(outcome, &items.run.budget, engine));
    }
}
