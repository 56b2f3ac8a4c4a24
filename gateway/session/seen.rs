//! What is left to say of a request and its reply once both are over, for their record.

use std::borrow::Cow;

use http::StatusCode;
use http::request::Parts;

use super::compression::Compressed;

/// What a record says of a request and its reply.
pub(crate) struct Seen<'session> {
    pub(crate) head: Cow<'session, Parts>,
    /// The status of the final reply, if its head was written.
    pub(crate) answered: Option<StatusCode>,
    /// Bytes of the request's body.
    pub(crate) bytes_in: u64,
    /// Bytes of the reply's body.
    pub(crate) bytes_out: u64,
    pub(crate) compressed: Option<Compressed>,
}

impl Seen<'_> {
    /// The same, for when the session is gone.
    pub(crate) fn into_owned(self) -> Seen<'static> {
        let Self { head, answered, bytes_in, bytes_out, compressed } = self;
        Seen { head: Cow::Owned(head.into_owned()), answered, bytes_in, bytes_out, compressed }
    }
}
