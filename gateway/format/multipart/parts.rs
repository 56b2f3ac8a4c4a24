//! Cuts a multipart body into its parts, one after the other, in one pass.

use super::boundary::{Boundary, DelimiterLine};
use super::error::MultipartError;

/// A part: its own header fields, a blank line, and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Where it starts.
    pub(super) start: usize,
    /// Where the delimiter after it starts. The line break before that belongs to the delimiter, but
    /// clients take it for the end of a head, too, or for the last bytes of a body.
    pub(super) next: usize,
}

/// The parts that are left.
#[derive(Debug)]
pub(super) struct Parts<'b> {
    boundary: &'b Boundary,
    body: &'b [u8],
    last: DelimiterLine,
}

impl<'b> Parts<'b> {
    /// Goes past the preamble: `body` is read from `from` to its end.
    pub(super) fn open(boundary: &'b Boundary, body: &'b [u8], from: usize) -> Result<Self, MultipartError> {
        let last = boundary
            .find(body, from)
            .ok_or(MultipartError::framing(from, "the boundary does not appear in it"))?;
        Ok(Self { boundary, body, last })
    }

    /// Whether there is another part. Everything after the last one is ignored.
    pub(super) fn has_next(&self) -> bool {
        !self.last.is_last
    }

    /// The next part.
    pub(super) fn next(&mut self) -> Result<Part, MultipartError> {
        let start = self.last.end;
        let Some(line) = self.boundary.find(self.body, start) else {
            let fault = MultipartError::framing(
                self.body.len(),
                "the part has no end, because the closing boundary is missing",
            );
            return Err(fault.in_item());
        };
        self.last = line;
        Ok(Part { start, next: line.start })
    }
}
