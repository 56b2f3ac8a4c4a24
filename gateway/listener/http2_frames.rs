//! Watches the frames of an HTTP/2 connection as they pass (RFC 9113 §4.1): whether a header has begun and not ended,
//! and how many frames cost work and bring nothing.
//!
//! h2 limits the memory that such frames take, and how many streams are open. It does not limit how often a client
//! opens and resets a stream (CVE-2023-44487), pings, or sends settings.

use crate::clock::Stopwatch;

const PREFACE: usize = 24;
const HEAD: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Useless frames that a connection may send at once …
const BURST: u64 = 1000;
/// … and in addition for each second of its life. A client that cancels calls or measures latency stays far below.
const PER_SECOND: u64 = 100;
/// In addition to the burst, one window update per this many bytes written to the client is allowed.
const BYTES_PER_UPDATE: u64 = 64;

/// The state of a connection's frames.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    /// Bytes to skip before the head of the next frame.
    skip: usize,
    head: [u8; HEAD],
    have: usize,
    /// The client has to send something before a request is complete: settings, or the rest of a header.
    within_header: bool,
    /// The current frame is part of a header.
    in_header_frame: bool,
    useless: u64,
    updates: u64,
    life: Stopwatch,
}

/// The client has sent too many useless frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flood;

impl Frames {
    /// For a connection before its first byte.
    pub(crate) fn new() -> Self {
        Self { skip: PREFACE, within_header: true, ..Self::default() }
    }

    /// Whether the client owes the rest of a header, or its settings.
    pub(crate) const fn within_header(&self) -> bool {
        self.within_header || self.in_header_frame && self.skip > 0
    }

    /// Looks at bytes as they arrive. `written` is how many bytes were sent to the client so far.
    ///
    /// # Errors
    /// There were too many useless frames.
    pub(crate) fn pass(&mut self, mut bytes: &[u8], written: u64) -> Result<(), Flood> {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let skipped = self.skip.min(bytes.len());
                self.skip -= skipped;
                bytes = bytes.get(skipped..).unwrap_or_default();
                continue;
            }
            let (Some(byte), Some(place)) = (bytes.first(), self.head.get_mut(self.have)) else {
                return Ok(());
            };
            *place = *byte;
            self.have += 1;
            bytes = bytes.get(1..).unwrap_or_default();
            if self.have == HEAD {
                self.have = 0;
                self.take_head(written)?;
            }
        }
        Ok(())
    }

    fn take_head(&mut self, written: u64) -> Result<(), Flood> {
        let [high, middle, low, kind, flags, ..] = self.head;
        let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        self.skip = length;
        self.in_header_frame = matches!(kind, HEADERS | CONTINUATION);
        match kind {
            HEADERS | CONTINUATION => {
                self.within_header = flags & END_HEADERS == 0;
                self.useless += u64::from(length == 0);
            }
            DATA => self.useless += u64::from(length == 0 && flags & END_STREAM == 0),
            WINDOW_UPDATE => self.updates += 1,
            SETTINGS => {
                self.within_header = false;
                self.useless += 1;
            }
            // PRIORITY, RST_STREAM, PING, GOAWAY, and unknown frames, which have to be ignored (§4.1).
            _ => self.useless += 1,
        }
        if self.is_flood(written) { Err(Flood) } else { Ok(()) }
    }

    /// Reads the clock only if the burst is used up.
    fn is_flood(&self, written: u64) -> bool {
        let over = |count: u64, more: u64| count > BURST + more && count > BURST + more + self.earned();
        over(self.useless, 0) || over(self.updates, written / BYTES_PER_UPDATE)
    }

    fn earned(&self) -> u64 {
        self.life.elapsed().as_secs().saturating_mul(PER_SECOND)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).unwrap();
        [&[0, 0, length, kind, flags, 0, 0, 0, 1], payload].concat()
    }

    fn begun() -> Frames {
        let mut frames = Frames::new();
        frames.pass(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0).unwrap();
        frames
    }

    #[test]
    fn a_header_is_under_way_until_its_last_frame_however_the_bytes_come() {
        let bytes = [
            frame(SETTINGS, 0, &[0; 6]),
            frame(HEADERS, 0, b"abc"),
            frame(CONTINUATION, 0, b"defg"),
            frame(CONTINUATION, END_HEADERS, b"h"),
        ];
        for size in 1..9 {
            let mut frames = begun();
            assert!(frames.within_header());
            let within: Vec<_> = bytes
                .iter()
                .map(|bytes| {
                    bytes.chunks(size).for_each(|piece| frames.pass(piece, 0).unwrap());
                    frames.within_header()
                })
                .collect();
            assert_eq!(within, [false, true, true, false], "{size}");
        }
        let (mut frames, last) = (begun(), frame(HEADERS, END_HEADERS, b"abc"));
        frames.pass(&[&bytes[0][..], &last[..HEAD + 2]].concat(), 0).unwrap();
        assert!(frames.within_header());
        frames.pass(b"c", 0).unwrap();
        assert!(!frames.within_header());
    }

    #[test]
    fn too_many_useless_frames_are_a_flood() {
        for (kind, flags) in [(3, 0), (6, 0), (SETTINGS, 0), (2, 0), (DATA, 0), (99, 0), (HEADERS, 0)] {
            let (mut frames, bytes) = (begun(), frame(kind, flags, b""));
            let passed = (0..5000).take_while(|_| frames.pass(&bytes, 0).is_ok()).count();
            assert_eq!(passed, 1000, "{kind}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_life_earns_more_of_them() {
        let (mut frames, ping) = (begun(), frame(6, 0, &[0; 8]));
        tokio::time::sleep(Duration::from_secs(3)).await;
        let passed = (0..5000).take_while(|_| frames.pass(&ping, 0).is_ok()).count();
        assert_eq!(passed, 1300);
    }

    #[test]
    fn useful_frames_are_never_a_flood() {
        let mut frames = begun();
        for _ in 0..5000 {
            let written = 5000 * BYTES_PER_UPDATE;
            frames.pass(&frame(DATA, 0, b"x"), written).unwrap();
            frames.pass(&frame(HEADERS, END_HEADERS | END_STREAM, b"x"), written).unwrap();
            frames.pass(&frame(DATA, END_STREAM, b""), written).unwrap();
            frames.pass(&frame(WINDOW_UPDATE, 0, &[0; 4]), written).unwrap();
        }
        let (mut frames, update) = (begun(), frame(WINDOW_UPDATE, 0, &[0; 4]));
        assert_eq!((0..5000).take_while(|_| frames.pass(&update, 64_000).is_ok()).count(), 2000);
    }
}
