//! The `pipeline` of APISIX's batch-requests plugin.

mod query;
mod reader;

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use super::rules::Rules;
use super::shapes::{self, Shapes};
use crate::batch::{Batch, BatchRefusal, ItemResult, Problem};
use crate::format::chunk_writer::ChunkWriter;
use crate::format::json::plain::{self, write_body};
use crate::format::json::{ErrorForm, JsonWriter, Lists, write_fields, write_string};
use crate::format::multipart::SetReply;
use crate::format::{Format, ReadContext, ResultWriter, reason_phrase};

/// `{"error_msg":…}`
const ERROR: ErrorForm = ErrorForm::json(write_error, schema_of_error);

/// APISIX.
pub(super) struct Apisix;

impl Rules for Apisix {
    fn name(&self) -> &'static str {
        "apisix"
    }

    fn summary(&self) -> &'static str {
        "APISIX's batch-requests plugin: a `pipeline`, answered by an array."
    }

    fn formats(&self) -> &'static [Format] {
        &[Format::Json]
    }

    fn has_plain_items(&self) -> bool {
        true
    }

    fn error_form(&self) -> ErrorForm {
        ERROR
    }

    fn shapes(&self) -> Shapes {
        let texts = json!({ "type": "object", "additionalProperties": { "type": "string" } });
        Shapes {
            list: "pipeline",
            shared: json!({ "query": texts, "headers": texts, "timeout": shapes::milliseconds() }),
            item: shapes::plain_item("path", json!({ "path": { "type": "string" }, "query": texts })),
            reply: shapes::array_of(&json!({
                "type": "object",
                "required": ["status", "reason", "headers", "body"],
                "properties": {
                    "status": shapes::status(),
                    "reason": { "type": "string" },
                    "headers": shapes::fields(),
                    "body": { "type": "string" },
                    "encoding": { "const": "base64" },
                },
            })),
        }
    }

    fn read(&self, _: Format, body: &Bytes, context: &ReadContext<'_>) -> Result<Batch, BatchRefusal> {
        plain::read(body, context, reader::Pipeline::default())
    }

    fn result_writer(&self, _: Format, _: SetReply) -> Box<dyn ResultWriter> {
        Box::new(JsonWriter::of_array(write_result))
    }
}

fn schema_of_error() -> Value {
    json!({ "type": "object", "required": ["error_msg"], "properties": { "error_msg": { "type": "string" } } })
}

fn write_error(output: &mut ChunkWriter, problem: &Problem) {
    output.put(b"{\"error_msg\":");
    write_string(output, &problem.detail);
    output.put(b"}");
}

/// `{"status","reason","headers","body"}`
fn write_result(output: &mut ChunkWriter, result: ItemResult) {
    output.put(b"{\"status\":");
    output.put_number(result.status.as_u16());
    output.put(b",\"reason\":");
    write_string(output, reason(&result));
    output.put(b",\"headers\":{");
    write_fields(output, &result, ERROR.media_type_of(&result), Lists::OfSeveral);
    output.put(b"},\"body\":");
    write_body(output, result, ERROR);
    output.put(b"}");
}

/// The text that tells APISIX's clients that there was no reply in time.
fn reason(result: &ItemResult) -> &'static str {
    match result.status {
        StatusCode::GATEWAY_TIMEOUT if result.gateway.is_some() => "upstream timeout",
        status => reason_phrase(status),
    }
}
