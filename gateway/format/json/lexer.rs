//! The reader of clients' JSON (RFC 8259): a lexer that the readers of batches, records and bodies pull from.
//!
//! # Why it exists
//!
//! Every byte of a JSON batch comes through here, and most of them are bodies that the gateway only passes on. It needs
//! five things from the text, and no parser of values gives it all five (`gateway/decisions/0014` has the figures):
//!
//! - **Slices.** A body goes upstream as the client wrote it: the same digits, the same order, the same white space.
//!   [`Lexer::value`] skips a value and returns the slice of the text that it was. Nothing is built or copied.
//! - **Places.** A refusal says at which byte the text is wrong, also where the error is not one of JSON: a member that
//!   appears twice, an item too many. [`Lexer::position`] and [`RawString`] know where they are.
//! - **Duplicates.** [`Lexer::next_member`] returns the names one by one, in order and as often as they appear. What a
//!   second one means is left to the caller, who usually refuses it: the gateway and the upstream might disagree.
//! - **Errors that stay local.** If a member has the wrong type, its item is rejected, and reading goes on behind it. A
//!   deserializer stops at the first type that does not fit.
//! - **No recursion.** Open objects and arrays are kept on the heap, one byte each, up to `max_depth`. Deep nesting costs
//!   the sender a refusal, and the gateway no stack.
//!
//! # How to use it
//!
//! Look at the next byte with [`Lexer::peek`], which skips blanks, and decide. An object is entered with
//! [`Lexer::open_object`] and left when [`Lexer::next_member`] returns `None`; after each name its value has to be read,
//! or skipped with [`Lexer::value`]. Arrays work the same with [`Lexer::open_array`] and [`Lexer::next_element`], or with
//! [`Lexer::elements`]. At the end, [`Lexer::end`] checks that nothing follows. A clone is a bookmark: dialects whose items
//! depend on a later member read on and come back.
//!
//! # Invariants
//!
//! - The lexer accepts exactly RFC 8259's grammar, up to `max_depth`: no comments, no trailing commas, no `NaN`, no byte
//!   order mark.
//! - A slice from [`Lexer::value`] is a JSON text of its own, without blanks around it.
//! - The position only grows, and an error leaves it at the first byte that is wrong.
//! - Memory grows with nesting only.
//!
//! # What it does not do
//!
//! It takes a `&str`: UTF-8 is checked before, once for the text. It checks the form of escapes but does not decode them;
//! [`RawString::decode`] does, for the few strings that the gateway looks into, and only there half of a surrogate pair is an
//! error. It does not convert numbers. A body is embedded in a reply only if it is also what stricter readers take, which
//! [`is_exchangeable`] checks on the same pass.

use super::error::{JsonError, JsonErrorKind};
use super::strings::{RawString, is_beyond_double, plain_length, unescape};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Container {
    Object,
    Array,
}

impl Container {
    const fn end(self) -> u8 {
        match self {
            Self::Object => b'}',
            Self::Array => b']',
        }
    }
}

/// A position in the text, and the containers open there.
#[derive(Clone, Debug)]
pub(crate) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    open: Vec<Container>,
    max_depth: usize,
    /// The container opened last has no member or element yet.
    is_first: bool,
    /// The grammar allows what was read, but strict readers refuse it.
    doubtful: bool,
}

impl<'a> Lexer<'a> {
    /// At the start of `text`, for values that nest at most `max_depth` deep.
    pub(crate) fn new(text: &'a str, max_depth: usize) -> Self {
        Self { text, at: 0, open: Vec::new(), max_depth, is_first: false, doubtful: false }
    }

