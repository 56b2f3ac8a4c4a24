//! Serves one request: decides what it is, and answers it as a batch, a stream, or by proxying it.

pub(crate) mod front;
mod context;
mod auth_service;
mod validate;
mod target;
mod cors;
mod limits_document;
mod entry_point;
mod body;
mod batch_request;
mod runner;
mod references;
mod batch;
mod stream;
mod stream_reply;
mod forward;
mod proxy;
mod grpc;
mod reply;
mod error_format;
mod respond;
#[cfg(test)]
mod cases;

pub(crate) use batch_request::{BatchRequest, Incoming};
pub(crate) use entry_point::EntryPoint;
pub(crate) use target::{RouteTarget, Target};
