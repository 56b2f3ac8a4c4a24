//! The question about a client that goes to the service of `auth.forward`.

use crate::header::forwarded::ForwardedBy;
use crate::plan::Call;

/// What the service is asked: a GET without a body.
pub(crate) struct Question {
    pub(crate) call: Call,
    /// The fields of the hop. They name the method and the url of the request that it is about.
    pub(crate) hop: ForwardedBy,
}
