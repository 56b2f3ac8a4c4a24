//! A reply under construction: chunks of bytes. Large ones are shared with the reply that they came in.
//!
//! Small pieces are copied one after the other into a buffer; bodies above [`SHARED_FROM`] bytes
//! are chunks of their own and not copied at all.

use bytes::{Bytes, BytesMut};

/// Bodies at least this long (in bytes) are not copied: below, a chunk more costs more than the
/// copy.
const SHARED_FROM: usize = 16 << 10;

/// Bytes by which the buffer grows, and the most that is reserved at first.
const SEGMENT: usize = 64 << 10;

/// A growing list of chunks.
#[derive(Debug, Default)]
pub(crate) struct ChunkWriter {
    chunks: Vec<Bytes>,
    buffer: BytesMut,
    one_line: bool,
}

impl ChunkWriter {
    /// An empty one, for about `expected` bytes.
    pub(crate) fn new(expected: usize) -> Self {
        Self {
            chunks: Vec::new(),
            buffer: BytesMut::with_capacity(expected.min(4 * SEGMENT)),
            one_line: false,
        }
    }

    /// An empty one for lines of JSON: line breaks in shared bytes become blanks. All that is shared in
    /// such a document is JSON, where a line break is only white space.
    pub(crate) fn for_json_lines() -> Self {
        Self { one_line: true, ..Self::new(0) }
    }

    /// Copies the bytes to the end.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        if self.buffer.capacity() - self.buffer.len() < bytes.len() {
            self.seal();
            self.buffer.reserve(bytes.len().max(SEGMENT));
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Appends the number in decimal.
    pub(crate) fn put_number(&mut self, number: impl itoa::Integer) {
        self.put(itoa::Buffer::new().format(number).as_bytes());
    }

    /// Appends the bytes, shared if that is cheaper than copying them.
    pub(crate) fn put_shared(&mut self, bytes: Bytes) {
        let bytes = if self.one_line { on_one_line(bytes) } else { bytes };
        if bytes.len() < SHARED_FROM {
            self.put(&bytes);
        } else {
            self.seal();
            self.chunks.push(bytes);
        }
    }

    /// The chunks so far; more can follow.
    pub(crate) fn take(&mut self) -> Vec<Bytes> {
        self.seal();
        std::mem::take(&mut self.chunks)
    }

    /// The chunks; none of them is empty.
    pub(crate) fn finish(mut self) -> Vec<Bytes> {
        self.seal();
        self.chunks
    }

    /// Closes the current chunk; the rest of the buffer's memory is used for the next one.
    fn seal(&mut self) {
        if !self.buffer.is_empty() {
            self.chunks.push(self.buffer.split().freeze());
        }
    }
}

/// JSON without line breaks. Most JSON has none and is not copied.
fn on_one_line(json: Bytes) -> Bytes {
    if memchr::memchr2(b'\n', b'\r', &json).is_none() {
        return json;
    }
    let blank = |byte: u8| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte };
    json.iter().copied().map(blank).collect()
}

/// Bytes that a body adds to the buffer: none if it is shared.
pub(crate) fn copied_length(bytes: &[u8]) -> usize {
    if bytes.len() < SHARED_FROM { bytes.len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_bodies_are_shared_and_small_ones_copied() {
        let large = Bytes::from(vec![b'x'; SHARED_FROM]);
        let mut output = ChunkWriter::new(8);
        output.put(b"a");
        output.put_shared(large.clone());
        output.put_shared(Bytes::from_static(b"b"));
        output.put_number(42_u16);
        let chunks = output.finish();
        assert_eq!(chunks.len(), 3);
        assert_eq!(chunks[1].as_ptr(), large.as_ptr());
        assert_eq!(chunks[2], "b42");
    }

    #[test]
    fn json_in_lines_has_no_line_breaks() {
        let mut output = ChunkWriter::for_json_lines();
        output.put_shared(Bytes::from_static(b"{\r\n \"a\\n\": [1,\n2]\r}"));
        output.put(b"\n");
        let large = Bytes::from(vec![b'1'; SHARED_FROM]);
        output.put_shared(large.clone());
        let chunks = output.finish();
        assert_eq!(chunks[0], "{   \"a\\n\": [1, 2] }\n");
        assert_eq!(chunks[1].as_ptr(), large.as_ptr());
    }

    #[test]
    fn nothing_is_lost_when_the_buffer_is_full() {
        let mut output = ChunkWriter::new(3);
        let mut expected = Vec::new();
        for number in 0..60_000_u32 {
            output.put_number(number);
            expected.extend_from_slice(number.to_string().as_bytes());
        }
        let chunks = output.finish();
        assert!(chunks.len() > 1 && chunks.iter().all(|chunk| !chunk.is_empty()));
        assert_eq!(chunks.concat(), expected);
    }
}
