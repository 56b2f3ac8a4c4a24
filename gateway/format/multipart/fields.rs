//! The fields at the head of a part, and of the message in it.

use std::borrow::Cow;

use httparse::{EMPTY_HEADER, Header, Status};

/// Fields that are dropped, and so are not counted against the limit on an item's.
const DROPPED: usize = 16;

/// Why a head can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeadError {
    /// It is longer than allowed.
    TooLong,
    /// It has more fields than allowed.
    TooMany,
    /// It breaks the syntax of RFC 9112 §5.
    Syntax,
}

/// How long the head is that `bytes` start with, its blank line included. Without a blank line all of
/// it is head.
pub(super) fn head_length(bytes: &[u8], limit: usize) -> Result<usize, HeadError> {
    let within = bytes.get(..limit.min(bytes.len())).unwrap_or_default();
    let mut line_start = 0;
    for newline in memchr::memchr_iter(b'\n', within) {
        if matches!(within.get(line_start..newline), Some([] | [b'\r'])) {
            return Ok(newline + 1);
        }
        line_start = newline + 1;
    }
    if bytes.len() > limit { Err(HeadError::TooLong) } else { Ok(bytes.len()) }
}

/// A head as the parser wants it: folded lines unfolded to one space (RFC 9112 §5.2), and a blank
/// line at its end.
pub(super) fn plain(head: &[u8]) -> Cow<'_, [u8]> {
    let starts = memchr::memchr_iter(b'\n', head).filter_map(|newline| head.get(newline + 1));
    let is_folded = starts.into_iter().any(|start| matches!(start, b' ' | b'\t'));
    let has_end = matches!(head, b"\n" | b"\r\n" | [.., b'\n', b'\n'] | [.., b'\n', b'\r', b'\n']);
    if has_end && !is_folded {
        return Cow::Borrowed(head);
    }
    let mut plain = Vec::with_capacity(head.len() + 2);
    for line in head.split_inclusive(|byte| *byte == b'\n') {
        let folded = matches!(line, [b' ' | b'\t', ..]) && !plain.is_empty();
        if folded {
            trim_end(&mut plain);
            plain.push(b' ');
            plain.extend_from_slice(line.trim_ascii_start());
            if plain.last() != Some(&b'\n') && line.ends_with(b"\n") {
                plain.push(b'\n');
            }
        } else {
            plain.extend_from_slice(line);
        }
    }
    if !plain.is_empty() && !plain.ends_with(b"\n") {
        plain.push(b'\n');
    }
    if !has_end {
        plain.push(b'\n');
    }
    Cow::Owned(plain)
}

fn trim_end(text: &mut Vec<u8>) {
    let kept = text.trim_ascii_end().len();
    text.truncate(kept);
}

/// The fields of a head that went through [`plain`].
pub(super) fn parse(head: &[u8], max_headers: usize) -> Result<Vec<Header<'_>>, HeadError> {
    let lines = memchr::memchr_iter(b'\n', head).count();
    let mut fields = vec![EMPTY_HEADER; lines.min(max_headers.saturating_add(DROPPED))];
    let found = match httparse::parse_headers(head, &mut fields) {
        Ok(Status::Complete((_, found))) => found.len(),
        Err(httparse::Error::TooManyHeaders) => return Err(HeadError::TooMany),
        Ok(Status::Partial) | Err(_) => return Err(HeadError::Syntax),
    };
    fields.truncate(found);
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_at_its_blank_line() {
        for (text, length) in [
            ("A: b\r\n\r\nbody", 8),
            ("A: b\n\nbody", 6),
            ("A: b\n\r\n\n", 7),
            ("\r\nbody", 2),
            ("\nbody", 1),
            ("A: b\r\n", 6),
            ("A: b", 4),
            ("", 0),
        ] {
            assert_eq!(head_length(text.as_bytes(), 100), Ok(length), "{text:?}");
        }
        assert_eq!(head_length(b"A: b\n\nbody", 6), Ok(6));
        assert_eq!(head_length(b"A: b\n\nbody", 5), Err(HeadError::TooLong));
    }

    #[test]
    fn folded_lines_are_one_and_an_end_is_added() {
        for (text, expected) in [
            ("A: b\r\n\r\n", "A: b\r\n\r\n"),
            ("A: b\n", "A: b\n\n"),
            ("A: b", "A: b\n\n"),
            ("", "\n"),
            ("A: <b\r\n + c>\r\nD: e\r\n\r\n", "A: <b + c>\r\nD: e\r\n\r\n"),
            ("A: <b  \n\t+\n c>\n\n", "A: <b + c>\n\n"),
            ("A: b\n \n\n", "A: b \n\n"),
        ] {
            assert_eq!(String::from_utf8_lossy(&plain(text.as_bytes())), expected, "{text:?}");
        }
    }

    #[test]
    fn fields_are_those_of_http() {
        let fields = parse(b"A:b\r\nC: d \r\n\r\n", 1).unwrap();
        assert_eq!(
            fields.iter().map(|field| (field.name, field.value)).collect::<Vec<_>>(),
            [("A", b"b".as_slice()), ("C", b"d")]
        );
        for broken in
            ["A\n\n", "A : b\n\n", ": b\n\n", " A: b\n\n", "A: b\rC: d\n\n", "A: \0\n\n", "A: b\x7f\n\n"]
        {
            assert_eq!(
                parse(broken.as_bytes(), 9).map(|fields| fields.len()),
                Err(HeadError::Syntax),
                "{broken:?}"
            );
        }
        let many = "A: b\n".repeat(40) + "\n";
        assert_eq!(parse(many.as_bytes(), 9).map(|fields| fields.len()), Err(HeadError::TooMany));
    }
}
