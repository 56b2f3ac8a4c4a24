//! Whether an item's condition holds, once the items that it asks about have ended.

use super::answer::Answer;
use super::outcome::{Outcome, SkipReason};
use crate::batch::ItemIndex;
use crate::plan::PlannedCondition;
use crate::reference::condition::{Literal, ResultPart, Unresolved};
use crate::reference::expression::Part;

/// The items that have ended, as a condition asks about them.
pub(crate) struct Ended<'work> {
    /// How an item ended.
    pub(crate) outcome: &'work dyn Fn(ItemIndex) -> Option<&'work Outcome>,
    /// Whether it ended below 400.
    pub(crate) succeeded: &'work dyn Fn(ItemIndex) -> bool,
    /// Bytes of results that may still be looked through.
    pub(crate) left: &'work mut usize,
}

/// Why an item is not started: its condition does not hold, or can't be evaluated. `None`: it is started.
pub(crate) fn unmet(planned: &PlannedCondition, ended: &mut Ended<'_>) -> Option<SkipReason> {
    let condition = &planned.condition;
    match condition.holds(&mut |part| ended.look_up(planned, part)) {
        Ok(true) => None,
        Ok(false) => Some(SkipReason::ConditionNotMet { condition: condition.shown() }),
        Err(Unresolved { reference, problem }) => {
            Some(SkipReason::ReferenceUnresolved { reference, problem })
        }
    }
}

impl Ended<'_> {
    fn look_up(
        &mut self,
        planned: &PlannedCondition,
        part: &ResultPart,
    ) -> Result<Option<Literal>, &'static str> {
        let index = planned.source(part.item()).ok_or("that item has no result")?;
        let mut all = planned.sources_of(part.item());
        let answer = || (self.outcome)(index).and_then(Answer::from_outcome).ok_or("that item has no result");
        match part {
            ResultPart::Succeeded(_) => Ok(Some(Literal::Boolean(all.all(|index| (self.succeeded)(index))))),
            // RFC 6901 §3: in a pointer, `~` begins an escape.
            ResultPart::Member { path, .. } => {
                answer()?.literal(&Part::Body(path.replace('~', "~0").into()), self.left)
            }
            ResultPart::Reference(expression) => answer()?.literal(&expression.part, self.left),
        }
    }
}
