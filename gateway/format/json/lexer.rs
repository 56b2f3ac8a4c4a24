//! JSON's grammar (RFC 8259), read in one pass and without recursion: what is open stands on a
//! heap-allocated stack, bounded by a depth limit. Values are skipped, not built; the reader takes
//! from the text what it needs, as slices of it.

/// What is wrong with the text, and at which byte of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Bytes from the start of the text.
    pub(super) at: usize,
    /// What.
    pub(super) kind: FaultKind,
}

/// What is wrong with the text. The lexer itself knows the first two, the reader the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FaultKind {
    /// It is no JSON.
    Syntax(&'static str),
    /// It nests deeper than allowed.
    TooDeep,
    /// It is JSON, but no batch.
    NotABatch(&'static str),
    /// A member stands there twice.
    Twice(String),
    /// It has more items than allowed.
    TooManyItems,
}

/// A string as it stands in the text, its escapes checked for form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RawString<'a> {
    /// What stands between the quotes.
    pub(super) content: &'a str,
    /// Where that starts in the text.
    pub(super) at: usize,
    /// Whether there is an escape in it.
    pub(super) escaped: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Container {
    Object,
    Array,
}

/// A place in the text, and the containers open there.
#[derive(Debug)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    open: Vec<Container>,
    max_depth: usize,
}

impl<'a> Lexer<'a> {
    /// At the start of `text`, for values that nest at most `max_depth` deep.
    pub(super) fn new(text: &'a str, max_depth: usize) -> Self {
        Self { text, at: 0, open: Vec::new(), max_depth }
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
    pub(super) fn end(&mut self) -> Result<(), Fault> {
        match self.peek() {
            None => Ok(()),
            Some(_) => self.fault("there is something after the end of the value"),
        }
    }

    /// Enters an object; its members come from [`Self::next_member`].
    pub(super) fn open_object(&mut self) -> Result<(), Fault> {
        self.expect(b'{', "expected `{`")?;
        self.push(Container::Object)
    }

    /// Enters an array; its elements are announced by [`Self::next_element`].
    pub(super) fn open_array(&mut self) -> Result<(), Fault> {
        self.expect(b'[', "expected `[`")?;
        self.push(Container::Array)
    }

    /// The next member's name, its value being next; `None` once the object is closed.
    pub(super) fn next_member(&mut self, first: &mut bool) -> Result<Option<RawString<'a>>, Fault> {
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
    pub(super) fn next_element(&mut self, first: &mut bool) -> Result<bool, Fault> {
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
    pub(super) fn value(&mut self) -> Result<&'a str, Fault> {
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
    fn begin_value(&mut self) -> Result<bool, Fault> {
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
    fn end_values(&mut self, floor: usize) -> Result<bool, Fault> {
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
    fn name(&mut self) -> Result<RawString<'a>, Fault> {
        if self.peek() != Some(b'"') {
            return self.fault("expected a member's name in double quotes");
        }
        let name = self.string()?;
        self.expect(b':', "expected `:`")?;
        Ok(name)
    }

    /// The string that is next.
    pub(super) fn string(&mut self) -> Result<RawString<'a>, Fault> {
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
    pub(super) fn string_and_source(&mut self) -> Result<(RawString<'a>, &'a str), Fault> {
        self.peek();
        let start = self.at;
        let string = self.string()?;
        Ok((string, self.text.get(start..self.at).unwrap_or_default()))
    }

    /// Goes to the next quote, backslash or control character.
    fn skip_plain(&mut self) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let special = rest.iter().position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\');
        self.at += special.unwrap_or(rest.len());
    }

    fn escape(&mut self) -> Result<(), Fault> {
        let escape = self.text.as_bytes().get(self.at + 1);
        match escape {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let digits = self.text.as_bytes().get(self.at + 2..self.at + 6).unwrap_or_default();
                if digits.len() < 4 || !digits.iter().all(u8::is_ascii_hexdigit) {
                    return self.fault("`\\u` needs four hexadecimal digits");
                }
                self.at += 6;
            }
            Some(_) | None => return self.fault("there is no such escape in JSON"),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Fault> {
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
        // `01`, `1x`: what follows a number has to end it.
        match self.byte() {
            Some(byte) if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-') => {
                self.fault("this is not how JSON writes a number")
            }
            Some(_) | None => Ok(()),
        }
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.byte() {
            self.at += 1;
        }
        if self.at == start { self.fault("a number needs a digit here") } else { Ok(()) }
    }

    fn word(&mut self, word: &'static str) -> Result<(), Fault> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if rest.starts_with(word) {
            self.at += word.len();
            Ok(())
        } else {
            self.fault("expected a value; the words are `true`, `false` and `null`")
        }
    }

    fn push(&mut self, container: Container) -> Result<(), Fault> {
        if self.open.len() == self.max_depth {
            return Err(Fault { at: self.at - 1, kind: FaultKind::TooDeep });
        }
        self.open.push(container);
        Ok(())
    }

    fn close(&mut self) {
        self.open.pop();
        self.at += 1;
    }

    fn expect(&mut self, byte: u8, otherwise: &'static str) -> Result<(), Fault> {
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

    fn fault<T>(&self, reason: &'static str) -> Result<T, Fault> {
        Err(Fault { at: self.at, kind: FaultKind::Syntax(reason) })
    }
}

/// Whether the bytes are one JSON value that nests at most `max_depth` deep.
pub(super) fn is_value(bytes: &[u8], max_depth: usize) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let mut lexer = Lexer::new(text, max_depth);
    lexer.value().is_ok() && lexer.end().is_ok()
}
