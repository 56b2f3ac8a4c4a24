//! Cuts a head or a trailer section into lines. The text of a line is collected in a buffer that is reused for the next
//! line.

use super::fault::{Fault, Flaw};

/// A buffer that grew beyond this is shrunk after the section.
const KEPT_BYTES: usize = 4096;

/// What may end a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineEnd {
    /// CR LF only.
    CrLf,
    /// CR LF, or a bare LF.
    AnyLf,
}

/// The line that is being read.
#[derive(Debug)]
pub(super) struct Lines {
    text: Vec<u8>,
    /// A CR was the last byte.
    after_cr: bool,
    /// The line is complete; the next byte begins another.
    complete: bool,
    /// Bytes of the message up to here.
    place: u64,
    /// Where the line started.
    start: u64,
    line_end: LineEnd,
}

impl Lines {
    /// Lines of a message from its byte `place` on.
    pub(super) const fn new(place: u64, line_end: LineEnd) -> Self {
        Self { text: Vec::new(), after_cr: false, complete: false, place, start: place, line_end }
    }

    /// Starts with the first byte of another message.
    pub(super) fn restart(&mut self) {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        text.shrink_to(KEPT_BYTES);
        *self = Self { text, ..Self::new(0, self.line_end) };
    }

    /// Takes bytes up to the end of the line, or all of them. Returns how many, and whether the line is complete.
    /// `watch` sees the line each time that it has grown, before its end is checked.
    pub(super) fn take(
        &mut self,
        bytes: &[u8],
        watch: impl FnOnce(&[u8], u64) -> Result<(), Fault>,
    ) -> Result<(usize, bool), Fault> {
        if self.complete {
            self.text.clear();
            self.complete = false;
            self.start = self.place;
        }
        let mut taken = 0;
        if !self.after_cr {
            taken = memchr::memchr2(b'\r', b'\n', bytes).unwrap_or(bytes.len());
            self.text.extend_from_slice(bytes.get(..taken).unwrap_or_default());
            self.place += taken as u64;
            watch(&self.text, self.start)?;
            match bytes.get(taken) {
                Some(b'\r') => {
                    self.after_cr = true;
                    self.place += 1;
                    taken += 1;
                }
                Some(_) if self.line_end == LineEnd::CrLf => {
                    return Err(Fault::new(Flaw::BareLineFeed, self.place));
                }
                Some(_) => return Ok((self.end(taken), true)),
                None => return Ok((taken, false)),
            }
        }
        match bytes.get(taken) {
            Some(b'\n') => Ok((self.end(taken), true)),
            Some(_) => Err(Fault::new(Flaw::BareCarriageReturn, self.place - 1)),
            None => Ok((taken, false)),
        }
    }

    /// The LF at this index ends the line.
    fn end(&mut self, index: usize) -> usize {
        self.place += 1;
        self.after_cr = false;
        self.complete = true;
        index + 1
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Where the line started, in bytes of the message.
    pub(super) const fn start(&self) -> u64 {
        self.start
    }

    /// Bytes of the message so far.
    pub(super) const fn place(&self) -> u64 {
        self.place
    }
}
