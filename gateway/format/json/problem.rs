//! A problem detail as JSON (RFC 9457 §3), and as the errors of other dialects. Where the batch's body is at fault, extension members
//! say where: `offset`, `line`, `column`, and `item`, the item's 1-based position.

use super::strings::write as write_string;
use crate::format::chunk_writer::ChunkWriter;
use crate::format::{Dialect, Problem};

/// Writes the problem as a JSON object.
pub(crate) fn write(rope: &mut ChunkWriter, problem: &Problem) {
    rope.put(b"{\"type\":");
    write_string(rope, problem.kind);
    rope.put(b",\"title\":");
    write_string(rope, problem.title);
    rope.put(b",\"status\":");
    rope.put_number(problem.status.as_u16());
    rope.put(b",\"detail\":");
    write_string(rope, &problem.detail);
    if let Some(place) = problem.place {
        let item = place.item.map(|item| ("item", item.position()));
        let members = [("offset", place.offset), ("line", place.line), ("column", place.column)];
        // Where only the item is known, the place has no line.
        let members = members.into_iter().filter(|_| place.line > 0);
        for (name, number) in members.chain(item) {
            rope.put(b",\"");
            rope.put(name.as_bytes());
            rope.put(b"\":");
            rope.put_number(number);
        }
    }
    rope.put(b"}");
}

/// Writes the problem as an error of the dialect: OData JSON Format 4.01 §21.1 has a code and a message, and so
/// has Graph; APISIX and Tyk have a message.
pub(crate) fn write_error(rope: &mut ChunkWriter, problem: &Problem, dialect: Dialect) {
    match dialect {
        Dialect::Batchgate => write(rope, problem),
        Dialect::Odata | Dialect::Graph => {
            rope.put(b"{\"error\":{\"code\":");
            write_string(rope, problem.kind.rsplit(':').next().unwrap_or_default());
            rope.put(b",\"message\":");
            write_string(rope, &problem.detail);
            rope.put(b"}}");
        }
        Dialect::Apisix => write_message(rope, b"{\"error_msg\":", problem),
        Dialect::Tyk => write_message(rope, b"{\"error\":", problem),
    }
}

fn write_message(rope: &mut ChunkWriter, start: &[u8], problem: &Problem) {
    rope.put(start);
    write_string(rope, &problem.detail);
    rope.put(b"}");
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use serde_json::json;

    use super::*;
    use crate::format::{ItemIndex, Place};

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
            let mut rope = ChunkWriter::new(0);
            write_error(&mut rope, &problem, dialect);
            serde_json::from_slice(&rope.finish().concat()).unwrap()
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
