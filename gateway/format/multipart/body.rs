//! Finds the body of a message within its part. The boundary says where the part ends, so that a
//! length can't reach beyond it; but clients write one blank line more or less around a body.

use std::ops::Range;

/// The body's range in `bytes`, which are the bytes after the message's head, with the line break that
/// belongs to the delimiter.
///
/// With a length, the body has exactly that many bytes; blank lines around it are not part of it. Without
/// one, it is everything except the line breaks at both ends. `None` if the length does not fit.
pub(super) fn locate(bytes: &[u8], length: Option<usize>) -> Option<Range<usize>> {
    let is_break = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let last = bytes.iter().rposition(|byte| !is_break(byte)).map_or(0, |at| at + 1);
    let leading = bytes.iter().take(last).take_while(|byte| is_break(byte)).count();
    let Some(length) = length else {
        return Some(leading..last);
    };
    // As many of the blank lines in front as must be left out.
    let start = last.saturating_sub(length);
    let at_line = start == 0 || bytes.get(start - 1) == Some(&b'\n');
    let end = start.checked_add(length)?;
    (start <= leading && at_line && end <= bytes.len()).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(bytes: &str, length: Option<usize>) -> Option<&str> {
        locate(bytes.as_bytes(), length).and_then(|range| bytes.get(range))
    }

    #[test]
    fn a_length_is_exact() {
        assert_eq!(body("ab\r\n", Some(2)), Some("ab"));
        assert_eq!(body("ab\r\n\r\n\r\n", Some(2)), Some("ab"));
        assert_eq!(body("\nab\n\n", Some(4)), Some("\nab\n"));
        assert_eq!(body("\r\nab\r\n", Some(2)), Some("ab"));
        // The client put no line break of its own before the delimiter.
        assert_eq!(body("ab\r\n", Some(4)), Some("ab\r\n"));
        assert_eq!(body("\r\n", Some(0)), Some(""));
        assert_eq!(body("", Some(0)), Some(""));
        assert_eq!(body("\r\n\r\n", Some(2)), Some("\r\n"));
    }

    #[test]
    fn a_length_that_lies_fits_nothing() {
        for (bytes, length) in
            [("ab\r\n", 1), ("ab\r\n", 5), ("ab\r\n", 0), ("ab\r\ncd\r\n", 2), ("", 1), ("\rab\r\n", 2)]
        {
            assert_eq!(body(bytes, Some(length)), None, "{bytes:?} {length}");
        }
        assert_eq!(body("ab", Some(usize::MAX)), None);
    }

    #[test]
    fn without_a_length_line_breaks_around_it_are_not_data() {
        assert_eq!(body("\r\n\nab\n\rc\r\n\r\n", None), Some("ab\n\rc"));
        assert_eq!(body("\r\n\r\n", None), Some(""));
    }
}
