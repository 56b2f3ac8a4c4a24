//! Items that were not started.

use super::error_reply::ErrorReply;
use super::table;
use crate::batch::OutcomeKind;
use crate::dispatch::{SkipReason, WindowLimit};

/// The reason of items that were not started because the batch stopped before them.
pub const BATCH_STOPPED: &str = table::BATCH_STOPPED.reason;

/// The result of an item that was not started.
#[must_use]
pub fn of_skip(reason: SkipReason) -> ErrorReply {
    let (row, detail) = match reason {
        SkipReason::BatchStopped => (
            table::BATCH_STOPPED,
            "an earlier item failed, and the batch asked to stop at the first error (continue-on-error=false)"
                .to_owned(),
        ),
        SkipReason::DependencyFailed { on } => {
            (table::DEPENDENCY_FAILED, format!("this item depends on `{on}`, which failed"))
        }
        SkipReason::ConditionNotMet { condition } => {
            (table::CONDITION_NOT_MET, format!("the item's `if` was not met: {condition}"))
        }
        SkipReason::ResultNotKept { on, limit: WindowLimit::Bytes } => (
            table::RESULT_NOT_KEPT,
            format!("the result of `{on}` is not kept any more: only those of the newest lines are (stream_window.bytes)"),
        ),
        SkipReason::ResultNotKept { on, limit: WindowLimit::Memory } => (
            table::NO_MEMORY_FOR_RESULTS,
            format!("the result of `{on}` was not kept, because the gateway is short of memory (limits.memory)"),
        ),
        SkipReason::ReferenceUnresolved { reference, problem } => (
            table::REFERENCE_UNRESOLVED,
            format!("the reference `{reference}` does not resolve: {problem}"),
        ),
    };
    ErrorReply::new(row, detail, OutcomeKind::Skipped)
}
