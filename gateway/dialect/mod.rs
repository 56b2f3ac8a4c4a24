//! Whose conventions a batch endpoint keeps, for clients that were made for another batch service (protocol §5).
//!
//! A [`Dialect`] travels with each endpoint and each batch, and everybody asks it: what it accepts, how it is read, in
//! which format the reply goes out, how results and errors are written, how a batch runs by default, what items inherit.
//! It is never compared with another. A new dialect is a folder or a file here with one `impl Rules`, declared below, and a
//! line in `registry`; nothing else changes.
//!
//! The readers and writers that several dialects share are in `format`; they know no dialect and get what differs as
//! data (`JsonInput`, `JsonOutput`, `ErrorForm`). `format` is below this module, and so is `batch`, whose refusals hold no
//! dialect. The choice is made once a batch: a `&'static dyn`, and never once a byte.

mod apisix;
mod azure;
mod batchgate;
mod feature;
mod google;
mod graph;
mod handle;
mod odata;
mod registry;
mod rules;
mod shapes;
mod source;
mod tyk;
#[cfg(test)]
mod tests;

pub use feature::Feature;
pub use handle::Dialect;
pub use rules::{Decider, ExecutionPolicy, Rules};
pub use shapes::Shapes;
pub use source::{InputFormat, ItemSource};
