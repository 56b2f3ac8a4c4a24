//! Reads a batch in any format, for dialects that have nothing else in mind.

use bytes::Bytes;

use super::json::{self, JsonInput};
use super::kind::Format;
use super::multipart::MultipartInput;
use super::read_context::ReadContext;
use super::{ndjson, xml};
use crate::batch::{Batch, BatchRefusal};

/// Reads a batch, its JSON or multipart by these conventions. An item that is wrong is rejected alone.
///
/// # Errors
/// The reason why the batch is refused, and the place.
pub fn read(
    format: Format,
    body: &Bytes,
    context: &ReadContext<'_>,
    json: JsonInput<'_>,
    multipart: MultipartInput<'_>,
) -> Result<Batch, BatchRefusal> {
    match format {
        Format::Json => json::read(body, context.limits, json),
        Format::Xml => xml::read(body, context.limits),
        Format::Ndjson => ndjson::read(body, context.limits),
        Format::Multipart => super::multipart::read(body, context, multipart),
    }
}
