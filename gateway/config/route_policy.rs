//! What a route decides about its requests and replies, apart from where they go.
//!
//! In: the keys of a route. Out: a [`RoutePolicy`] for each route, which the settings keep by the route's index, because the
//! table of routes knows nothing of fields and replies.

use super::route::RouteDocument;

/// What a route decides about its requests and replies.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RoutePolicy {
    /// Whether replies are compressed for clients that accept it.
    pub compress: bool,
}

impl RoutePolicy {
    pub(super) const fn from_document(document: &RouteDocument) -> Self {
        Self { compress: document.compress }
    }
}
