//! batchgate: a reverse-proxy batching gateway.
//!
//! One batch request in, calls to single-resource services out, one `207 Multi-Status` back. The modules are in the order
//! in which a request passes them; `gateway/ARCHITECTURE.md` describes its way.

pub mod cli;
pub(crate) mod process;
pub(crate) mod listener;
pub(crate) mod session;
pub(crate) mod serve;
pub(crate) mod admission;
pub mod dialect;
pub mod format;
pub mod batch;
pub mod reference;
pub mod header;
pub mod http1;
pub mod route;
pub mod plan;
pub mod dispatch;
pub(crate) mod upstream;
pub(crate) mod limiter;
pub(crate) mod memory;
pub(crate) mod transport;
pub mod stitch;
pub mod problem;
pub mod explain;
pub mod openapi;
pub mod config;
pub(crate) mod state;
pub(crate) mod admin;
pub mod telemetry;
pub mod demo;
pub mod clock;
pub mod phase;
pub(crate) mod http_client;
mod tls_advice;
mod address;
mod workers;
mod words;
mod terminal;

/// For `tests/fuzz` only.
#[doc(hidden)]
pub use upstream::client::replay;
