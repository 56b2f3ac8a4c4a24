//! What dialects with plain items share, such as APISIX's `pipeline` and Tyk's `requests`: bodies are
//! strings, items have no ids, and the reply is an array.
//!
//! Where their clients allow it, the gateway loses less than those services: results are in the order of the request, a
//! failed call has a status of its own, and a body that is not text is base64, marked by
//! `"encoding":"base64"`, in requests and in results.

mod item;
mod reader;
mod value;
mod writer;

pub(crate) use item::PlainItem;
pub(crate) use reader::{Plain, read};
pub(crate) use value::{scalar, texts};
pub(crate) use writer::write_body;
