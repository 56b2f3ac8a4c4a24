//! A problem detail as JSON (RFC 9457 §3). Where the batch's body is at fault, extension members
//! say where: `offset`, `line`, `column`, and `item`, the item's 1-based position. Another one, `error` with the status and
//! the detail, is for clients that were made for Google's services, and know no problem details.

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

/// `error`, the only member that clients of Google's services look for.
fn write_error(output: &mut ChunkWriter, problem: &Problem) {
    output.put(b",\"error\":{\"code\":");
    output.put_number(problem.status.as_u16());
    output.put(b",\"message\":");
    write_string(output, &problem.detail);
    output.put(b"}");
}
