//! What operators see: metrics, log lines and trace context. The phases of a request
//! fill records in, and the recorder makes metrics and log lines of them.

pub(crate) mod log_throttle;
pub(crate) mod registry;
mod connections;
mod grpc;
mod libraries;
mod lifetime;
mod log_lines;
mod long_lived;
mod metrics;
mod record;
mod recorder;
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
pub use record::{BatchEnd, BatchRecord, FailedItem, Names, PhaseTimes, RequestRecord, Sender};
pub use recorder::Recorder;
pub use tls::{TlsCause, TlsFailures};
pub use trace::{RequestId, TraceContext};
pub use upstreams::{LookupFailure, UpstreamMetrics};
