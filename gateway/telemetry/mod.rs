//! What operators see: metrics, log lines and trace context. Fed by reports that the phases
//! return; no phase calls into this module.

pub(crate) mod log_throttle;
pub(crate) mod registry;
mod connections;
mod grpc;
mod libraries;
mod lifetime;
mod log_lines;
mod long_lived;
mod metrics;
mod report;
mod tls;
mod trace;
mod upstreams;

pub use connections::{ConnectionMetrics, ConnectionRefusal, RefusedRequest};
pub use grpc::{GrpcStatus, is_grpc};
pub use libraries::only_words;
pub use lifetime::Totals;
pub use log_lines::{LogError, Logging, start_logging};
pub use log_throttle::LogThrottle;
pub use long_lived::{LongLivedEnd, LongLivedKind, LongLivedMetrics, OpenExchange};
pub use metrics::{Metrics, MetricsError};
pub use report::{BatchEnd, BatchReport, FailedItem, Names, PhaseTimes, RequestReport};
pub use tls::{TlsCause, TlsFailures};
pub use trace::{RequestId, TraceContext};
pub use upstreams::{LookupFailure, UpstreamMetrics};
