//! `application/xml` and `text/xml`: batches in the protocol's own vocabulary (§2.2), results as
//! an RFC 4918 multistatus (§4.2).

mod chars;
mod fault;
mod unescape;
mod tag;
mod namespaces;
mod tokens;
mod reader;
mod request;
mod body;
mod fragment;
mod stub;

pub(super) use reader::read;
pub(super) use stub::{write, write_problem};

/// The namespace of the protocol's elements; in batches they may as well have none.
const BATCH_NAMESPACE: &str = "urn:batchgate:batch";
