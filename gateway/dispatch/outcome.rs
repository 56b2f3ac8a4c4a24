//! How an item ended. Each has exactly one outcome.

use http::header::CONTENT_ENCODING;

use crate::batch::{ItemId, ItemRejection, Subject};
use crate::route::{Respond, RouteIndex, UpstreamIndex};

use super::compensation::Undone;
use super::failure::CallFailure;
use super::progress::{Progress, Sent};
use super::reply::UpstreamReply;
use super::timeline::Timeline;

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
    /// It succeeded, and an attempt was made to undo it, because its group failed.
    Undone {
        /// How that ended.
        undone: Undone,
        /// The member because of which the group failed.
        on: ItemId,
    },
}

impl Outcome {
    /// The failure of a call that got this far.
    pub(super) fn failed(failure: CallFailure, progress: &Progress) -> Self {
        Self::Failed { failure, sent: progress.sent() }
    }

    /// Whether it counts as an error: anything but a status below 400.
    #[must_use]
    pub fn is_error(&self) -> bool {
        match self {
            Self::Answered(reply) => reply.status.as_u16() >= 400,
            Self::Responded(respond) => respond.status.as_u16() >= 400,
            Self::Rejected(_) | Self::Skipped(_) | Self::Failed { .. } | Self::Undone { .. } => true,
        }
    }
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
        /// The group that it is in.
        group: Option<ItemId>,
    },
    /// A member of its group failed before it.
    NeverRan {
        /// That member.
        on: ItemId,
    },
    /// Its condition does not hold.
    ConditionNotMet {
        /// The condition, cut to a sensible length.
        condition: String,
    },
    /// It needs the result of an earlier line of its stream, which is not kept any more.
    ResultNotKept {
        /// That line's id.
        on: ItemId,
        /// The limit because of which it is not kept.
        limit: WindowLimit,
    },
    /// It refers to a part of an earlier item's result that is not there.
    ReferenceUnresolved {
        /// The reference, as in the item.
        reference: String,
        /// Why it leads to nothing.
        problem: &'static str,
    },
}

/// What limits the results that a stream keeps for later lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowLimit {
    /// The endpoint's limit on them.
    Bytes,
    /// The gateway's memory.
    Memory,
}

/// An item and how it ended.
#[derive(Debug)]
pub struct DispatchedItem {
    /// Which item it is.
    pub subject: Subject,
    /// The route it met, if any.
    pub route: Option<RouteIndex>,
    /// The upstream it was for, if any.
    pub upstream: Option<UpstreamIndex>,
    /// How it ended.
    pub outcome: Outcome,
    /// When what happened to it. An item that shared the call of another has the times of that one.
    pub timeline: Timeline,
    /// Whether it shared the call of another item.
    pub coalesced: bool,
    /// How undoing it ended, if its group failed after it may have changed something.
    pub undone: Option<Undone>,
}

impl DispatchedItem {
    /// Bytes of the upstream's reply, if there is one.
    #[must_use]
    pub fn reply_bytes(&self) -> usize {
        if let Outcome::Answered(reply) = &self.outcome { reply.bytes() } else { 0 }
    }

    /// Whether its reply has a content coding, which takes time to undo.
    #[must_use]
    pub fn is_coded(&self) -> bool {
        matches!(&self.outcome, Outcome::Answered(reply) if reply.headers.contains_key(CONTENT_ENCODING))
    }
}
