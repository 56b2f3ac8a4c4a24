//! A problem detail as XML (RFC 9457 Appendix B). Extension members say where the batch's body is
//! at fault: `offset`, `line`, `column`, and `item`, the item's 1-based position.

use super::escape::write_text;
use crate::format::Problem;
use crate::format::chunk_writer::ChunkWriter;

/// Writes the problem as a document.
pub(crate) fn write(rope: &mut ChunkWriter, problem: &Problem) {
    rope.put(b"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n");
    write_element(rope, problem);
}

/// Writes the problem's element, without an XML declaration.
pub(super) fn write_element(rope: &mut ChunkWriter, problem: &Problem) {
    rope.put(b"<problem xmlns=\"urn:ietf:rfc:7807\"><type>");
    write_text(rope, problem.kind);
    rope.put(b"</type><title>");
    write_text(rope, problem.title);
    rope.put(b"</title><status>");
    rope.put_number(problem.status.as_u16());
    rope.put(b"</status><detail>");
    write_text(rope, &problem.detail);
    rope.put(b"</detail>");
    if let Some(place) = problem.place {
        let item = place.item.map(|item| ("item", item.position()));
        let members = [("offset", place.offset), ("line", place.line), ("column", place.column)];
        // Where only the item is known, the place has no line.
        let members = members.into_iter().filter(|_| place.line > 0);
        for (name, number) in members.chain(item) {
            rope.put(b"<");
            rope.put(name.as_bytes());
            rope.put(b">");
            rope.put_number(number);
            rope.put(b"</");
            rope.put(name.as_bytes());
            rope.put(b">");
        }
    }
    rope.put(b"</problem>");
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::format::xml::read_back::Element;
    use crate::format::{ItemIndex, Place};

    #[test]
    fn a_problem_is_a_document() {
        let place = Place { offset: 7, line: 2, column: 3, item: Some(ItemIndex(0)) };
        let problem = Problem {
            kind: "urn:x",
            title: "Broken",
            status: StatusCode::BAD_REQUEST,
            detail: "a <b> & c".into(),
            place: Some(place),
        };
        let mut rope = ChunkWriter::new(0);
        write(&mut rope, &problem);
        let document = Element::parse(&rope.finish().concat());
        assert_eq!(document.name, "{urn:ietf:rfc:7807}problem");
        let members: Vec<_> = document
            .children
            .iter()
            .map(|child| (child.name.trim_start_matches("{urn:ietf:rfc:7807}"), child.text.as_str()))
            .collect();
        let expected = [
            ("type", "urn:x"),
            ("title", "Broken"),
            ("status", "400"),
            ("detail", "a <b> & c"),
            ("offset", "7"),
            ("line", "2"),
            ("column", "3"),
            ("item", "1"),
        ];
        assert_eq!(members, expected);
    }
}
