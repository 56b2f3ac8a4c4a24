//! Google's batches: `multipart/mixed` of `application/http`, status 200, items in parallel, the reply in the order of the
//! request.
//!
//! Every part comes back with `response-` before its Content-ID. The query of the batch's url (`?key=…`) belongs to every
//! part, as do the batch's own fields except those about its body. Errors have the shape that Google's clients read.

use http::StatusCode;
use http::header::{self, HeaderMap};
use serde_json::{Value, json};

use super::odata::accept_of_items;
use super::rules::Rules;
use crate::batch::Problem;
use crate::format::chunk_writer::ChunkWriter;
use crate::format::json::{ErrorForm, write_string};
use crate::format::multipart::{ContentIds, MultipartInput, MultipartOutput};
use crate::format::{Format, ReadContext};
use crate::header::field::Fields;

/// Whose the reasons in errors are; Google's own say `global`.
const DOMAIN: &str = "batchgate";

/// `{"error":{"code","message","errors":[{"domain","reason","message"}],"status"}}`
const ERROR: ErrorForm =
    ErrorForm { media_type: "application/json; charset=UTF-8", ..ErrorForm::json(write, schema) };

/// Google.
pub(super) struct Google;

impl Rules for Google {
    fn name(&self) -> &'static str {
        "google"
    }

    fn summary(&self) -> &'static str {
        "Google's batches: multipart, status 200; the query of the batch belongs to every item."
    }

    fn formats(&self) -> &'static [Format] {
        &[Format::Multipart]
    }

    fn hands_down_query(&self) -> bool {
        true
    }

    /// In addition to what all items inherit: Google's parts inherit all fields except those about the batch's body.
    fn handed_down(&self, outer: &HeaderMap) -> Fields {
        let is_condition = |name: &&header::HeaderName| name.as_str().starts_with("if-");
        let conditions = outer
            .keys()
            .filter(is_condition)
            .flat_map(|name| outer.get_all(name).iter().map(move |value| (name.clone(), value.clone())));
        accept_of_items(outer).map(|accept| (header::ACCEPT, accept)).into_iter().chain(conditions).collect()
    }

    fn error_form(&self) -> ErrorForm {
        ERROR
    }

    fn multipart_input<'a>(&self, context: &ReadContext<'a>) -> MultipartInput<'a> {
        MultipartInput { query: Some(context.query) }
    }

    fn multipart_output(&self) -> MultipartOutput {
        MultipartOutput { ids: ContentIds::Prefixed, ..MultipartOutput::new(ERROR) }
    }

    fn heeds_accept(&self) -> bool {
        false
    }
}

fn schema() -> Value {
    let text = json!({ "type": "string" });
    let reason = json!({
        "type": "object",
        "required": ["domain", "reason", "message"],
        "properties": { "domain": text, "reason": text, "message": text },
    });
    let error = json!({
        "type": "object",
        "required": ["code", "message", "errors", "status"],
        "properties": {
            "code": { "type": "integer" },
            "message": text,
            "errors": { "type": "array", "items": reason },
            "status": text,
        },
    });
    json!({ "type": "object", "required": ["error"], "properties": { "error": error } })
}

fn write(output: &mut ChunkWriter, problem: &Problem) {
    output.put(b"{\"error\":{\"code\":");
    output.put_number(problem.status.as_u16());
    output.put(b",\"message\":");
    write_string(output, &problem.detail);
    output.put(b",\"errors\":[{\"domain\":");
    write_string(output, DOMAIN);
    output.put(b",\"reason\":");
    write_string(output, problem.word());
    output.put(b",\"message\":");
    write_string(output, &problem.detail);
    output.put(b"}],\"status\":");
    write_string(output, canonical_name(problem.status));
    output.put(b"}}");
}

/// The name of a status among `google.rpc.Code`, as Google's services map them.
fn canonical_name(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        405 | 501 => "UNIMPLEMENTED",
        408 | 504 => "DEADLINE_EXCEEDED",
        409 => "ABORTED",
        416 => "OUT_OF_RANGE",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        502 | 503 => "UNAVAILABLE",
        other if other >= 500 => "INTERNAL",
        _ => "FAILED_PRECONDITION",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_name() {
        for (status, name) in [
            (400, "INVALID_ARGUMENT"),
            (401, "UNAUTHENTICATED"),
            (403, "PERMISSION_DENIED"),
            (404, "NOT_FOUND"),
            (405, "UNIMPLEMENTED"),
            (408, "DEADLINE_EXCEEDED"),
            (409, "ABORTED"),
            (412, "FAILED_PRECONDITION"),
            (413, "FAILED_PRECONDITION"),
            (424, "FAILED_PRECONDITION"),
            (429, "RESOURCE_EXHAUSTED"),
            (500, "INTERNAL"),
            (501, "UNIMPLEMENTED"),
            (502, "UNAVAILABLE"),
            (503, "UNAVAILABLE"),
            (504, "DEADLINE_EXCEEDED"),
            (508, "INTERNAL"),
        ] {
            assert_eq!(canonical_name(StatusCode::from_u16(status).unwrap()), name, "{status}");
        }
    }

    #[test]
    fn parts_inherit_conditions_and_what_the_client_accepts() {
        let outer: HeaderMap = [
            ("accept", "multipart/mixed, application/json"),
            ("if-match", "\"e\""),
            ("content-language", "de"),
            ("prefer", "wait=1"),
        ]
        .into_iter()
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .collect();
        let fields: Vec<_> =
            Google.handed_down(&outer).iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
        assert_eq!(fields, ["accept: \"application/json\"", "if-match: \"\\\"e\\\"\""]);
    }
}
