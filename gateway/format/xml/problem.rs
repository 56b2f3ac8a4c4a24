//! A problem detail as XML (RFC 9457 Appendix B). Extension members say where the batch's body is
//! at fault: `offset`, `line`, `column`, and `item`, the item's 1-based position.

use super::escape::write_text;
use crate::format::Problem;
use crate::format::rope::Rope;

/// Writes the problem as a document.
pub(in crate::format) fn write(rope: &mut Rope, problem: &Problem) {
    rope.put(b"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n");
    write_element(rope, problem);
}

/// Writes the problem's element, without an XML declaration.
pub(super) fn write_element(rope: &mut Rope, problem: &Problem) {
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
        for (name, number) in members.into_iter().chain(item) {
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
