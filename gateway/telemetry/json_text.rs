//! A text as a string of JSON in a log line, with nothing in it that steers a terminal or an editor.

use std::io::Write as _;

use crate::terminal::steers;

/// Writes a string of JSON. What steers a terminal is escaped, also where JSON would have it as it is.
pub(super) fn quote(bytes: &mut Vec<u8>, value: &str) {
    let is_plain = value.is_ascii() && !value.contains('\u{7f}');
    if is_plain || !value.contains(steers) {
        // Writing into memory does not fail, and a text has a form in JSON.
        let _ = serde_json::to_writer(&mut *bytes, value);
        return;
    }
    bytes.push(b'"');
    for character in value.chars() {
        match character {
            '"' | '\\' => {
                let _ = write!(bytes, "\\{character}");
            }
            _ if steers(character) => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let _ = write!(bytes, "\\u{unit:04x}");
                }
            }
            _ => {
                let _ = write!(bytes, "{character}");
            }
        }
    }
    bytes.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_escaped_and_nothing_changes() {
        for (text, expected) in [
            ("a \"b\"\n", r#""a \"b\"\n""#),
            ("gr\u{fc}n \u{200d}", "\"gr\u{fc}n \u{200d}\""),
            ("a\u{202e}b\\\u{9b}", r#""a\u202eb\\\u009b""#),
            ("\u{7f}", r#""\u007f""#),
            ("\u{e0041}", r#""\udb40\udc41""#),
        ] {
            let mut written = Vec::new();
            quote(&mut written, text);
            assert_eq!(String::from_utf8_lossy(&written), expected);
            assert_eq!(serde_json::from_slice::<String>(&written).unwrap(), text);
        }
    }
}
