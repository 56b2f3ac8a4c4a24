//! What operators see: metrics, log lines and trace context.
//!
//! In: records that the phases of a request fill in. Out: series for Prometheus, and one log line for each event; the
//! recorder makes both. Names and labels of
//! metrics, and keys of log lines, are an interface: dashboards and alerts rely on them. Label values come from the
//! configuration and from closed sets only, so that no client can add series.

pub(crate) mod log_throttle;
pub(crate) mod registry;
mod access;
mod after;
mod authentication;
mod certificates;
mod connections;
mod durations;
mod exemplars;
mod failed_connects;
mod grpc;
mod libraries;
mod log_file;
mod log_json;
mod item_record;
mod json_text;
mod log_lines;
mod log_writer;
mod long_lived;
mod metric_words;
mod metrics;
mod names;
mod open_metrics;
#[cfg(test)]
mod page;
mod recent;
mod record;
mod recorder;
mod server_timing;
mod targets;
mod tls;
mod trace;
mod traces;
mod upstreams;

pub use access::AccessLog;
pub use after::After;
pub use authentication::{AnswerSource, AuthenticationMetrics, PasswordResult};
pub use certificates::CertificateMetrics;
pub use connections::{ConnectionMetrics, ConnectionRefusal, RefusedRequest};
pub use failed_connects::connect_reason;
pub use grpc::GrpcStatus;
pub use item_record::{ItemRecord, KeptItems};
pub use libraries::only_words;
pub use log_lines::{LogError, Logging, start_logging};
pub use log_throttle::LogThrottle;
pub use long_lived::{LongLivedEnd, LongLivedKind, LongLivedMetrics, OpenExchange};
pub use metric_words::{Exposition, HandoverResult, MemoryPurpose, ReloadResult};
pub use metrics::{Metrics, MetricsError, Totals};
pub use names::Names;
pub use recent::{RecentBatch, RecentBatches};
pub use record::{AskedService, BatchEnd, BatchRecord, PhaseTimes, RequestRecord, Sender};
pub use recorder::Recorder;
pub use server_timing::{ServerTiming, TimingPart};
pub use targets::{Connected, TargetCounts, TargetMetrics};
pub use tls::{TlsCause, TlsFailures, TlsTarget};
pub use trace::{CallSpan, RequestId, TRACEPARENT, TRACESTATE, TraceContext};
pub use traces::{SpanResult, TracedItems, Traces};
pub use upstreams::{LookupFailure, UpstreamMetrics};
