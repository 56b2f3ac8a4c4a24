//! A body that was written, ready to be sent.

use std::borrow::Cow;

use bytes::Bytes;

/// A body that was written, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedBody {
    /// The media type, as it appears in Content-Type.
    pub content_type: Cow<'static, str>,
    /// The bytes; the large chunks are shared with the upstream's replies. None is empty.
    pub chunks: Vec<Bytes>,
}

impl EncodedBody {
    /// A body of one piece, whose media type is kept elsewhere.
    #[must_use]
    pub fn from_bytes(body: Bytes) -> Self {
        Self {
            content_type: Cow::Borrowed(""),
            chunks: if body.is_empty() { Vec::new() } else { vec![body] },
        }
    }

    /// Bytes in all chunks together.
    #[must_use]
    pub fn length(&self) -> usize {
        self.chunks.iter().map(Bytes::len).sum()
    }
}
