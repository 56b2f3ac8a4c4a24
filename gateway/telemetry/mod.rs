//! What operators see: metrics, log lines and trace context.
//!
//! In: reports that the phases return. Out: series for Prometheus, and one log line for each event. Names and labels of
//! metrics, and keys of log lines, are an interface: dashboards and alerts rely on them. Label values come from the
//! configuration and from closed sets only, so that no client can add series.

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
