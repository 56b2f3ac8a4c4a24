//! Traces: what requests, batches, items and attempts become as spans of OpenTelemetry, and how spans reach their receiver.
//!
//! In: the records that metrics and the log are made of, for requests whose trace is recorded ([`TraceContext`]
//! says so). Out: spans by OTLP over HTTP, from a task of its own. A request or a batch is a SERVER span, an item an
//! INTERNAL span below it, an attempt a CLIENT span with the id that its service got in `traceparent`. So are the call that undid an
//! item, below that item, and the call to the service of `auth.forward`, below the request.
//!
//! # Invariants
//! - Spans are made after the fact, from times that were taken anyway. A request that is not recorded costs nothing more.
//! - What waits is bounded (`OTEL_BSP_MAX_QUEUE_SIZE`), and so are the items of a batch that have spans (`tracing.max_items`).
//!   What has no room is counted, and never waited for.
//! - No query of a url, no field but User-Agent and no body is in a span.
//!
//! The messages and their encoding are the crate opentelemetry-proto's. Its SDK is not used: it makes spans while things
//! happen, and chooses ids by itself.
//!
//! [`TraceContext`]: super::TraceContext

mod attributes;
mod exporter;
mod kept;
mod server;
mod spans;

pub use exporter::{SpanResult, Traces};
pub use kept::TracedItems;
pub(super) use spans::{of_batch, of_request};
