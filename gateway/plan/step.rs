//! The plan itself: items and their steps.

use super::call::Call;
use super::call_template::CallTemplate;
use super::conditions::Conditions;
use crate::batch::{ItemIndex, ItemRejection, Subject};
use crate::route::{Respond, RouteIndex};

/// A batch, ready to be dispatched.
#[derive(Debug, PartialEq)]
pub struct Plan {
    /// One for each item, in the order of the request.
    pub items: Vec<PlannedItem>,
    /// For each item, the positions of the earlier items that it waits for, in order. Empty if no item of the batch
    /// waits for any.
    pub dependencies: Vec<Vec<ItemIndex>>,
    /// Whether the batch itself asks for its items to be run one by one.
    pub sequential: bool,
    /// The items that are started only if a condition holds. They wait for the items that it asks about, whether those
    /// succeed or fail.
    pub conditions: Conditions,
    /// Members of the batch that the protocol does not know; for explanations.
    pub ignored: Vec<Box<str>>,
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
