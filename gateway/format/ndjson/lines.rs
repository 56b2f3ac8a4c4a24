//! Cuts a body into lines while it arrives, in any pieces. A line within one piece is not copied;
//! a line over the limit is skipped and never kept.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

use crate::batch::{Bounded, ItemRejection};

/// One line that is not blank.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Its number in the body, from 1, blank lines counted.
    pub number: usize,
    /// Bytes of the body before it.
    pub offset: usize,
    /// Its bytes without the line break, or why they were not kept.
    pub content: Result<Bytes, ItemRejection>,
}

/// The lines of a body.
#[derive(Debug, Default)]
pub struct Lines {
    /// Bytes of one line.
    limit: usize,
    /// Pieces that arrived and were not read yet.
    arrived: VecDeque<Bytes>,
    /// The beginning of a line whose end has not arrived.
    begun: BytesMut,
    /// The current line is over the limit.
    over_limit: bool,
    ended: bool,
    /// The number of the current line.
    number: usize,
    offset: usize,
    /// Bytes of the current line that were read.
    length: usize,
}

impl Lines {
    /// Lines of at most `limit` bytes each.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, number: 1, ..Self::default() }
    }

    /// Takes a piece of the body.
    pub fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.arrived.push_back(piece);
        }
    }

    /// The body has ended; the rest is a line, too.
    pub const fn end(&mut self) {
        self.ended = true;
    }

    /// The next line; `None` if more of the body is needed, or after the last line.
    pub fn next_line(&mut self) -> Option<Line> {
        let is_blank =
            |line: &Line| line.content.as_ref().is_ok_and(|text| text.iter().copied().all(is_blank));
        std::iter::from_fn(|| self.next_or_blank()).find(|line| !is_blank(line))
    }

    /// Bytes that are held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.begun.len() + self.arrived.iter().map(Bytes::len).sum::<usize>()
    }

    /// True if no line is ready before more of the body arrives, also after the last line.
    pub fn is_empty(&mut self) -> bool {
        while let Some(piece) = self.arrived.pop_front() {
            if memchr::memchr(b'\n', &piece).is_some() {
                self.arrived.push_front(piece);
                return false;
            }
            self.keep(&piece);
        }
        !(self.ended && self.length > 0)
    }

    fn next_or_blank(&mut self) -> Option<Line> {
        while let Some(mut piece) = self.arrived.pop_front() {
            let Some(end) = memchr::memchr(b'\n', &piece) else {
                self.keep(&piece);
                continue;
            };
            let part = piece.split_to(end);
            piece.advance(1);
            if !piece.is_empty() {
                self.arrived.push_front(piece);
            }
            return Some(if self.length == 0 && part.len() <= self.limit {
                self.length = part.len();
                self.finish(part)
            } else {
                self.keep(&part);
                self.finish_begun()
            });
        }
        let last = self.ended && self.length > 0;
        last.then(|| self.finish_begun())
    }

    /// Keeps a part of the line under way, within the limit.
    fn keep(&mut self, part: &[u8]) {
        self.length += part.len();
        // A carriage return at the very end is not part of the line.
        self.over_limit |= self.begun.len() + part.len() > self.limit.saturating_add(1);
        if self.over_limit {
            self.begun = BytesMut::new();
        } else {
            self.begun.extend_from_slice(part);
        }
    }

    fn finish_begun(&mut self) -> Line {
        let content = std::mem::take(&mut self.begun).freeze();
        self.finish(content)
    }

    fn finish(&mut self, mut content: Bytes) -> Line {
        if content.last() == Some(&b'\r') {
            content.truncate(content.len() - 1);
        }
        let over_limit = self.over_limit || content.len() > self.limit;
        let content = if over_limit {
            Err(ItemRejection::OverLimit { what: Bounded::Line, limit: self.limit })
        } else {
            Ok(content)
        };
        let line = Line { number: self.number, offset: self.offset, content };
        self.number += 1;
        self.offset += self.length + 1;
        self.length = 0;
        self.over_limit = false;
        line
    }
}

/// JSON's white space (RFC 8259 §2).
const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All lines of a body that arrives in these pieces; `None` for one over the limit.
    fn lines<'a>(
        pieces: impl IntoIterator<Item = &'a [u8]>,
        limit: usize,
    ) -> Vec<(usize, usize, Option<String>)> {
        let mut lines = Lines::new(limit);
        let mut found = Vec::new();
        for piece in pieces {
            lines.push(Bytes::copy_from_slice(piece));
            found.extend(std::iter::from_fn(|| lines.next_line()));
        }
        lines.end();
        found.extend(std::iter::from_fn(|| lines.next_line()));
        let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        found.into_iter().map(|line| (line.number, line.offset, line.content.ok().map(text))).collect()
    }

    fn line(number: usize, offset: usize, text: &str) -> (usize, usize, Option<String>) {
        (number, offset, Some(text.to_owned()))
    }

    #[test]
    fn lines_end_with_either_break_or_the_body() {
        let found = lines([b"a\r\n\n \t\r\nbb\n\r\nccc".as_slice()], 9);
        assert_eq!(found, [line(1, 0, "a"), line(4, 8, "bb"), line(6, 13, "ccc")]);
        assert_eq!(lines([b"".as_slice()], 9), []);
        assert_eq!(lines([b"\n\n".as_slice()], 9), []);
        assert_eq!(lines([b"a\rb".as_slice()], 9), [line(1, 0, "a\rb")]);
    }

    #[test]
    fn a_line_over_the_limit_does_not_affect_its_neighbours() {
        let body = b"123\n12345\r\n123456\n1\n1234567";
        let expected =
            [line(1, 0, "123"), line(2, 4, "12345"), (3, 11, None), line(4, 18, "1"), (5, 20, None)];
        for size in 1..body.len() {
            assert_eq!(lines(body.chunks(size), 5), expected, "in pieces of {size}");
        }
    }

    #[test]
    fn a_long_line_is_not_kept() {
        let mut lines = Lines::new(10);
        for _ in 0..1000 {
            lines.push(Bytes::from_static(&[b'x'; 1000]));
            assert_eq!(lines.next_line(), None);
            assert!(lines.begun.len() <= 11 && lines.arrived.is_empty());
        }
        lines.push(Bytes::from_static(b"\n1\n"));
        assert!(lines.next_line().unwrap().content.is_err());
        assert_eq!(lines.next_line().unwrap().content.unwrap(), "1");
    }

    #[test]
    fn a_line_in_one_piece_is_not_copied() {
        let piece = Bytes::from_static(b"abc\ndef\n");
        let mut lines = Lines::new(10);
        lines.push(piece.clone());
        lines.next_line().unwrap();
        assert_eq!(lines.next_line().unwrap().content.unwrap().as_ptr(), piece[4..].as_ptr());
    }

    #[test]
    fn the_split_does_not_matter_at_any_byte() {
        let body = b"{\"a\":1}\r\n\n  \n{\"b\"\r:2}\n\r\n[3]\n4";
        let whole = lines([body.as_slice()], 8);
        for at in 0..body.len() {
            let (first, last) = body.split_at(at);
            assert_eq!(lines([first, last], 8), whole, "split at {at}");
        }
    }

    proptest! {
        #[test]
        fn the_pieces_do_not_matter(
            body in "[ab\r\n ]{0,60}",
            cuts in proptest::collection::vec(1usize..9, 0..30),
            limit in 1usize..12,
        ) {
            let mut rest = body.as_bytes();
            let mut pieces = Vec::new();
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = after;
            }
            pieces.push(rest);
            prop_assert_eq!(lines(pieces, limit), lines([body.as_bytes()], limit));
        }
    }
}
