//! A problem detail as JSON (RFC 9457 §3). Where the batch's body is at fault, extension members
//! say where: `offset`, `line`, `column`, and `item`, the item's 1-based position. Another one, `error` with the status and
//! the detail, is for clients that were made for Google's services, and know no problem details.

use serde_json::{Value, json};

use super::strings::write as write_string;
use crate::batch::Problem;
use crate::format::chunk_writer::ChunkWriter;

/// Writes the problem as a JSON object.
pub(crate) fn write(output: &mut ChunkWriter, problem: &Problem) {
    output.put(b"{\"type\":");
    write_string(output, problem.kind);
    output.put(b",\"title\":");
    write_string(output, problem.title);
    output.put(b",\"status\":");
    output.put_number(problem.status.as_u16());
    output.put(b",\"detail\":");
    write_string(output, &problem.detail);
    if let Some(place) = problem.place {
        for (name, number) in place.members() {
            output.put(b",\"");
            output.put(name.as_bytes());
            output.put(b"\":");
            output.put_number(number);
        }
    }
    write_error(output, problem);
    output.put(b"}");
}

/// The JSON Schema of what [`write`] writes.
pub(super) fn schema() -> Value {
    let position = json!({ "type": "integer", "minimum": 0 });
    json!({
        "type": "object",
        "description": "A problem detail (RFC 9457). `offset`, `line`, `column` and `item` say where in the batch's body it is.",
        "required": ["type", "title", "status", "detail", "error"],
        "properties": {
            "type": { "type": "string", "description": "Names the kind of problem; clients can rely on it." },
            "title": { "type": "string" },
            "status": { "type": "integer", "minimum": 400, "maximum": 599 },
            "detail": { "type": "string" },
            "offset": position,
            "line": position,
            "column": position,
            "item": position,
            "error": {
                "type": "object",
                "required": ["code", "message"],
                "properties": { "code": { "type": "integer" }, "message": { "type": "string" } },
            },
        },
    })
}

/// `error`, the only member that clients of Google's services look for.
fn write_error(output: &mut ChunkWriter, problem: &Problem) {
    output.put(b",\"error\":{\"code\":");
    output.put_number(problem.status.as_u16());
    output.put(b",\"message\":");
    write_string(output, &problem.detail);
    output.put(b"}");
}
