//! The only place that names pingora: everything that listens or connects.

mod client;
mod plain;
mod socket;

pub use client::{ClientError, send};
pub use plain::{PlainHandler, PlainService};
pub use socket::check_free;
