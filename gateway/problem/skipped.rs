//! The table's part for items that were not started.

use http::StatusCode;

use super::{ErrorReply, Row, error_reply};
use crate::batch::OutcomeKind;
use crate::dispatch::SkipReason;

/// The verdict on an item that was not started.
#[must_use]
pub fn of_skip(reason: SkipReason) -> ErrorReply {
    let (row, detail) = match reason {
        SkipReason::BatchStopped => (
            row!(
                FAILED_DEPENDENCY,
                "batch_stopped",
                "The batch stopped before this item",
                "http_request_denied"
            ),
            "an earlier item failed, and the batch asked to stop at the first error (continue-on-error=false)"
                .to_owned(),
        ),
        SkipReason::DependencyFailed { on } => (
            row!(
                FAILED_DEPENDENCY,
                "dependency_failed",
                "An item that this one depends on failed",
                "http_request_denied"
            ),
            format!("this item depends on `{on}`, which did not end below 400"),
        ),
        SkipReason::ConditionNotMet { condition } => (
            row!(
                FAILED_DEPENDENCY,
                "condition_not_met",
                "This item's condition did not hold",
                "http_request_denied"
            ),
            format!("the item's `if` did not hold: {condition}"),
        ),
        SkipReason::ReferenceUnresolved { reference, problem } => (
            row!(
                FAILED_DEPENDENCY,
                "reference_unresolved",
                "A reference of this item leads to nothing",
                "http_request_denied"
            ),
            format!("the reference `{reference}` does not resolve: {problem}"),
        ),
    };
    error_reply(&row, detail, None, OutcomeKind::Skipped)
}
