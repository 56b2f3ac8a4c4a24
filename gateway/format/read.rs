//! Reads a batch in any format.

use bytes::Bytes;

use super::kind::Format;
use super::read_context::ReadContext;
use super::{json, multipart, ndjson, xml};
use crate::batch::{Batch, BatchRefusal, Dialect};

impl Format {
    /// Reads a batch. What is wrong with one item alone stands in that item.
    ///
    /// # Errors
    /// Says why the batch is refused whole, and where it is wrong.
    pub fn read(self, body: &Bytes, context: &ReadContext<'_>) -> Result<Batch, BatchRefusal> {
        match self {
            Self::Json => match context.dialect {
                Dialect::Batchgate | Dialect::Odata | Dialect::Graph => json::read(body, context),
                Dialect::Apisix | Dialect::Tyk => json::plain::read(body, context),
            },
            Self::Xml => xml::read(body, context.limits),
            Self::Ndjson => ndjson::read(body, context.limits),
            Self::Multipart => multipart::read(body, context),
        }
    }
}
