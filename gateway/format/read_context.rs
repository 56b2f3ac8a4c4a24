//! What a reader knows of a batch in addition to its body.

use super::kind::Format;
use crate::batch::BatchLimits;

/// What a reader knows of a batch in addition to its body.
#[derive(Clone, Copy, Debug)]
pub struct ReadContext<'context> {
    /// What the batch may cost.
    pub limits: &'context BatchLimits,
    /// The batch's Content-Type, if it has one.
    pub content_type: Option<&'context str>,
    /// The path of the endpoint it was sent to, against which relative urls are resolved.
    pub endpoint: &'context str,
    /// The query of the request, in dialects in which it belongs to every item.
    pub query: &'context str,
    /// The authority under which the client reached the gateway.
    pub own_authority: &'context str,
    /// The format of the reply, which says whether each item needs an id of its own.
    pub reply: Format,
}
