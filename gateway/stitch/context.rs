//! What stitching needs in addition to the outcomes.

use crate::route::{RouteTable, UpstreamIndex};

/// What stitching needs in addition to the outcomes.
pub struct StitchContext<'context> {
    /// The routes, for mapping urls back.
    pub routes: &'context RouteTable,
    /// Whether an authority is a name of the upstream.
    pub is_upstream: &'context (dyn Fn(UpstreamIndex, &str) -> bool + Sync),
    /// The gateway's `scheme://authority`, as the client used it.
    pub own_origin: &'context str,
    /// The most bytes of one item's body, its content codings undone.
    pub max_item_reply: usize,
    /// The most bytes of all bodies together, their content codings undone.
    pub max_reply: usize,
    /// `return=minimal`: items below 400 have no headers and no body.
    pub minimal: bool,
}
