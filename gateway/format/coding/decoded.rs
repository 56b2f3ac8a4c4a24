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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CodingError {
    Unsupported,
    Corrupt(Coding),
    TooLarge,
}

impl Coding {
    /// The coding of a name; RFC 9110 §8.4.1.3 has `x-gzip` mean the same as `gzip`.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let names = [
            ("identity", Self::Identity),
            ("gzip", Self::Gzip),
            ("x-gzip", Self::Gzip),
            ("deflate", Self::Deflate),
            ("br", Self::Brotli),
            ("zstd", Self::Zstd),
        ];
        names.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, coding)| coding)
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
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
