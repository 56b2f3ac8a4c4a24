//! Characters and names of XML 1.0 (fifth edition, §2.2, §2.3) and of namespaces (§4).

/// Whether XML can carry the character at all, escaped or not.
pub(super) fn is_char(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// The first byte that starts a character which XML can't carry.
pub(super) fn find_illegal(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut from = 0;
    // Only control characters, U+FFFE and U+FFFF are illegal; the latter start with EF BF.
    while let Some(found) =
        bytes.get(from..)?.iter().position(|&byte| (byte < 0x20 && !is_blank(byte)) || byte == 0xef)
    {
        let at = from + found;
        match bytes.get(at..at + 3) {
            Some([0xef, 0xbf, 0xbe | 0xbf]) => return Some(at),
            Some([0xef, _, _]) => from = at + 3,
            Some(_) | None => return Some(at),
        }
    }
    None
}

/// White space (§2.3).
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Whether the text is only white space.
pub(super) fn is_blank_text(text: &str) -> bool {
    text.bytes().all(is_blank)
}

/// The text without white space around it.
pub(super) fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\n', '\r'])
}

/// Whether the text is a name without a colon (Namespaces in XML §4).
pub(super) fn is_plain_name(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(is_name_start) && characters.all(is_name_part)
}

fn is_name_start(character: char) -> bool {
    matches!(character,
        'A'..='Z' | '_' | 'a'..='z' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}'
        | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}' | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}'
        | '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}'
        | '\u{fdf0}'..='\u{fffd}' | '\u{10000}'..='\u{effff}')
}

fn is_name_part(character: char) -> bool {
    is_name_start(character)
        || matches!(character, '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_distinguished_from_other_text() {
        for name in ["a", "_", "é", "a-1.b", "漢字", "xml"] {
            assert!(is_plain_name(name), "{name}");
        }
        for name in ["", "1a", "-a", ".a", "a:b", "a b", "a=b", "a/b", "a\"", "\u{d7}", "a\u{2190}"] {
            assert!(!is_plain_name(name), "{name}");
        }
    }

    #[test]
    fn illegal_characters_are_found() {
        assert_eq!(find_illegal("a\tb\r\n\u{fffd}\u{e000}\u{7f}\u{ef}é漢"), None);
        assert_eq!(find_illegal("ab\0"), Some(2));
        assert_eq!(find_illegal("\u{fffd}\u{ffff}"), Some(3));
        assert_eq!(find_illegal("é\u{1f}\u{fffe}"), Some(2));
    }

    proptest! {
        #[test]
        fn the_search_agrees_with_the_definition(text in "[\u{0}-\u{20}\u{f000}-\u{ffff}a]*") {
            let expected = text.char_indices().find(|(_, character)| !is_char(*character)).map(|(at, _)| at);
            prop_assert_eq!(find_illegal(&text), expected);
        }
    }
}
