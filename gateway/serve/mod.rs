//! Serves one request: decides what it is, and answers it as a batch, a stream, or by proxying it.

pub(crate) mod front;
mod context;
pub(crate) mod validate;
mod target;
mod cors;
mod limits_document;
pub(crate) mod asked;
mod body;
mod batch;
mod stream;
mod stream_reply;
mod forward;
mod proxy;
mod grpc;
mod reply;
mod error_format;
mod respond;
