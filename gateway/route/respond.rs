//! Fixed answers of routes.

use bytes::Bytes;
use http::StatusCode;
use http::header::{self, HeaderName, HeaderValue};

/// A fixed answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Respond {
    /// Its status.
    pub status: StatusCode,
    /// Its body.
    pub body: Bytes,
    /// The body's media type.
    pub content_type: String,
    /// Its other fields.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Respond {
    /// All its fields. An answer without a body has no media type.
    pub fn fields(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let content_type = HeaderValue::from_str(&self.content_type).ok().filter(|_| !self.body.is_empty());
        let content_type = content_type.map(|value| (header::CONTENT_TYPE, value));
        content_type.into_iter().chain(self.headers.iter().cloned())
    }

    /// A field that is not its media type.
    #[must_use]
    pub fn header(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value)
    }
}
