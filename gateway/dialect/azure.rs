//! The batches of Azure Blob Storage: `multipart/mixed` of `application/http`, status 202, items in parallel, the reply in the
//! order of the request.
//!
//! Its clients learn that an item failed from the field `x-ms-error-code` alone: one without it is a success to them,
//! whatever its status. So every error of the gateway has it, and a body in Azure's XML. Batches are recognized by their query
//! (`query: {comp: batch}` on the endpoint).

use http::StatusCode;
use http::header::{ACCEPT, HeaderMap};
use serde_json::{Value, json};

use super::odata::accept_of_items;
use super::rules::Rules;
use crate::batch::Problem;
use crate::format::Format;
use crate::format::chunk_writer::ChunkWriter;
use crate::format::json::ErrorForm;
use crate::format::xml::write_text;
use crate::header::field::Fields;

/// `<Error><Code>…</Code><Message>…</Message></Error>`
const ERROR: ErrorForm =
    ErrorForm { media_type: "application/xml", write, code_field: Some("x-ms-error-code"), schema };

/// Azure Blob Storage.
pub(super) struct Azure;

impl Rules for Azure {
    fn name(&self) -> &'static str {
        "azure"
    }

    fn summary(&self) -> &'static str {
        "Azure Blob Storage: multipart, status 202, errors with x-ms-error-code."
    }

    fn formats(&self) -> &'static [Format] {
        &[Format::Multipart]
    }

    fn reply_status(&self) -> StatusCode {
        StatusCode::ACCEPTED
    }

    /// Accept, as it is meant for the items: the Python client sends it with the batch only.
    fn handed_down(&self, outer: &HeaderMap) -> Fields {
        accept_of_items(outer).map(|accept| (ACCEPT, accept)).into_iter().collect()
    }

    fn error_form(&self) -> ErrorForm {
        ERROR
    }

    fn heeds_accept(&self) -> bool {
        false
    }
}

fn schema() -> Value {
    let text = json!({ "type": "string" });
    json!({ "type": "object", "required": ["Code", "Message"], "properties": { "Code": text, "Message": text }, "xml": { "name": "Error" } })
}

fn write(output: &mut ChunkWriter, problem: &Problem) {
    output.put(b"<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>");
    write_text(output, problem.word());
    output.put(b"</Code><Message>");
    write_text(output, &problem.detail);
    output.put(b"</Message></Error>");
}
