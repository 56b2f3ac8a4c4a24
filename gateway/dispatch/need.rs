//! What an item needs before it can end. This is the only file of dispatch that lists the steps of a plan, so that a new
//! step that needs no call, or one of the calls below, is an arm here and nothing else.

use crate::plan::{Call, CallTemplate, Step};
use crate::route::UpstreamIndex;

use super::outcome::Outcome;

/// What an item needs before it can end.
pub(super) enum Need<'item> {
    /// A call, as planned.
    Call(&'item Call),
    /// Results of other items, and then a call.
    Results(&'item CallTemplate),
    /// The end of an earlier item, whose call it shares.
    Other,
    /// Nothing: its outcome is in the plan.
    Nothing(Known),
}

/// What is known of an item whose outcome is in the plan.
#[derive(Clone, Copy)]
pub(super) struct Known {
    /// Whether the outcome counts as an error.
    pub(super) is_error: bool,
    /// Whether the outcome holds although the item waits for others.
    pub(super) holds_anyway: bool,
}

impl<'item> Need<'item> {
    pub(super) fn new(step: &'item Step) -> Self {
        match step {
            Step::Call(call) => Self::Call(call),
            Step::Later(template) => Self::Results(template),
            Step::Same(_) => Self::Other,
            Step::Respond(respond) => {
                Self::Nothing(Known { is_error: respond.status.as_u16() >= 400, holds_anyway: false })
            }
            Step::Rejected(_) => Self::Nothing(Known { is_error: true, holds_anyway: true }),
        }
    }

    /// The upstream of its own call, if it has one.
    pub(super) fn upstream(&self) -> Option<UpstreamIndex> {
        match self {
            Self::Call(call) => Some(call.upstream),
            Self::Results(template) => template.destination.map(|destination| destination.upstream),
            Self::Other | Self::Nothing(_) => None,
        }
    }

    /// What is known of its outcome, if that is in the plan.
    pub(super) const fn known(&self) -> Option<Known> {
        match self {
            Self::Nothing(known) => Some(*known),
            Self::Call(_) | Self::Results(_) | Self::Other => None,
        }
    }
}

/// The outcome of an item that needs nothing; `None` for all others.
pub(super) fn planned_outcome(step: Step) -> Option<Outcome> {
    match step {
        Step::Respond(respond) => Some(Outcome::Responded(respond)),
        Step::Rejected(rejection) => Some(Outcome::Rejected(rejection)),
        Step::Call(_) | Step::Later(_) | Step::Same(_) => None,
    }
}

/// The same, of an item whose plan is still needed.
pub(super) fn planned_copy(step: &Step) -> Option<Outcome> {
    match step {
        Step::Rejected(rejection) => Some(Outcome::Rejected(rejection.clone())),
        Step::Respond(_) | Step::Call(_) | Step::Later(_) | Step::Same(_) => planned_answer(step),
    }
}

/// The same, of an item that others may refer to. A rejection has no result to refer to, so it stays in the plan.
pub(super) fn planned_answer(step: &Step) -> Option<Outcome> {
    if let Step::Respond(respond) = step { Some(Outcome::Responded(respond.clone())) } else { None }
}
