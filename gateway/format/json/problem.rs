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
        for (name, number) in members.into_iter().chain(item) {
            rope.put(b",\"");
            rope.put(name.as_bytes());
            rope.put(b"\":");
            rope.put_number(number);
        }
    }
    rope.put(b"}");
}
