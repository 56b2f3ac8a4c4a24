//! A problem detail as JSON (RFC 9457 §3), and as the errors of other dialects. Where the batch's body is at fault, extension members
//! say where: `offset`, `line`, `column`, and `item`, the item's 1-based position.

use super::strings::write as write_string;
use crate::batch::{Dialect, Problem};
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
        let item = place.item.map(|item| ("item", item.position()));
        let members = [("offset", place.offset), ("line", place.line), ("column", place.column)];
        // Where only the item is known, the place has no line.
        let members = members.into_iter().filter(|_| place.line > 0);
        for (name, number) in members.chain(item) {
            output.put(b",\"");
            output.put(name.as_bytes());
            output.put(b"\":");
            output.put_number(number);
        }
    }
    output.put(b"}");
}

/// Writes the problem as an error of the dialect: OData JSON Format 4.01 §21.1 has a code and a message, and so
/// has Graph; APISIX and Tyk have a message.
pub(crate) fn write_error(output: &mut ChunkWriter, problem: &Problem, dialect: Dialect) {
    match dialect {
        Dialect::Batchgate => write(output, problem),
        Dialect::Odata | Dialect::Graph => {
            output.put(b"{\"error\":{\"code\":");
            write_string(output, problem.kind.rsplit(':').next().unwrap_or_default());
            output.put(b",\"message\":");
            write_string(output, &problem.detail);
            output.put(b"}}");
        }
        Dialect::Apisix => write_message(output, b"{\"error_msg\":", problem),
        Dialect::Tyk => write_message(output, b"{\"error\":", problem),
    }
}

fn write_message(output: &mut ChunkWriter, start: &[u8], problem: &Problem) {
    output.put(start);
    write_string(output, &problem.detail);
    output.put(b"}");
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use serde_json::json;

    use super::*;
    use crate::batch::{ItemIndex, Place};

    #[test]
    fn a_problem_is_told_in_each_dialect() {
        let place = Place { offset: 7, line: 2, column: 3, item: Some(ItemIndex(0)) };
        let problem = Problem {
            kind: "urn:x",
            title: "Broken",
            status: StatusCode::BAD_REQUEST,
            detail: "\u{1}".into(),
            place: Some(place),
        };
        let written = |dialect| -> serde_json::Value {
            let mut output = ChunkWriter::new(0);
            write_error(&mut output, &problem, dialect);
            serde_json::from_slice(&output.finish().concat()).unwrap()
        };
        let expected = json!({
            "type": "urn:x", "title": "Broken", "status": 400, "detail": "\u{1}",
            "offset": 7, "line": 2, "column": 3, "item": 1,
        });
        assert_eq!(written(Dialect::Batchgate), expected);
        let of_odata = json!({"error": {"code": "x", "message": "\u{1}"}});
        assert_eq!((written(Dialect::Odata), written(Dialect::Graph)), (of_odata.clone(), of_odata));
        assert_eq!(written(Dialect::Apisix), json!({"error_msg": "\u{1}"}));
        assert_eq!(written(Dialect::Tyk), json!({"error": "\u{1}"}));
    }
}
