//! How an item ended: one slot for each item, filled once.

use crate::batch::{ItemId, ItemRejection};
use crate::route::Respond;

use super::{CallFailure, Sent, UpstreamReply};

/// How an item ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The upstream answered.
    Answered(UpstreamReply),
    /// The route answered by itself.
    Responded(Respond),
    /// The gateway refused it.
    Rejected(ItemRejection),
    /// It was never started.
    Skipped(SkipReason),
    /// It was started and brought no reply.
    Failed {
        /// Why.
        failure: CallFailure,
        /// Whether a byte of it may have reached the upstream.
        sent: Sent,
    },
}

/// Why an item was not started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SkipReason {
    /// `continue-on-error=false`, and an earlier item failed.
    BatchStopped,
    /// An item that it depends on did not end below 400.
    DependencyFailed {
        /// The first of them.
        on: ItemId,
    },
    /// Its condition does not hold.
    ConditionNotMet {
        /// The condition, cut to a sensible length.
        condition: String,
    },
    /// It refers to a part of an earlier item's result that is not there.
    ReferenceUnresolved {
        /// The reference, as in the item.
        reference: String,
        /// Why it leads to nothing.
        problem: &'static str,
    },
}
