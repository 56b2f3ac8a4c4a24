//! JSON's grammar (RFC 8259), read in one pass and without recursion: what is open stands on a
//! heap-allocated stack, bounded by a depth limit. Values are skipped, not built; the reader takes
//! from the text what it needs, as slices of it.

use super::error::{JsonError, JsonErrorKind};
use super::strings::{RawString, is_beyond_double, plain_length, unescape};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Container {
    Object,
    Array,
}

/// A place in the text, and the containers open there.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    open: Vec<Container>,
    max_depth: usize,
    /// Something was read that the grammar allows and strict readers refuse.
    doubtful: bool,
}

impl<'a> Lexer<'a> {
    /// At the start of `text`, for values that nest at most `max_depth` deep.
    pub(super) fn new(text: &'a str, max_depth: usize) -> Self {
        Self { text, at: 0, open: Vec::new(), max_depth, doubtful: false }
    }

    /// The next byte after blanks; `None` at the end.
    pub(super) fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.byte() {
            self.at += 1;
        }
        self.byte()
    }

    /// Bytes read so far.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Checks that nothing but blanks is left.
    pub(super) fn end(&mut self) -> Result<(), JsonError> {
        match self.peek() {
            None => Ok(()),
            Some(_) => self.fault("there is something after the end of the value"),
        }
    }

    /// Enters an object; its members come from [`Self::next_member`].
    pub(super) fn open_object(&mut self) -> Result<(), JsonError> {
        self.expect(b'{', "expected `{`")?;
        self.push(Container::Object)
    }

    /// Enters an array; its elements are announced by [`Self::next_element`].
    pub(super) fn open_array(&mut self) -> Result<(), JsonError> {
        self.expect(b'[', "expected `[`")?;
        self.push(Container::Array)
    }

    /// The next member's name, its value being next; `None` once the object is closed.
    pub(super) fn next_member(&mut self, first: &mut bool) -> Result<Option<RawString<'a>>, JsonError> {
        match self.peek() {
            Some(b'}') => {
                self.close();
                return Ok(None);
            }
            Some(b',') if !*first => self.at += 1,
            Some(_) if *first => {}
            Some(_) => return self.fault("expected `,` or `}`"),
            None => return self.fault("the text ends within an object"),
        }
        *first = false;
        self.name().map(Some)
    }

    /// Whether there is one more element, which is next; if not, the array is closed.
    pub(super) fn next_element(&mut self, first: &mut bool) -> Result<bool, JsonError> {
        match self.peek() {
            // Right after a comma there has to be a value, which `value` sees to.
            Some(b']') => {
                self.close();
                return Ok(false);
            }
            Some(b',') if !*first => self.at += 1,
            Some(_) if *first => {}
            Some(_) => return self.fault("expected `,` or `]`"),
            None => return self.fault("the text ends within an array"),
        }
        *first = false;
        Ok(true)
    }

    /// Reads one value of any kind and returns it as it stands in the text.
    pub(super) fn value(&mut self) -> Result<&'a str, JsonError> {
        self.peek();
        let start = self.at;
        let floor = self.open.len();
        loop {
            let complete = self.begin_value()?;
            if complete && self.end_values(floor)? {
                return Ok(self.text.get(start..self.at).unwrap_or_default());
            }
        }
    }

    /// Reads a scalar or enters a container. Whether a value is complete.
    fn begin_value(&mut self) -> Result<bool, JsonError> {
        match self.peek() {
            Some(b'"') => self.string().map(|_| true),
            Some(b'{') => {
                self.open_object()?;
                if self.peek() == Some(b'}') {
                    self.close();
                    return Ok(true);
                }
                self.name().map(|_| false)
            }
            Some(b'[') => {
                self.open_array()?;
                if self.peek() == Some(b']') {
                    self.close();
                    return Ok(true);
                }
                Ok(false)
            }
            Some(b'-' | b'0'..=b'9') => self.number().map(|()| true),
            Some(b't') => self.word("true").map(|()| true),
            Some(b'f') => self.word("false").map(|()| true),
            Some(b'n') => self.word("null").map(|()| true),
            Some(_) => self.fault("expected a value"),
            None => self.fault("the text ends where a value is expected"),
        }
    }

    /// After a complete value: closes what ends here, down to `floor`. Whether that is reached;
    /// if not, another value is next.
    fn end_values(&mut self, floor: usize) -> Result<bool, JsonError> {
        while self.open.len() > floor {
            let container = self.open.last().copied();
            match (self.peek(), container) {
                (Some(b','), Some(Container::Object)) => {
                    self.at += 1;
                    return self.name().map(|_| false);
                }
                (Some(b','), Some(Container::Array)) => {
                    self.at += 1;
                    return Ok(false);
                }
                (Some(b'}'), Some(Container::Object)) | (Some(b']'), Some(Container::Array)) => self.close(),
                (Some(_), Some(Container::Object)) => return self.fault("expected `,` or `}`"),
                (Some(_), _) => return self.fault("expected `,` or `]`"),
                (None, Some(Container::Object)) => return self.fault("the text ends within an object"),
                (None, _) => return self.fault("the text ends within an array"),
            }
        }
        Ok(true)
    }

    /// A member's name and the colon after it.
    fn name(&mut self) -> Result<RawString<'a>, JsonError> {
        if self.peek() != Some(b'"') {
            return self.fault("expected a member's name in double quotes");
        }
        let name = self.string()?;
        self.expect(b':', "expected `:`")?;
        Ok(name)
    }

    /// The string that is next.
    pub(super) fn string(&mut self) -> Result<RawString<'a>, JsonError> {
        self.expect(b'"', "expected a string")?;
        let at = self.at;
        let mut escaped = false;
        loop {
            self.skip_plain();
            match self.byte() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(_) => return self.fault("a control character stands unescaped in a string"),
                None => return self.fault("the text ends within a string"),
            }
        }
        let content = self.text.get(at..self.at).unwrap_or_default();
        self.at += 1;
        Ok(RawString { content, at, escaped })
    }

    /// The string that is next, and the same with its quotes.
    pub(super) fn string_and_source(&mut self) -> Result<(RawString<'a>, &'a str), JsonError> {
        self.peek();
        let start = self.at;
        let string = self.string()?;
        Ok((string, self.text.get(start..self.at).unwrap_or_default()))
    }

    /// Goes to the next quote, backslash or control character.
    fn skip_plain(&mut self) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        self.at += plain_length(rest);
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        let escape = self.text.as_bytes().get(self.at + 1);
        match escape {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let digits = self.text.as_bytes().get(self.at + 2..self.at + 6).unwrap_or_default();
                if digits.len() < 4 || !digits.iter().all(u8::is_ascii_hexdigit) {
                    return self.fault("`\\u` needs four hexadecimal digits");
                }
                let pair = unescape(self.text.get(self.at..).unwrap_or_default());
                self.doubtful |= pair.is_none();
                self.at += pair.map_or(6, |(_, length)| length);
            }
            Some(_) | None => return self.fault("there is no such escape in JSON"),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        match self.byte() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits()?,
            Some(_) | None => return self.fault("a number needs a digit here"),
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.byte() {
                self.at += 1;
            }
            self.digits()?;
        }
        self.doubtful |= is_beyond_double(self.text.get(start..self.at).unwrap_or_default());
        // `01`, `1x`: what follows a number has to end it.
        match self.byte() {
            Some(byte) if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-') => {
                self.fault("this is not how JSON writes a number")
            }
            Some(_) | None => Ok(()),
        }
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.byte() {
            self.at += 1;
        }
        if self.at == start { self.fault("a number needs a digit here") } else { Ok(()) }
    }

    fn word(&mut self, word: &'static str) -> Result<(), JsonError> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if rest.starts_with(word) {
            self.at += word.len();
            Ok(())
        } else {
            self.fault("expected a value; the words are `true`, `false` and `null`")
        }
    }

    fn push(&mut self, container: Container) -> Result<(), JsonError> {
        if self.open.len() == self.max_depth {
            return Err(JsonError { at: self.at - 1, kind: JsonErrorKind::TooDeep });
        }
        self.open.push(container);
        Ok(())
    }

    fn close(&mut self) {
        self.open.pop();
        self.at += 1;
    }

    fn expect(&mut self, byte: u8, otherwise: &'static str) -> Result<(), JsonError> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            self.fault(otherwise)
        }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn fault<T>(&self, reason: &'static str) -> Result<T, JsonError> {
        Err(JsonError { at: self.at, kind: JsonErrorKind::Syntax(reason) })
    }
}

