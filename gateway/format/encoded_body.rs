//! A body that was written, ready to be sent.

use std::borrow::Cow;

use bytes::Bytes;

/// Something written, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedBody {
    /// The media type, as it stands in Content-Type.
    pub content_type: Cow<'static, str>,
    /// The bytes; the large chunks are shared with the upstream's replies. None is empty.
    pub chunks: Vec<Bytes>,
}

impl EncodedBody {
    /// One piece; its media type stands elsewhere.
    #[must_use]
    pub fn of(body: Bytes) -> Self {
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
