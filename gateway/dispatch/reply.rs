//! The complete reply of an upstream to one call.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::header::spelling::Spellings;

/// An upstream's complete reply.
#[derive(Clone, Debug, PartialEq)]
pub struct UpstreamReply {
    /// Its final status.
    pub status: StatusCode,
    /// Its fields as received.
    pub headers: HeaderMap,
    /// How the names of its fields were spelt.
    pub spellings: Spellings,
    /// Its body as received: transfer codings are undone, content codings are not.
    pub body: Bytes,
}

impl UpstreamReply {
    /// Bytes of its fields and its body, as a [`ReplyBudget`](super::ReplyBudget) counts them.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let fields: usize = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        fields + self.body.len()
    }
}
