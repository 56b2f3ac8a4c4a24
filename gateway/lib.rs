//! batchgate: a reverse-proxy batching gateway.
//!
//! One batch request in, calls to single-resource services out, one `207 Multi-Status` back. The
//! modules stand in the order in which a batch meets them; `gateway/ARCHITECTURE.md` tells its life.

pub mod phase;
pub mod clock;
pub mod batch;
pub mod format;
pub mod http1;
pub mod route;
pub mod plan;
pub mod dispatch;
pub mod stitch;
pub mod settings;
pub mod explain;
pub mod telemetry;
pub mod server;
mod terminal;
pub mod demo;
pub mod cli;
