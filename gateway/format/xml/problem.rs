//! A problem detail as XML (RFC 9457 Appendix B). Extension members say where the batch's body is
//! at fault: `offset`, `line`, `column`, and `item`, the item's 1-based position.

use super::escape::write_text;
use crate::batch::Problem;
use crate::format::chunk_writer::ChunkWriter;

/// Writes the problem as a document.
pub(crate) fn write(output: &mut ChunkWriter, problem: &Problem) {
    output.put(b"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n");
    write_element(output, problem);
}

/// Writes the problem's element, without an XML declaration.
pub(super) fn write_element(output: &mut ChunkWriter, problem: &Problem) {
    output.put(b"<problem xmlns=\"urn:ietf:rfc:7807\"><type>");
    write_text(output, problem.kind);
    output.put(b"</type><title>");
    write_text(output, problem.title);
    output.put(b"</title><status>");
    output.put_number(problem.status.as_u16());
    output.put(b"</status><detail>");
    write_text(output, &problem.detail);
    output.put(b"</detail>");
    if let Some(place) = problem.place {
        for (name, number) in place.members() {
            output.put(b"<");
            output.put(name.as_bytes());
            output.put(b">");
            output.put_number(number);
            output.put(b"</");
            output.put(name.as_bytes());
            output.put(b">");
        }
    }
    output.put(b"</problem>");
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::batch::{ItemIndex, Place};
    use crate::format::xml::read_back::Element;

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
        let mut output = ChunkWriter::new(0);
        write(&mut output, &problem);
        let document = Element::parse(&output.finish().concat());
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
