//! What the decoders share: the codings by name, the list of those of a body, and what can go wrong.

use crate::words::words;

/// Bytes decoded at a time.
pub(super) const PIECE: usize = 16 << 10;

/// The codings that bodies of requests may have, for Accept-Encoding in a reply (RFC 9110 §12.5.3).
pub(crate) const REQUEST_CODINGS: &str = "gzip, deflate, br, zstd";

/// Codings applied one after the other; more are an attack or a mistake.
const MAX_CODINGS: usize = 2;

words! {
    /// A content coding.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Coding {
        Identity = "identity",
        Gzip = "gzip",
        Deflate = "deflate",
        Brotli = "br",
        Zstd = "zstd",
    }
}

/// Why the content codings of a body can't be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodingError {
    /// A coding that the gateway does not know, or too many of them.
    #[error("the body's content coding is not supported")]
    Unsupported,
    /// The bytes are not in this coding.
    #[error("the body is not valid {0}")]
    Corrupt(&'static str),
    /// The decoded body is too long.
    #[error("the decoded body is too long")]
    TooLarge,
}

/// The content codings of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Codings {
    /// The one that was applied first.
    pub(super) inner: Coding,
    /// The one that was applied last, and is undone first.
    pub(super) outer: Coding,
}

impl Codings {
    /// Reads the value of Content-Encoding (those of several fields joined by commas), which lists them in the order they
    /// were applied.
    ///
    /// # Errors
    /// One is unknown, or there are more than two.
    pub(crate) fn parse(content_encoding: &str) -> Result<Self, CodingError> {
        let names = content_encoding.split(',').map(str::trim).filter(|name| !name.is_empty());
        let known = |name| Coding::parse(name).ok_or(CodingError::Unsupported);
        let codings = names.take(MAX_CODINGS + 1).map(known).collect::<Result<Vec<_>, _>>()?;
        match codings[..] {
            [] => Ok(Self { inner: Coding::Identity, outer: Coding::Identity }),
            [only] => Ok(Self { inner: Coding::Identity, outer: only }),
            [inner, outer] => Ok(Self { inner, outer }),
            [..] => Err(CodingError::Unsupported),
        }
    }

    /// The bytes that decoders for a body of at most `limit` bytes hold: mostly their windows.
    pub(crate) fn memory(self, limit: usize) -> usize {
        self.inner.memory(limit) + self.outer.memory(limit)
    }

    /// The coding of the bytes as they come, for metrics.
    pub(crate) const fn outermost(self) -> Coding {
        if matches!(self.outer, Coding::Identity) { self.inner } else { self.outer }
    }
}

impl Coding {
    /// RFC 9110 §8.4.1.3 has `x-gzip` mean the same as `gzip`.
    fn parse(name: &str) -> Option<Self> {
        let is_old_gzip = name.eq_ignore_ascii_case("x-gzip");
        let named = |coding: &Self| coding.as_str().eq_ignore_ascii_case(name);
        if is_old_gzip { Some(Self::Gzip) } else { Self::ALL.into_iter().find(named) }
    }

    /// What its decoder holds. A window fills as bytes come out.
    fn memory(self, limit: usize) -> usize {
        match self {
            Self::Identity => 0,
            Self::Gzip | Self::Deflate => 64 << 10,
            Self::Brotli => (512 << 10) + limit.min(16 << 20),
            Self::Zstd => (512 << 10) + limit.min(8 << 20),
        }
    }
}
