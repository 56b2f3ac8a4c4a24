//! The JSON of gateways whose items are plain texts: APISIX's `pipeline` and Tyk's `requests`. Bodies are
//! strings, items have no ids, and the reply is an array.
//!
//! What these lose is put right where their clients allow it: results stand in the order of the request, a
//! call that fails has a status of its own, and a body that is no text is base64, marked by
//! `"encoding":"base64"`, in requests and in results.

mod item;
mod reader;
mod value;
mod writer;

pub(crate) use item::PlainItem;
pub(crate) use reader::{Plain, read};
pub(crate) use value::{scalar, texts};
pub(crate) use writer::{Lists, PlainWriter, write_body, write_fields};
