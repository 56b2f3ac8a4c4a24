//! The head of a call over HTTP/1.1 as it is written: the lines that all calls of a batch to one upstream share are made once,
//! and copied for each call.
//!
//! In: the shared fields, and for each call its request line, its Host and its own fields. Out: the bytes of the head. A
//! field of the call's own replaces a shared one of the same name, as in [`CallHeaders::compose`]. Names are written as they
//! were spelt. Invariant: nothing but a field's own line end ends a line, because names and values are of `http`'s types.
//!
//! [`CallHeaders::compose`]: crate::header::inherit::CallHeaders::compose

use std::ops::Range;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::header::spelling::Spellings;

/// The lines of shared fields.
#[derive(Debug, Default)]
pub(super) struct SharedLines {
    bytes: Vec<u8>,
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    name: HeaderName,
    place: Range<usize>,
}

impl SharedLines {
    /// The lines of these fields, without Host. `spellings` returns the spellings to use for a name.
    pub(super) fn new<'names>(
        fields: &HeaderMap,
        spellings: impl Fn(&HeaderName) -> &'names Spellings,
    ) -> Self {
        let mut shared = Self::default();
        for (name, value) in fields.iter().filter(|(name, _)| **name != header::HOST) {
            let start = shared.bytes.len();
            write_line(&mut shared.bytes, name, value, spellings(name));
            shared.lines.push(Line { name: name.clone(), place: start..shared.bytes.len() });
        }
        shared
    }

    /// Appends all lines except those that the call replaces.
    pub(super) fn write(&self, head: &mut Vec<u8>, is_replaced: impl Fn(&HeaderName) -> bool) {
        if !self.lines.iter().any(|line| is_replaced(&line.name)) {
            head.extend_from_slice(&self.bytes);
            return;
        }
        for line in self.lines.iter().filter(|line| !is_replaced(&line.name)) {
            head.extend_from_slice(self.bytes.get(line.place.clone()).unwrap_or_default());
        }
    }
}

/// Appends a field's line.
pub(super) fn write_line(head: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue, spellings: &Spellings) {
    spellings.write(name, |piece| head.extend_from_slice(piece));
    head.extend_from_slice(b": ");
    head.extend_from_slice(value.as_bytes());
    head.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &[(&'static str, &'static str)]) -> HeaderMap {
        let field = |(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        text.iter().copied().map(field).collect()
    }

    fn written(shared: &SharedLines, replaced: &[&str]) -> String {
        let mut head = Vec::new();
        shared.write(&mut head, |name| replaced.contains(&name.as_str()));
        String::from_utf8(head).unwrap()
    }

    #[test]
    fn shared_lines_are_written_but_for_those_that_are_replaced() {
        let mut odd = Spellings::default();
        odd.add(&HeaderName::from_static("x-ms-version"), b"x-ms-version");
        let all = fields(&[("host", "h"), ("accept", "*/*"), ("x-ms-version", "1"), ("x-odd", "")]);
        let shared = SharedLines::new(&all, |_| &odd);
        assert_eq!(written(&shared, &[]), "Accept: */*\r\nx-ms-version: 1\r\nX-Odd: \r\n");
        assert_eq!(written(&shared, &["x-ms-version", "other"]), "Accept: */*\r\nX-Odd: \r\n");
    }
}