    /// The next byte after blanks; `None` at the end.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.byte() {
            self.at += 1;
        }
        self.byte()
    }

    /// Bytes read so far.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// Checks that only blanks are left.
    pub(crate) fn end(&mut self) -> Result<(), JsonError> {
        match self.peek() {
            None => Ok(()),
            Some(_) => self.fault("there is something after the end of the value"),
        }
    }

    /// Enters an object; its members come from [`Self::next_member`].
    pub(crate) fn open_object(&mut self) -> Result<(), JsonError> {
        self.expect(b'{', "expected `{`")?;
        self.push(Container::Object)
    }

    /// Enters an array; its elements are announced by [`Self::next_element`].
    pub(crate) fn open_array(&mut self) -> Result<(), JsonError> {
        self.expect(b'[', "expected `[`")?;
        self.push(Container::Array)
    }

    /// The next member's name, its value being next; `None` once the object is closed.
    pub(crate) fn next_member(&mut self) -> Result<Option<RawString<'a>>, JsonError> {
        if self.has_next(Container::Object)? { self.name().map(Some) } else { Ok(None) }
    }

    /// Whether there is one more element, which is next; if not, the array is closed.
    pub(crate) fn next_element(&mut self) -> Result<bool, JsonError> {
        self.has_next(Container::Array)
    }

    fn has_next(&mut self, container: Container) -> Result<bool, JsonError> {
        if self.closes(container) {
            return Ok(false);
        }
        match self.byte() {
            Some(_) if self.is_first => {}
            // Right after a comma there has to be a value, which `value` sees to.
            Some(b',') => self.at += 1,
            Some(_) | None => return self.unfinished(container),
        }
        self.is_first = false;
        Ok(true)
    }

    /// Reads an array, each of its elements with `each`.
    pub(crate) fn elements(
        &mut self,
        mut each: impl FnMut(&mut Self) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        self.open_array()?;
        while self.next_element()? {
            each(self)?;
        }
        Ok(())
    }

    /// Reads one value with `each`, or each value of an array.
    pub(crate) fn one_or_several(
        &mut self,
        mut each: impl FnMut(&mut Self) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        if self.peek() == Some(b'[') { self.elements(each) } else { each(self) }
    }

    /// Skips one value of any kind and returns it as it is written.
    pub(crate) fn value(&mut self) -> Result<&'a str, JsonError> {
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
                if self.closes(Container::Object) { Ok(true) } else { self.name().map(|_| false) }
            }
            Some(b'[') => {
                self.open_array()?;
                Ok(self.closes(Container::Array))
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
            let container = self.open.last().copied().unwrap_or(Container::Array);
            if self.closes(container) {
                continue;
            }
            if self.byte() != Some(b',') {
                return self.unfinished(container);
            }
            self.at += 1;
            return if container == Container::Object { self.name().map(|_| false) } else { Ok(false) };
        }
        Ok(true)
    }

    /// The error for a container that neither goes on nor ends here.
    fn unfinished<T>(&self, container: Container) -> Result<T, JsonError> {
        self.fault(match (container, self.byte()) {
            (Container::Object, Some(_)) => "expected `,` or `}`",
            (Container::Object, None) => "the text ends within an object",
            (Container::Array, Some(_)) => "expected `,` or `]`",
            (Container::Array, None) => "the text ends within an array",
        })
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
    pub(crate) fn string(&mut self) -> Result<RawString<'a>, JsonError> {
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
                Some(_) => return self.fault("unescaped control character in a string"),
                None => return self.fault("the text ends within a string"),
            }
        }
        let content = self.text.get(at..self.at).unwrap_or_default();
        self.at += 1;
        Ok(RawString { content, at, escaped })
    }

    /// The string that is next, and the same with its quotes.
    pub(crate) fn string_and_source(&mut self) -> Result<(RawString<'a>, &'a str), JsonError> {
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
            Some(_) | None => return self.fault("this is not a valid escape in JSON"),
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
                self.fault("this is not a valid JSON number")
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
            self.fault("expected a value; the only words allowed are `true`, `false` and `null`")
        }
    }

    fn push(&mut self, container: Container) -> Result<(), JsonError> {
        if self.open.len() == self.max_depth {
            return Err(JsonError { at: self.at - 1, kind: JsonErrorKind::TooDeep });
        }
        self.open.push(container);
        self.is_first = true;
        Ok(())
    }

    /// Whether the container ends here. If so, it is left.
    fn closes(&mut self, container: Container) -> bool {
        let closes = self.peek() == Some(container.end());
        if closes {
            self.open.pop();
            self.at += 1;
            self.is_first = false;
        }
        closes
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
mod tests;
