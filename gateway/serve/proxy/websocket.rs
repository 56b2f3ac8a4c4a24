//! Finds where the frames of a WebSocket begin (RFC 6455 §5.2), so that the gateway can put a frame of its own between two of
//! them. Payloads are skipped, not read.

/// The longest head of a frame: two bytes, eight of length, four of mask.
const MAX_HEAD: usize = 14;

/// Follows the frames of one direction.
#[derive(Debug, Default)]
pub(super) struct Frames {
    head: [u8; MAX_HEAD],
    /// Bytes of the head that have come.
    have: usize,
    /// Bytes of the payload that are still to come.
    left: u64,
}

impl Frames {
    /// Whether the next byte begins a frame.
    pub(super) const fn is_at_boundary(&self) -> bool {
        self.have == 0 && self.left == 0
    }

    /// Passes over bytes as they come.
    pub(super) fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let passed = self.pass_to_boundary(bytes);
            bytes = bytes.get(passed..).unwrap_or_default();
        }
    }

    /// Skips bytes up to the end of the current frame, or of the one that they begin. Returns their number.
    pub(super) fn pass_to_boundary(&mut self, bytes: &[u8]) -> usize {
        let mut passed = 0;
        while let Some(rest) = bytes.get(passed..).filter(|rest| !rest.is_empty()) {
            if self.left > 0 {
                let count = usize::try_from(self.left).unwrap_or(usize::MAX).min(rest.len());
                self.left -= count as u64;
                passed += count;
            } else if let (Some(byte), Some(place)) = (rest.first(), self.head.get_mut(self.have)) {
                *place = *byte;
                self.have += 1;
                passed += 1;
                self.end_head();
            }
            if self.is_at_boundary() {
                break;
            }
        }
        passed
    }

    /// Once the head is complete, its payload follows.
    fn end_head(&mut self) {
        let [_, second, length @ ..] = self.head;
        let mask = if second & 0x80 == 0 { 0 } else { 4 };
        let extended = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if self.have < 2 + extended + mask {
            return;
        }
        let written = length.get(..extended).unwrap_or_default();
        let long = written.iter().fold(0, |length, byte| length << 8 | u64::from(*byte));
        self.left = if extended == 0 { u64::from(second & 0x7f) } else { long };
        self.have = 0;
    }
}

/// Which end of a WebSocket sends a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    Client,
    Server,
}

/// A close frame that says "going away" (RFC 6455 §7.4.1). What a client sends is masked; any mask will do here.
pub(super) fn close_frame(sender: Sender) -> Vec<u8> {
    const GOING_AWAY: [u8; 2] = 1001_u16.to_be_bytes();
    if sender == Sender::Server {
        return [&[0x88, 2], &GOING_AWAY[..]].concat();
    }
    let mask: [u8; 4] = rand::random();
    let masked: Vec<_> = GOING_AWAY.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect();
    [&[0x88, 0x82], &mask[..], &masked].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(length: usize, mask: bool) -> Vec<u8> {
        let flag = if mask { 0x80 } else { 0 };
        let mut frame = vec![0x82];
        if length < 126 {
            frame.push(flag | u8::try_from(length).unwrap());
        } else if let Ok(short) = u16::try_from(length) {
            frame.push(flag | 0x7e);
            frame.extend(short.to_be_bytes());
        } else {
            frame.push(flag | 0x7f);
            frame.extend((length as u64).to_be_bytes());
        }
        if mask {
            frame.extend([1, 2, 3, 4]);
        }
        frame.resize(frame.len() + length, b'x');
        frame
    }

    #[test]
    fn frames_end_where_they_end_however_the_bytes_come() {
        for mask in [false, true] {
            for length in [0, 1, 125, 126, 65_535, 65_536, 100_000] {
                let bytes = [frame(length, mask), frame(3, mask)].concat();
                for size in [1, 2, 7, 1000, usize::MAX] {
                    let (mut frames, mut ends, mut place) = (Frames::default(), Vec::new(), 0);
                    for piece in bytes.chunks(size.min(bytes.len())) {
                        let mut rest = piece;
                        while !rest.is_empty() {
                            let passed = frames.pass_to_boundary(rest);
                            place += passed;
                            rest = &rest[passed..];
                            if frames.is_at_boundary() {
                                ends.push(place);
                            }
                        }
                    }
                    assert_eq!(ends, [frame(length, mask).len(), bytes.len()], "{mask} {length} {size}");
                }
            }
        }
    }

    #[test]
    fn a_close_frame_says_going_away() {
        assert_eq!(close_frame(Sender::Server), [0x88, 2, 0x03, 0xe9]);
        let masked = close_frame(Sender::Client);
        let (head, rest) = masked.split_at(2);
        let (mask, payload) = rest.split_at(4);
        assert_eq!(head, [0x88, 0x82]);
        let payload: Vec<_> = payload.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect();
        assert_eq!(payload, [0x03, 0xe9]);
    }
}
