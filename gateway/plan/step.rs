//! The plan itself: items and their steps.

use super::call::Call;
use super::call_template::CallTemplate;
use super::conditions::Conditions;
use crate::batch::{BatchRefusal, ItemIndex, ItemRejection, Subject};
use crate::route::{Respond, RouteIndex, UndoRule};

/// A batch, ready to be dispatched.
#[derive(Debug, PartialEq)]
pub struct Plan {
    /// One for each item, in the order of the request.
    pub items: Vec<PlannedItem>,
    /// For each item, the positions of the earlier items that it waits for, in order. Empty if no item of the batch
    /// waits for any.
    pub dependencies: Vec<Vec<ItemIndex>>,
    /// For each item, the member of its group that comes before it and must end before it starts, whether that succeeds or
    /// fails. Empty if the batch has no group of several items; otherwise `dependencies` is not empty.
    pub follows: Vec<Option<ItemIndex>>,
    /// For each item, what undoes it if its group fails. Empty if no group of the batch is undone.
    pub undos: Vec<Option<Undo>>,
    /// Whether the batch itself asks for its items to be run one by one.
    pub sequential: bool,
    /// The items that are started only if a condition holds. They wait for the items that it asks about, whether those
    /// succeed or fail.
    pub conditions: Conditions,
    /// Members of the batch that the protocol does not know; for explanations.
    pub ignored: Vec<Box<str>>,
}

impl Plan {
    /// Takes the names off groups of several that are not run as groups: results that repeat them would promise that all of
    /// it was done, or nothing.
    pub(super) fn forget_groups(&mut self) {
        for (number, before) in self.follows.iter().enumerate() {
            let Some(before) = before else { continue };
            for member in [before.0, number] {
                if let Some(item) = self.items.get_mut(member) {
                    item.subject.form.group = None;
                }
            }
        }
    }

    /// Why groups of several items are refused, if one is.
    #[must_use]
    pub fn group_refusal(&self) -> Option<BatchRefusal> {
        let mut members = self.items.iter().filter(|_| !self.follows.is_empty());
        members.find_map(|item| match &item.step {
            Step::Rejected(ItemRejection::NotAtomic) => Some(BatchRefusal::NotAtomic),
            Step::Rejected(ItemRejection::NoUndo { method, route }) => {
                Some(BatchRefusal::NoUndo { method: method.clone(), route: route.clone() })
            }
            Step::Rejected(_) | Step::Call(_) | Step::Later(_) | Step::Same(_) | Step::Respond(_) => None,
        })
    }

    /// What undoes an item, if it is in a group that is undone when it fails.
    #[must_use]
    pub fn undo(&self, index: ItemIndex) -> Option<&Undo> {
        self.undos.get(index.0)?.as_ref()
    }

    /// How many items are in groups of several that run one by one.
    #[must_use]
    pub fn independent_members(&self) -> usize {
        if !self.undos.is_empty() || self.group_refusal().is_some() {
            return 0;
        }
        // Each group has one member that follows none.
        let is_first = |before: &ItemIndex| self.follows.get(before.0).is_some_and(Option::is_none);
        let followed = || self.follows.iter().flatten();
        followed().count() + followed().filter(|before| is_first(before)).count()
    }
}

/// One item and what happens to it.
#[derive(Debug, PartialEq)]
pub struct PlannedItem {
    /// The item's identity.
    pub subject: Subject,
    /// The route that it matched, if any.
    pub route: Option<RouteIndex>,
    /// What happens.
    pub step: Step,
}

/// What happens to an item.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// An upstream is called.
    Call(Call),
    /// An upstream is called once the results are there that the item refers to.
    Later(Box<CallTemplate>),
    /// It ends like the item at this earlier position, whose call it shares.
    Same(ItemIndex),
    /// The route has a fixed answer.
    Respond(Respond),
    /// The gateway rejects it; nothing is sent.
    Rejected(ItemRejection),
}

/// What undoes a member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undo {
    /// Nothing: it changes nothing.
    Nothing,
    /// What the rule of its route says.
    By(UndoRule),
}
