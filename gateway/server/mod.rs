//! The only place that names pingora: everything that listens or connects.
//!
//! `door` takes connections, `front` takes requests; batches go through `batch_endpoint` (the phases, by
//! way of `exchange` and `engine`) or, line by line, through `stream_endpoint`, all else is proxied. A
//! [`Gateway`] holds what outlives a reload; a `Snapshot` is one
//! configuration at work.

mod activity;
mod admin;
mod admission;
mod asked;
mod balance;
mod batch_endpoint;
mod client;
mod client_certificate;
mod connections;
mod cors;
mod delegate;
mod door;
mod engine;
mod exchange;
mod failure;
mod forwarded_for;
mod forwarding;
mod front;
mod gateway;
mod grpc;
mod handover;
mod health;
mod inherited;
mod lifecycle;
mod limits_document;
mod memory;
mod plain;
mod proxy;
mod reload;
mod request_check;
mod retry_budget;
mod retry_pause;
mod session;
mod service_manager;
mod signals;
mod snapshot;
mod socket;
mod stream_endpoint;
mod stream_reply;
mod tls_cause;

pub use client::{ClientError, send};
pub use gateway::Gateway;
pub use lifecycle::{Running, StartError, run, start};
pub use plain::{PlainHandler, PlainService};
pub use socket::check_free;

/// The version of pingora that this gateway is built on.
pub const PINGORA_VERSION: &str = "0.9.1";
