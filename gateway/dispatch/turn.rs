//! What becomes of an item that waits for others: the rules for batches (`graph`) and streams (`arriving`) alike.
//!
//! - One that waits for an item that did not end below 400 is skipped at once, unless it has a condition.
//! - A condition decides alone, once all that the item waits for has succeeded or failed (OData JSON Format 4.01 §19.1).
//! - References are filled in last. One that leads to nothing skips the item.

use crate::batch::ItemIndex;
use crate::plan::{Call, PlannedCondition, Step};

use super::condition::{Ended, unmet};
use super::need::{Need, planned_answer};
use super::outcome::{Outcome, SkipReason};
use super::resolve::{Answers, Earlier, Resolver};

/// The items that an item waited for, as it may refer to them.
pub(super) trait Results {
    /// The result of one that has ended.
    fn earlier(&self, index: ItemIndex) -> Option<Earlier<'_>>;

    /// Whether it did not end below 400.
    fn has_failed(&self, index: ItemIndex) -> bool;
}

/// What happens to an item whose turn has come.
pub(super) enum Turn<'item> {
    /// Its call is made as planned.
    AsPlanned(&'item Call),
    /// Its call is made with its references filled in.
    Resolved(Box<Call>),
    /// It ends without a call.
    Ends(Outcome),
    /// It ends with another item.
    WithOther,
}

/// Why the end of one item ends another that waits for it. `failed`: what to say of that one, if it failed. `None`: the
/// other goes on.
pub(super) fn skipped_by(
    failed: Option<SkipReason>,
    condition: Option<&PlannedCondition>,
) -> Option<SkipReason> {
    failed.filter(|_| condition.is_none())
}

/// Decides on an item, once all that it waits for has ended. `left`: bytes of results that may still be looked through.
pub(super) fn turn<'item>(
    step: &'item Step,
    condition: Option<&PlannedCondition>,
    results: &impl Results,
    resolver: &dyn Resolver,
    left: &mut usize,
) -> Turn<'item> {
    let outcome = |index: ItemIndex| results.earlier(index).map(|earlier| earlier.outcome);
    let succeeded = |index: ItemIndex| !results.has_failed(index);
    let mut ended = Ended { outcome: &outcome, succeeded: &succeeded, left };
    if let Some(reason) = condition.and_then(|condition| unmet(condition, &mut ended)) {
        return Turn::Ends(Outcome::Skipped(reason));
    }
    match Need::new(step) {
        Need::Call(call) => Turn::AsPlanned(call),
        Need::Results(template) => {
            let earlier = |index| results.earlier(index);
            match resolver.resolve(template, &mut Answers { earlier: &earlier, left }) {
                Ok(call) => Turn::Resolved(Box::new(call)),
                Err(unfit) => Turn::Ends(unfit.into()),
            }
        }
        Need::Other | Need::Nothing(_) => planned_answer(step).map_or(Turn::WithOther, Turn::Ends),
    }
}
