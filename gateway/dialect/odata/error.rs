//! OData's errors (JSON Format 4.01 §21.1): a code and a message. Graph has the same.

use serde_json::{Value, json};

use crate::batch::Problem;
use crate::format::chunk_writer::ChunkWriter;
use crate::format::json::{ErrorForm, write_string};

/// `{"error":{"code":…,"message":…}}`
pub(in crate::dialect) const ERROR: ErrorForm = ErrorForm::json(write, schema);

fn schema() -> Value {
    let text = json!({ "type": "string" });
    let error = json!({ "type": "object", "required": ["code", "message"], "properties": { "code": text, "message": text } });
    json!({ "type": "object", "required": ["error"], "properties": { "error": error } })
}

/// The code is the last part of the problem's type.
fn write(output: &mut ChunkWriter, problem: &Problem) {
    output.put(b"{\"error\":{\"code\":");
    write_string(output, problem.word());
    output.put(b",\"message\":");
    write_string(output, &problem.detail);
    output.put(b"}}");
}
