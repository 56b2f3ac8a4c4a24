//! Everything that can go wrong, and what it means for the client.
//!
//! In: what went wrong, in a type of its own for each kind of victim: [`BatchRefusal`](crate::batch::BatchRefusal) for
//! a batch, [`ItemRejection`](crate::batch::ItemRejection) and [`SkipReason`](crate::dispatch::SkipReason) for an item,
//! [`RequestRejection`] and [`BodyFailure`] for a single request, [`CallFailure`](crate::dispatch::CallFailure) for a
//! call of either. Out: an [`ErrorReply`], which has everything that a reply, a metric and a log line need.
//!
//! Invariants:
//! - Status codes are picked in `table` and nowhere else. `tests.rs` pins every row.
//! - A cause means the same on every path: an item and a single request get the same status, word and title. Only
//!   the detail says which of them it was.
//! - `retryable` is true only if a retry is safe: nothing was sent, or the method is idempotent (protocol §3).
//!
//! This module writes no replies: `stitch` makes results of items, and `serve` makes replies.

mod admission;
mod batch;
mod error_reply;
mod failure;
mod fixed_answer;
mod grammar;
mod item;
mod request;
mod table;
#[cfg(test)]
mod tests;

pub use admission::of_admission;
pub use batch::of_refusal;
pub use error_reply::{ErrorReply, Limit};
pub use failure::{failure_limit, failure_reason, is_idempotent, of_failure};
pub use fixed_answer::of_fixed_answer;
pub use grammar::{of_bad_message, of_fault};
pub use item::{BATCH_STOPPED, of_rejection, of_skip, of_undone};
pub use request::{BodyFailure, RequestRejection, of_body, of_request};
pub use table::{limit_reasons, refusal_reasons, refusals};
