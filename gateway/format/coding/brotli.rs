//! brotli (RFC 7932).

use std::io::{self, BufRead, Read};

use brotli::enc::StandardAlloc;
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};

/// The first byte of a brotli stream, with the window made no larger than the output may be (RFC 7932 §9.1).
///
/// The decoder allocates the complete window, up to 16 MiB, and encoders ask for 4 MiB to send `{}`. A
/// reference can't reach back beyond the start, so up to the limit the stream means the same. Windows from 256 KiB on are
/// a 1 and three bits; smaller ones stay.
fn with_window_for(limit: usize, first: u8) -> u8 {
    const LEAST: u32 = 18;
    const MOST: u32 = 24;
    let asked = u32::from(first >> 1 & 0b111);
    if first & 1 == 0 || asked == 0 {
        return first;
    }
    // A window is 16 bytes less than its power of two.
    let needed = limit.saturating_add(16).checked_next_power_of_two().map_or(MOST, usize::trailing_zeros);
    let kept = asked.min(needed.clamp(LEAST, MOST) - (LEAST - 1));
    first & !0b1110 | u8::try_from(kept << 1).unwrap_or(0b1110)
}

/// Undoes brotli, piece by piece. Strict: no windows beyond RFC 7932's 16 MiB.
pub(super) struct Brotli<S: BufRead> {
    source: S,
    state: BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    limit: usize,
    step: Step,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The first byte, with the size of the window, has not come.
    First,
    /// More of the source is needed.
    Input,
    /// There is more to come out before.
    Output,
    /// The stream has ended.
    Over,
}

impl<S: BufRead> Brotli<S> {
    /// `limit`: the most bytes that may come out.
    pub(super) fn new(source: S, limit: usize) -> Self {
        let (bytes, words, codes) =
            (StandardAlloc::default(), StandardAlloc::default(), StandardAlloc::default());
        Self { source, state: BrotliState::new_strict(bytes, words, codes), limit, step: Step::First }
    }

    pub(super) const fn source(&mut self) -> &mut S {
        &mut self.source
    }
}

impl<S: BufRead> Read for Brotli<S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let Self { source, state, limit, step } = self;
            let input = if *step == Step::Output { &[] } else { source.fill_buf()? };
            let first = [input.first().map_or(0, |first| with_window_for(*limit, *first))];
            let input = match *step {
                Step::Over if input.is_empty() => return Ok(0),
                Step::Over => return Err(io::ErrorKind::InvalidData.into()),
                Step::First | Step::Input if input.is_empty() => {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                Step::First => first.as_slice(),
                Step::Input | Step::Output => input,
            };
            let (mut left, mut read) = (input.len(), 0);
            let (mut room, mut written, mut total) = (into.len(), 0, 0);
            let result = BrotliDecompressStream(
                &mut left,
                &mut read,
                input,
                &mut room,
                &mut written,
                into,
                &mut total,
                state,
            );
            source.consume(read);
            *step = match result {
                BrotliResult::ResultSuccess => Step::Over,
                BrotliResult::NeedsMoreInput => Step::Input,
                BrotliResult::NeedsMoreOutput => Step::Output,
                BrotliResult::ResultFailure => return Err(io::ErrorKind::InvalidData.into()),
            };
            if written > 0 {
                return Ok(written);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::format::coding::{CodingError, decode_reply};

    /// Noise, 300000 zeros and the noise again by one reference, from a window of 16 MiB.
    const BROTLI_FAR: [u8; 98] = [
        0x5f, 0x5f, 0x94, 0x84, 0x5f, 0x26, 0xc6, 0xd9, 0x84, 0xd0, 0xb6, 0x36, 0x47, 0xab, 0xc4, 0xed, 0x3a,
        0x1d, 0x8a, 0x88, 0xbc, 0x5b, 0xf6, 0xcb, 0xd7, 0xd9, 0x54, 0xc7, 0xbc, 0x58, 0x08, 0x7c, 0xf5, 0x33,
        0x17, 0x09, 0x5e, 0x20, 0x3f, 0x9e, 0x7f, 0x0a, 0x06, 0xed, 0xfb, 0xec, 0x08, 0xaa, 0x45, 0xde, 0xc7,
        0xe6, 0xec, 0x85, 0x4b, 0x59, 0xe5, 0xc7, 0x2d, 0x2e, 0xef, 0x18, 0xbe, 0x7d, 0x62, 0x15, 0x33, 0x69,
        0x2a, 0xf8, 0x60, 0xbd, 0x3b, 0x1f, 0xae, 0xd4, 0x19, 0x55, 0x9d, 0xa3, 0xdf, 0x99, 0x89, 0x51, 0xdf,
        0xb7, 0xc4, 0xf7, 0x80, 0x7d, 0x17, 0x81, 0x94, 0x6b, 0x2a, 0x1a, 0x4f, 0x02,
    ];

    fn undo_far(limit: usize) -> Result<Bytes, CodingError> {
        decode_reply("br", Bytes::from_static(&BROTLI_FAR), limit)
    }

    #[test]
    fn a_window_of_brotli_is_no_larger_than_what_may_come_out() {
        // A window of 16 MiB, of 4 MiB, the smallest that can be made smaller, and those that can't.
        for (first, limit, expected) in [
            (0b0101_1111, 0, 0b0101_0011),
            (0b0101_1111, 300_000, 0b0101_0101),
            (0b0101_1111, (8 << 20) - 16, 0b0101_1101),
            (0b0101_1111, 8 << 20, 0b0101_1111),
            (0b0101_1111, usize::MAX, 0b0101_1111),
            (0b0000_1011, 1 << 20, 0b0000_1001),
            (0b0000_1011, 8 << 20, 0b0000_1011),
            (0b1000_0011, 1, 0b1000_0011),
            (0b0001_0001, 1, 0b0001_0001),
            (0b1111_1110, 1, 0b1111_1110),
        ] {
            assert_eq!(with_window_for(limit, first), expected, "{first:#010b} {limit}");
        }
        let decoded = undo_far(300_128).unwrap();
        assert_eq!((decoded.len(), &decoded[..64]), (300_128, &decoded[300_064..]));
        assert_eq!(undo_far(300_127), Err(CodingError::TooLarge));
    }
}
