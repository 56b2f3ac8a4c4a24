//! What the lexer accepts and refuses, and where it says the error is.

use proptest::prelude::*;
use serde::de::IgnoredAny;

use super::*;

fn is_value(bytes: &[u8], max_depth: usize) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| {
        let mut lexer = Lexer::new(text, max_depth);
        lexer.value().is_ok() && lexer.end().is_ok()
    })
}

fn fault(text: &str) -> Option<JsonError> {
    let mut lexer = Lexer::new(text, 8);
    lexer.value().and_then(|_| lexer.end()).err()
}

#[test]
fn values_are_returned_as_written() {
    let mut lexer = Lexer::new(" [1, {\"a\": [ ]} ,\"x\"] , 2", 8);
    assert_eq!(lexer.value(), Ok("[1, {\"a\": [ ]} ,\"x\"]"));
    assert_eq!(lexer.position(), 21);
}

#[test]
fn members_and_elements_are_walked() {
    let mut lexer = Lexer::new(r#"{"a":1,"b\n":[true,null],"c":{}}"#, 8);
    let mut names = Vec::new();
    lexer.open_object().unwrap();
    while let Some(name) = lexer.next_member().unwrap() {
        names.push((name.content, name.escaped, lexer.value().unwrap()));
    }
    assert_eq!(names, [("a", false, "1"), ("b\\n", true, "[true,null]"), ("c", false, "{}")]);
    assert_eq!(lexer.end(), Ok(()));
}

#[test]
fn faults_have_their_place() {
    let places = [
        ("", 0),
        ("{\"a\" 1}", 5),
        ("[1 2]", 3),
        ("[1,]", 3),
        ("{\"a\":1,}", 7),
        ("{,}", 1),
        ("[,1]", 1),
        ("nul", 0),
        ("01", 1),
        ("-", 1),
        ("1.", 2),
        ("1e", 2),
        ("\"a\nb\"", 2),
        ("\"\\x\"", 1),
        ("\"\\u12g4\"", 1),
        ("\"a", 2),
        ("[1", 2),
        ("{\"a\":1", 6),
        ("1 1", 2),
        ("// c", 0),
        ("NaN", 0),
        ("{a:1}", 1),
        ("'a'", 0),
        ("[1}", 2),
        ("{\"a\":1]", 6),
        ("\u{feff}1", 0),
        ("+1", 0),
        (".5", 0),
        ("0x1", 1),
        ("Infinity", 0),
        ("[1//c\n]", 2),
        ("\u{a0}1", 0),
        ("{1:2}", 1),
    ];
    for (text, at) in places {
        let found = fault(text).unwrap();
        assert_eq!(found.at, at, "{text}");
        assert!(matches!(found.kind, JsonErrorKind::Syntax(_)), "{text}");
    }
}

#[test]
fn depth_is_limited_without_recursion() {
    assert_eq!(fault("[[[[[[[[]]]]]]]]"), None);
    assert_eq!(fault("[[[[[[[[[]]]]]]]]]"), Some(JsonError { at: 8, kind: JsonErrorKind::TooDeep }));
    assert_eq!(fault("[{\"a\":[[[[[[{}]]]]]]}]"), Some(JsonError { at: 12, kind: JsonErrorKind::TooDeep }));
    assert_eq!(fault(&"[".repeat(1_000_000)), Some(JsonError { at: 8, kind: JsonErrorKind::TooDeep }));
    let deep = 1_000_000;
    let text = "[".repeat(deep) + &"]".repeat(deep);
    assert!(is_value(text.as_bytes(), deep));
}

#[test]
fn a_value_is_utf_8_and_alone() {
    assert!(is_value(b" {\"a\":[1.5e-3,\"\\ud800\"]}\n", 8));
    for bytes in [b"".as_slice(), b"\"\xff\"", b"1 2", b"{}x", b"\xef\xbb\xbf1"] {
        assert!(!is_value(bytes, 8));
    }
}

/// What an independent parser says, which nests up to 127 deep only.
fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

proptest! {
    #[test]
    fn the_grammar_is_that_of_serde_json(text in r#"[\[\]{}:,"\\\\u0-9a-f.eE+\- \ntrlsnN\x01é]{0,24}"#) {
        prop_assert_eq!(is_value(text.as_bytes(), 100), is_json(&text), "{}", text);
    }

    #[test]
    fn damaged_documents_are_judged_like_serde_json_does(at in 0_usize..80, with in r#"[\[\]{}:,"\\\\0-9.eE+\- a]"#) {
        let document = r#"{"a":[1,-2.5e+3,0,"x\u00e9\n\"y"],"b":{"c":null,"d":true,"e":[]},"f":false}"#;
        let mut damaged = document.to_owned();
        let at = at % document.len();
        damaged.replace_range(at..=at, &with);
        prop_assert_eq!(is_value(damaged.as_bytes(), 100), is_json(&damaged), "{}", damaged);
        damaged.replace_range(at..at + with.len(), "");
        prop_assert_eq!(is_value(damaged.as_bytes(), 100), is_json(&damaged), "{}", damaged);
        prop_assert!(!is_value(&document.as_bytes()[..at], 100));
    }
}
