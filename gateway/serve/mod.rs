//! Serves one request: decides what it is, and answers it as a batch, a stream, or by proxying it.

pub(crate) mod asked;
mod auth_service;
pub(crate) mod batch;
pub(crate) mod context;
pub(crate) mod cors;
pub(crate) mod front;
pub(crate) mod grpc;
pub(crate) mod limits_document;
pub(crate) mod proxy;
pub(crate) mod respond;
pub(crate) mod stream;
pub(crate) mod stream_reply;
pub(crate) mod validate;
