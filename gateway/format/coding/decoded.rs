//! What the decoders share: the codings by name, what can go wrong, and the bytes that came out so far.

/// Bytes decoded at a time.
pub(super) const PIECE: usize = 16 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Identity,
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// Why the content codings of a body can't be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodingError {
    /// A coding that the gateway does not know, or too many of them.
    Unsupported,
    /// The bytes are not in this coding.
    Corrupt(&'static str),
    /// The decoded body is too long.
    TooLarge,
}

impl Coding {
    /// The codings by name. RFC 9110 §8.4.1.3 has `x-gzip` mean the same as `gzip`.
    const NAMES: [(&'static str, Self); 6] = [
        ("identity", Self::Identity),
        ("gzip", Self::Gzip),
        ("x-gzip", Self::Gzip),
        ("deflate", Self::Deflate),
        ("br", Self::Brotli),
        ("zstd", Self::Zstd),
    ];

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, coding)| *coding)
    }

    pub(super) fn as_str(self) -> &'static str {
        Self::NAMES.iter().find(|(_, coding)| *coding == self).map_or("", |(name, _)| name)
    }
}

/// Collects the output and counts it.
pub(super) struct Decoded {
    pub(super) bytes: Vec<u8>,
    limit: usize,
}

impl Decoded {
    pub(super) fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit }
    }

    /// Appends a piece. Grows by doubling, but never over the limit.
    pub(super) fn push(&mut self, piece: &[u8]) -> Result<(), CodingError> {
        let room = self.limit - self.bytes.len();
        if piece.len() > room {
            return Err(CodingError::TooLarge);
        }
        if self.bytes.capacity() - self.bytes.len() < piece.len() {
            self.bytes.reserve_exact(self.bytes.len().max(piece.len()).min(room));
        }
        self.bytes.extend_from_slice(piece);
        Ok(())
    }
}
