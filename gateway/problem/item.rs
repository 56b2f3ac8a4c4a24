//! Items that are rejected, and items that were not started.

use super::admission::{self, of_admission};
use super::error_reply::{ErrorReply, Limit};
use super::table::{self, Row};
use crate::batch::{ItemId, ItemRejection, OutcomeKind};
use crate::dialect::Decider;
use crate::dispatch::{SkipReason, Undone, WindowLimit};

/// The result of an item that is rejected. Nothing was sent for it.
#[must_use]
pub fn of_rejection(rejection: &ItemRejection) -> ErrorReply {
    if let ItemRejection::NotAdmitted(refusal) = rejection {
        return of_admission(refusal);
    }
    let mut reply = ErrorReply::new(row(rejection), rejection.to_string(), outcome(rejection));
    if let ItemRejection::MethodNotAllowed { allowed } = rejection {
        reply.allow = Some(allowed.clone());
    }
    if let ItemRejection::BadLine { place, .. } = rejection {
        reply.problem.place = Some(*place);
    }
    if let ItemRejection::OverLimit { what, .. } = rejection {
        reply.limit = Some(Limit::Key(what.limit()));
    }
    reply
}

/// The item that names one that its stream does not remember is not at fault itself.
const fn outcome(rejection: &ItemRejection) -> OutcomeKind {
    if matches!(rejection, ItemRejection::NotInWindow { .. }) {
        OutcomeKind::Skipped
    } else {
        OutcomeKind::Rejected
    }
}

fn row(rejection: &ItemRejection) -> Row {
    match rejection {
        ItemRejection::BadLine { .. } => table::BAD_LINE,
        ItemRejection::WrongShape { .. }
        | ItemRejection::EmptyPart { .. }
        | ItemRejection::MissingMember { .. }
        | ItemRejection::UnknownMember { .. }
        | ItemRejection::BadVariable { .. }
        | ItemRejection::BadRecordLine { .. }
        | ItemRejection::BadMember { .. } => table::BAD_ITEM,
        ItemRejection::BadHeader { .. } | ItemRejection::MalformedReference { .. } => table::BAD_HEADER,
        ItemRejection::BadBody { .. } => table::BAD_BODY,
        ItemRejection::OverLimit { .. } => table::ITEM_OVER_LIMIT,
        ItemRejection::ForbiddenUrl { .. } | ItemRejection::UrlCharacter { .. } => table::FORBIDDEN_URL,
        ItemRejection::BadReference { .. } => table::BAD_REFERENCE,
        ItemRejection::SelfDependency { .. } => table::SELF_DEPENDENCY,
        ItemRejection::NotInWindow { .. } => table::NOT_IN_WINDOW,
        ItemRejection::BadCondition { .. } => table::BAD_CONDITION,
        ItemRejection::UnsupportedCondition { .. } => table::CONDITION_NOT_SUPPORTED,
        ItemRejection::ForbiddenReference { .. } => table::FORBIDDEN_REFERENCE,
        ItemRejection::OtherRoute => table::OTHER_ROUTE,
        ItemRejection::NestedBatch => table::NESTED_BATCH,
        ItemRejection::NotBatchable => table::NOT_BATCHABLE,
        ItemRejection::CodedBody => table::UNSUPPORTED_CONTENT_ENCODING,
        ItemRejection::NotAdmitted(refusal) => admission::row(refusal),
        ItemRejection::NoRoute | ItemRejection::NoRouteForRelative { .. } => table::NO_ROUTE,
        ItemRejection::MethodNotAllowed { .. } => table::ITEM_METHOD_NOT_ALLOWED,
        ItemRejection::NotAtomic | ItemRejection::NoUndo { .. } | ItemRejection::NotImplemented { .. } => {
            table::NOT_IMPLEMENTED
        }
    }
}

/// The result of an item that succeeded, and was then to be undone, because this other item of its group failed.
#[must_use]
pub fn of_undone(undone: Undone, on: &ItemId) -> ErrorReply {
    match undone {
        Undone::Done => ErrorReply::new(
            table::COMPENSATED,
            format!("`{on}`, an item of the same group, failed; this one had succeeded and was undone"),
            OutcomeKind::Undone,
        ),
        Undone::Failed => ErrorReply::new(
            table::UNDO_FAILED,
            format!(
                "`{on}`, an item of the same group, failed; this one had succeeded and could not be undone: what it did \
                 may still be there"
            ),
            OutcomeKind::Unknown,
        ),
    }
}

/// The reason of items that were not started because the batch stopped before them.
pub const BATCH_STOPPED: &str = table::BATCH_STOPPED.reason;

/// Who decided that a batch stops at the first error, and how a client can have it go on.
const fn stopped_by(decider: Decider) -> &'static str {
    match decider {
        Decider::Client => "the request asked to stop at the first error (Prefer: continue-on-error=false)",
        Decider::Endpoint => {
            "this endpoint stops a batch at the first error (on_error: stop); a request with Prefer: continue-on-error \
             goes on"
        }
        Decider::Dialect => {
            "batches in this format stop at the first error; a request with Prefer: continue-on-error goes on"
        }
    }
}

/// The result of an item that was not started. `decider`: who decided whether its batch goes on after an error.
#[must_use]
pub fn of_skip(reason: SkipReason, decider: Decider) -> ErrorReply {
    let (row, detail) = match reason {
        SkipReason::BatchStopped => {
            (table::BATCH_STOPPED, format!("an earlier item failed, and {}", stopped_by(decider)))
        }
        SkipReason::DependencyFailed { on, group } => {
            let group = group.map(|group| format!(" of the group `{group}`")).unwrap_or_default();
            (table::DEPENDENCY_FAILED, format!("this item depends on `{on}`{group}, which failed"))
        }
        SkipReason::NeverRan { on } => {
            (table::NEVER_RAN, format!("`{on}`, an item of the same group, failed before this one was sent"))
        }
        SkipReason::ConditionNotMet { condition } => {
            (table::CONDITION_NOT_MET, format!("the item's `if` was not met: {condition}"))
        }
        SkipReason::ResultNotKept { on, limit: WindowLimit::Bytes } => (
            table::RESULT_NOT_KEPT,
            format!(
                "the result of `{on}` is not kept any more; only those of the newest lines are \
                 (stream_window.bytes)"
            ),
        ),
        SkipReason::ResultNotKept { on, limit: WindowLimit::Memory } => (
            table::NO_MEMORY_FOR_RESULTS,
            format!(
                "the result of `{on}` is not kept, because the gateway is short of memory (limits.memory)"
            ),
        ),
        SkipReason::ReferenceUnresolved { reference, problem } => {
            (table::REFERENCE_UNRESOLVED, format!("the reference `{reference}` does not resolve: {problem}"))
        }
    };
    ErrorReply::new(row, detail, OutcomeKind::Skipped)
}
