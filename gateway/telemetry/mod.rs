//! What operators see: metrics, log lines and trace context. Fed by reports that the phases
//! return; no phase calls into this module.

mod connections;
mod lifetime;
mod log_lines;
mod maker;
mod metrics;
mod report;
mod seldom;
mod trace;
mod upstreams;

pub use connections::{ConnectionMetrics, ConnectionRefusal, RefusedRequest};
pub use lifetime::Totals;
pub use log_lines::{LogError, Logging, start_logging};
pub use metrics::{Metrics, MetricsError};
pub use report::{BatchEnd, BatchReport, FailedItem, Names, PhaseTimes, RequestReport};
pub use seldom::Seldom;
pub use trace::{RequestId, TraceContext};
pub use upstreams::UpstreamMetrics;
