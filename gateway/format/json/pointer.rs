//! Looks up a value in a JSON text by an RFC 6901 pointer. The value is a slice of the
//! text, so that it loses nothing on its way into another one.

use std::borrow::Cow;

use super::lexer::Lexer;
use super::strings::{self, RawString};
use crate::format::chunk_writer::ChunkWriter;

/// The deepest nesting of a text that is searched.
const MAX_DEPTH: usize = 128;

/// The value at `pointer` of a JSON text; `None` if there is none, or if the text is not JSON.
/// If an object has duplicate keys, the first wins.
#[must_use]
pub fn value_at<'text>(text: &'text str, pointer: &str) -> Option<&'text str> {
    let mut whole = Lexer::new(text, MAX_DEPTH);
    whole.value().and_then(|_| whole.end()).ok()?;
    let mut lexer = Lexer::new(text, MAX_DEPTH);
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        let found = match lexer.peek()? {
            b'{' => enter_object(&mut lexer, &token),
            b'[' => enter_array(&mut lexer, &token),
            _ => None,
        };
        found?;
    }
    lexer.value().ok()
}

/// Moves to the value of the member with this name.
fn enter_object(lexer: &mut Lexer<'_>, token: &str) -> Option<()> {
    lexer.open_object().ok()?;
    while let Some(name) = lexer.next_member().ok()? {
        if name.decode().is_ok_and(|name| name == token) {
            return Some(());
        }
        lexer.value().ok()?;
    }
    None
}

/// Moves to the element with this index, which has no leading zeros (RFC 6901 §4).
fn enter_array(lexer: &mut Lexer<'_>, token: &str) -> Option<()> {
    let plain = token == "0" || !token.starts_with('0');
    let index: usize = token.parse().ok().filter(|_| plain && token.bytes().all(|b| b.is_ascii_digit()))?;
    lexer.open_array().ok()?;
    for _ in 0..index {
        lexer.next_element().ok().filter(|more| *more)?;
        lexer.value().ok()?;
    }
    lexer.next_element().ok().filter(|more| *more).map(|_| ())
}

/// A JSON value as part of a text: a string's characters, a number or a boolean as it is
/// written. `None` for anything else, and for a string with half a surrogate pair.
#[must_use]
pub fn text_of_value(value: &str) -> Option<Cow<'_, str>> {
    match value.as_bytes().first()? {
        b'"' => {
            let content = value.strip_prefix('"')?.strip_suffix('"')?;
            RawString { content, at: 0, escaped: content.contains('\\') }.decode().ok()
        }
        b'{' | b'[' | b'n' => None,
        _ => Some(Cow::Borrowed(value)),
    }
}

/// A text as a JSON string.
#[must_use]
pub fn quoted(text: &str) -> Vec<u8> {
    let mut output = ChunkWriter::new(text.len() + 2);
    strings::write(&mut output, text);
    output.finish().concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    #[test]
    fn the_examples_of_the_standard() {
        let text =
            r#"{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8}"#;
        let table = [
            ("/foo", r#"["bar","baz"]"#),
            ("/foo/0", "\"bar\""),
            ("/", "0"),
            ("/a~1b", "1"),
            ("/c%d", "2"),
            ("/i\\j", "5"),
            ("/k\"l", "6"),
            ("/ ", "7"),
            ("/m~0n", "8"),
        ];
        for (pointer, value) in table {
            assert_eq!(value_at(text, pointer), Some(value), "{pointer}");
        }
        assert_eq!(value_at(text, ""), Some(text));
        for pointer in ["/x", "/foo/2", "/foo/-", "/foo/00", "/foo/+1", "/foo/", "/foo/0/0", "/a~1b/0"] {
            assert_eq!(value_at(text, pointer), None, "{pointer}");
        }
    }

    #[test]
    fn values_stay_as_they_are_written() {
        assert_eq!(value_at(r#" {"a" : [ 1.0e+3 ,{"b":"\u00e9"} ] } "#, "/a/0"), Some("1.0e+3"));
        assert_eq!(value_at(r#"{"a":1,"a":2}"#, "/a"), Some("1"));
        for text in ["", "{", "[1] x", "{\"a\":1", "nul"] {
            assert_eq!(value_at(text, ""), None);
            assert_eq!(value_at(text, "/a"), None);
        }
    }

    #[test]
    fn only_scalars_are_text() {
        let table =
            [("\"a\\n\"", Some("a\n")), ("1e9", Some("1e9")), ("true", Some("true")), ("\"\"", Some(""))];
        for (value, text) in table {
            assert_eq!(text_of_value(value).as_deref(), text);
        }
        for value in ["null", "{}", "[]", r#""\ud800""#, ""] {
            assert_eq!(text_of_value(value), None);
        }
        assert_eq!(quoted("a\"\n"), br#""a\"\n""#);
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![any::<i64>().prop_map(Value::from), any::<String>().prop_map(Value::from)];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("[a~/0]{0,2}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn another_parser_finds_the_same(value in any_value(), pointer in "(/(a|~0|~1|0|1|2|a0){0,2}){0,4}") {
            let text = value.to_string();
            let found = value_at(&text, &pointer).map(|found| serde_json::from_str::<Value>(found).unwrap());
            prop_assert_eq!(found.as_ref(), value.pointer(&pointer));
        }
    }
}