/// Whether the bytes are one JSON value that nests at most `max_depth` deep, and that any reader takes: no half of a
/// surrogate pair, no number beyond a double's range (RFC 7493 §2.1, §2.2).
pub(super) fn is_exchangeable(bytes: &[u8], max_depth: usize) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let mut lexer = Lexer::new(text, max_depth);
    lexer.value().is_ok() && lexer.end().is_ok() && !lexer.doubtful
}

#[cfg(test)]
mod tests {
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
    fn values_come_as_they_stand() {
        let mut lexer = Lexer::new(" [1, {\"a\": [ ]} ,\"x\"] , 2", 8);
        assert_eq!(lexer.value(), Ok("[1, {\"a\": [ ]} ,\"x\"]"));
        assert_eq!(lexer.position(), 21);
    }

    #[test]
    fn members_and_elements_are_walked() {
        let mut lexer = Lexer::new(r#"{"a":1,"b\n":[true,null],"c":{}}"#, 8);
        let (mut first, mut names) = (true, Vec::new());
        lexer.open_object().unwrap();
        while let Some(name) = lexer.next_member(&mut first).unwrap() {
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
        assert_eq!(
            fault("[{\"a\":[[[[[[{}]]]]]]}]"),
            Some(JsonError { at: 12, kind: JsonErrorKind::TooDeep })
        );
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
}
