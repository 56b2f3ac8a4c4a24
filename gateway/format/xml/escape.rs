//! Escapes characters so that every parser returns them unchanged (XML 1.0 §2.4, §2.11, §3.3.3).

use super::chars::is_char;
use crate::format::chunk_writer::ChunkWriter;

/// Writes character data.
pub(crate) fn write_text(output: &mut ChunkWriter, text: &str) {
    // `>` too, because of `]]>`; CR, because parsers read a bare one as LF.
    write(output, text, |byte| matches!(byte, b'&' | b'<' | b'>' | b'\r'));
}

/// Writes the text between an attribute's double quotes.
pub(super) fn write_attribute(output: &mut ChunkWriter, text: &str) {
    write(output, text, |byte| matches!(byte, b'&' | b'<' | b'>' | b'"' | b'\r' | b'\n' | b'\t'));
}

/// Characters that XML can't carry become U+FFFD: callers send such bodies as base64, and ids and
/// urls with them are refused, so this should not happen.
fn write(output: &mut ChunkWriter, text: &str, is_escaped: impl Fn(u8) -> bool) {
    let needs_care =
        |byte: &u8| is_escaped(*byte) || (*byte < 0x20 && !matches!(byte, b'\t' | b'\n')) || *byte == 0xef;
    let mut rest = text;
    while let Some(found) = rest.as_bytes().iter().position(needs_care) {
        let (plain, special) = rest.split_at(found);
        output.put(plain.as_bytes());
        let Some(character) = special.chars().next() else { break };
        let (_, after) = special.split_at(character.len_utf8());
        write_character(output, character);
        rest = after;
    }
    output.put(rest.as_bytes());
}

fn write_character(output: &mut ChunkWriter, character: char) {
    match character {
        '&' => output.put(b"&amp;"),
        '<' => output.put(b"&lt;"),
        '>' => output.put(b"&gt;"),
        '"' => output.put(b"&quot;"),
        '\r' => output.put(b"&#13;"),
        '\n' => output.put(b"&#10;"),
        '\t' => output.put(b"&#9;"),
        _ => {
            let carried = if is_char(character) { character } else { char::REPLACEMENT_CHARACTER };
            output.put(carried.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::format::xml::chars::find_illegal;
    use crate::format::xml::unescape::{Blanks, unescape};

    fn text(text: &str) -> String {
        let mut output = ChunkWriter::new(0);
        write_text(&mut output, text);
        String::from_utf8(output.finish().concat()).unwrap()
    }

    fn attribute(text: &str) -> String {
        let mut output = ChunkWriter::new(0);
        write_attribute(&mut output, text);
        String::from_utf8(output.finish().concat()).unwrap()
    }

    #[test]
    fn markup_is_escaped() {
        assert_eq!(
            text("a<b>]]>&\"'\r\n\t\u{f000}\u{fffd}"),
            "a&lt;b&gt;]]&gt;&amp;\"'&#13;\n\t\u{f000}\u{fffd}"
        );
        assert_eq!(attribute("<\"'&\r\n\t>"), "&lt;&quot;'&amp;&#13;&#10;&#9;&gt;");
        assert_eq!(text("a\0\u{ffff}b"), "a\u{fffd}\u{fffd}b");
    }

    proptest! {
        #[test]
        fn what_xml_can_carry_comes_back(original in any::<String>()) {
            prop_assume!(find_illegal(&original).is_none());
            let (text, attribute) = (text(&original), attribute(&original));
            prop_assert_eq!(unescape(&text, 0, Blanks::Lines).unwrap(), original.as_str());
            prop_assert_eq!(unescape(&attribute, 0, Blanks::Spaces).unwrap(), original.as_str());
        }
    }
}
