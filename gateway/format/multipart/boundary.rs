//! The boundary between parts: its name in Content-Type, and the lines of the body that are made of
//! it (RFC 2046 §5.1.1).

use memchr::memmem::Finder;

use crate::header::outside_quotes;

/// RFC 2046 §5.1.1.
const MAX_LENGTH: usize = 70;

/// A boundary, ready to be looked for.
#[derive(Debug)]
pub(super) struct Boundary {
    /// `--` and the boundary.
    delimiter: Finder<'static>,
}

/// A line made of the boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DelimiterLine {
    /// Where it starts.
    pub(super) start: usize,
    /// Where the bytes after the line start.
    pub(super) end: usize,
    /// Whether it ends the multipart body.
    pub(super) is_last: bool,
}

impl Boundary {
    /// The boundary that a multipart Content-Type names, quoted or bare.
    ///
    /// # Errors
    /// Describes the problem.
    pub(super) fn from_content_type(content_type: &str) -> Result<Self, &'static str> {
        let mut parts = outside_quotes(content_type, ';').skip(1);
        let values: Vec<&str> = parts
            .by_ref()
            .filter_map(|parameter| parameter.split_once('='))
            .filter(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"))
            .map(|(_, value)| value.trim())
            .collect();
        let [value] = *values.as_slice() else {
            return Err(if values.is_empty() {
                "Content-Type has no boundary"
            } else {
                "Content-Type has two boundaries"
            });
        };
        let name = unquoted(value).ok_or("Content-Type has a boundary whose quotes do not close")?;
        if name.is_empty() || name.len() > MAX_LENGTH {
            return Err("a boundary has 1 to 70 characters (RFC 2046)");
        }
        if !name.bytes().all(is_boundary_character) || name.ends_with(' ') {
            return Err("the boundary has a character that is not allowed in a boundary (RFC 2046)");
        }
        Ok(Self { delimiter: Finder::new(format!("--{name}").as_bytes()).into_owned() })
    }

    /// The first line made of this boundary in `body`, from `from` on.
    pub(super) fn find(&self, body: &[u8], mut from: usize) -> Option<DelimiterLine> {
        loop {
            let start = from + self.delimiter.find(body.get(from..)?)?;
            if let Some(line) = self.line_at(body, start) {
                return Some(line);
            }
            from = start + 1;
        }
    }

    /// The line that starts at `start`, if it is one and has nothing else in it.
    fn line_at(&self, body: &[u8], start: usize) -> Option<DelimiterLine> {
        if start > 0 && body.get(start - 1) != Some(&b'\n') {
            return None;
        }
        let after = start + self.delimiter.needle().len();
        let rest = body.get(after..)?;
        if let Some(end) = rest.strip_prefix(b"--").and_then(|rest| line_end(body, rest)) {
            return Some(DelimiterLine { start, end, is_last: true });
        }
        let end = line_end(body, rest)?;
        Some(DelimiterLine { start, end, is_last: false })
    }
}

/// Where the line after this one starts, if the rest of this one is blank. `rest` is the end of
/// `body`.
fn line_end(body: &[u8], rest: &[u8]) -> Option<usize> {
    let blank = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let left = match rest.get(blank..)? {
        [] => 0,
        [b'\n', rest @ ..] | [b'\r', b'\n', rest @ ..] => rest.len(),
        [..] => return None,
    };
    Some(body.len() - left)
}

/// RFC 2046 §5.1.1, `bchars`.
fn is_boundary_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte)
}

/// A parameter's value without its quotes; `None` if they do not match.
fn unquoted(value: &str) -> Option<String> {
    let Some(quoted) = value.strip_prefix('"') else {
        return Some(value.to_owned());
    };
    let mut text = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => return characters.next().is_none().then_some(text),
            '\\' => text.push(characters.next()?),
            plain => text.push(plain),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delimiter(parameters: &str) -> Result<String, &'static str> {
        let boundary = Boundary::from_content_type(&format!("multipart/mixed{parameters}"))?;
        Ok(String::from_utf8(boundary.delimiter.needle().to_vec()).unwrap())
    }

    #[test]
    fn boundaries_are_quoted_or_bare() {
        for (parameters, expected) in [
            ("; boundary=b", "--b"),
            (";BOUNDARY = \"b c\" ; x=y", "--b c"),
            ("; type=\"application/http;boundary=no\"; boundary=\"===\\12==\"", "--===12=="),
            ("; boundary=a=b", "--a=b"),
            (
                "; boundary=batch_36522ad7-fc75-4b56-8c71-56071383e77b",
                "--batch_36522ad7-fc75-4b56-8c71-56071383e77b",
            ),
        ] {
            assert_eq!(delimiter(parameters).as_deref(), Ok(expected), "{parameters}");
        }
        assert!(delimiter(&format!("; boundary={}", "b".repeat(70))).is_ok());
    }

    #[test]
    fn other_boundaries_are_refused() {
        let long = format!("; boundary={}", "b".repeat(71));
        for parameters in [
            "",
            "; boundary",
            "; boundary=",
            "; boundary=\"\"",
            "; boundary=\"b",
            "; boundary=\"b\"c",
            "; boundary=a; boundary=a",
            "; boundary=a*b",
            "; boundary=é",
            "; boundary=\"b \"",
            "; boundary=\"\\r\\\n\"",
            long.as_str(),
        ] {
            assert!(delimiter(parameters).is_err(), "{parameters}");
        }
    }

    #[test]
    fn only_a_complete_line_is_a_delimiter() {
        let boundary = Boundary::from_content_type("multipart/mixed; boundary=b").unwrap();
        let found =
            |body: &str| boundary.find(body.as_bytes(), 0).map(|line| (line.start, line.end, line.is_last));
        assert_eq!(found("--b\r\n"), Some((0, 5, false)));
        assert_eq!(found("x\r\n--b \t\nx"), Some((3, 9, false)));
        assert_eq!(found("\n--b--"), Some((1, 6, true)));
        assert_eq!(found("--b--\r\nx"), Some((0, 7, true)));
        assert_eq!(found("--bc\n--b-\n--b--x\n --b\nx--b\n\r--b\n--b\rx\n----b\n--B\n"), None);
        assert_eq!(found("--b--b\n--b\n"), Some((7, 11, false)));
    }
}
