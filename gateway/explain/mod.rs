//! What would happen to a batch, without sending anything.
//!
//! In: a [`Plan`](crate::plan::Plan), the settings it was made under, and the fields that its items inherit. Out: an
//! [`Explanation`], which serialises to JSON and prints as text. Pure. Both `batchgate explain` (for operators) and
//! `Prefer: handling=explain` (for clients) use it.
//!
//! Invariants: values that may be secret are masked for everybody. A client sees neither the upstreams' addresses nor
//! the values that the operator sets.

mod context;
mod explainer;
mod explanation;
mod headers;
mod limits;
#[cfg(test)]
mod tests;
mod text;

pub use context::{Arrival, Audience, ExplainContext};
pub use explainer::explain;
pub use explanation::Explanation;
