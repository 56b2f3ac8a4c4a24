//! What stitching needs to know in addition to the outcomes.

use crate::route::{RouteTable, UpstreamIndex};

/// What stitching needs to know in addition to the outcomes.
pub struct StitchContext<'context> {
    /// The routes, for mapping urls back.
    pub routes: &'context RouteTable,
    /// Whether an authority is one of the upstream's names for itself.
    pub is_upstream: &'context (dyn Fn(UpstreamIndex, &str) -> bool + Sync),
    /// The gateway's own `scheme://authority`, as the client used it.
    pub own_origin: &'context str,
    /// Bytes of one item's body after decoding.
    pub max_item_reply: usize,
    /// Bytes of all items' bodies together after decoding.
    pub max_reply: usize,
    /// `return=minimal`: no headers and bodies of items below 400.
    pub minimal: bool,
}
