//! Outcomes become results, in the order of the request.
//!
//! In: the dispatched items by move, all of a batch or the next of them ([`BodyBudget`] carries what the bodies of the others
//! may cost). Out: a [`MultiStatus`](crate::batch::MultiStatus) for the client, and one
//! [`ItemReport`] for each item, for metrics and logs. Pure. A reply loses the fields of its connection and its content
//! codings, and the upstream's names in its urls become the gateway's; nothing else changes. Formats write the results;
//! this module knows none of them.

mod reply;
mod stitcher;
#[cfg(test)]
mod tests;

pub use reply::{BodyBudget, StitchContext};
pub use stitcher::{ItemReport, retry_after_of, stitch};
