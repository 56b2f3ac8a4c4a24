//! A problem detail as JSON (RFC 9457 §3). Where the batch's body is at fault, extension members
//! say where: `offset`, `line`, `column`, and `item`, the item's 1-based position.

use super::strings::write as write_string;
use crate::format::Problem;
use crate::format::rope::Rope;

/// Writes the problem as a JSON object.
pub(in crate::format) fn write(rope: &mut Rope, problem: &Problem) {
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

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use serde_json::json;

    use super::*;
    use crate::format::{ItemIndex, Place};

    #[test]
    fn a_place_is_told_in_members_of_its_own() {
        let place = Place { offset: 7, line: 2, column: 3, item: Some(ItemIndex(0)) };
        let problem = Problem {
            kind: "urn:x",
            title: "Broken",
            status: StatusCode::BAD_REQUEST,
            detail: "\u{1}".into(),
            place: Some(place),
        };
        let mut rope = Rope::new(0);
        write(&mut rope, &problem);
        let document: serde_json::Value = serde_json::from_slice(&rope.finish().concat()).unwrap();
        let expected = json!({
            "type": "urn:x", "title": "Broken", "status": 400, "detail": "\u{1}",
            "offset": 7, "line": 2, "column": 3, "item": 1,
        });
        assert_eq!(document, expected);
    }
}
