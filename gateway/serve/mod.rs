//! Serves requests: from a head that the listener has read to one reply and one record.
//!
//! # The life of a request
//!
//! The modules are in this order.
//!
//! 1. `front` takes a [`Session`](crate::session::Session) and makes its `context`: the caller, the configuration that it is
//!    served under, and the data to record.
//! 2. `validate` checks the head by the rules of HTTP.
//! 3. `target` decides what the request is for, once: the gateway itself, a preflight (`cors`), a `limits_document`, a batch,
//!    a stream, or a route.
//! 4. The context authenticates the caller, where the target is protected. `auth_service` makes the call if a service has to
//!    be asked.
//! 5. The target's handler does the work:
//!    - `batch` serves a batch or a bulk request at an `entry_point`. `body` reads it, `batch_request` makes a plan of it, and
//!      `runner` sends the items and stitches `results`. `batch_reply` writes those that can leave while items are under way.
//!    - `stream` does the same line by line, and `stream_reply` writes each result as it comes, as a `piece` of
//!      the reply.
//!    - `forward` serves a route: it answers, or `proxy` forwards the request to an upstream.
//! 6. The handler returns what it has done (`handled`): mostly a `reply` that is not written yet, or an error. `error_format`
//!    makes a reply of an error: a problem detail in the client's format, or a status of `grpc`.
//! 7. `respond` adds the fields that every reply of ours has, and writes it. The front has the context recorded.
//!
//! # Invariants
//!
//! - A request gets one final reply, and is recorded once: as a batch, or as a single request.
//! - Handlers don't write replies of the gateway's own, except for streams and for replies to
//!   batches that begin early. Their heads are made by `respond`, too.
//! - The session is needed to read the body and to write the reply. A [`BatchRequest`] owns everything in between.
//!
//! # What it does not do
//!
//! It doesn't read heads or watch connections (`listener`), choose status codes (`problem`), or know how upstreams are
//! called (`upstream`).

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
mod batch;
mod results;
mod batch_reply;
mod piece;
mod stream;
mod stream_reply;
mod forward;
mod proxy;
mod grpc;
mod handled;
mod https;
mod reply;
mod error_format;
mod respond;
#[cfg(test)]
mod cases;

pub(crate) use batch_request::{BatchRequest, Incoming};
pub(crate) use entry_point::EntryPoint;
pub(crate) use limits_document::limits_schema;
pub(crate) use target::{RouteTarget, Target};
