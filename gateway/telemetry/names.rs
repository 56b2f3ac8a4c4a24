//! The names behind the indexes in records: labels and log fields come from the configuration only.

use crate::config::Settings;
use crate::route::{RouteIndex, UpstreamIndex};

/// The names of one configuration.
#[derive(Clone, Copy)]
pub struct Names<'settings>(pub &'settings Settings);

impl<'settings> Names<'settings> {
    /// The route's name, or nothing.
    #[must_use]
    pub fn route(self, route: Option<RouteIndex>) -> &'settings str {
        route.and_then(|index| self.0.routes.get(index)).map_or("", |route| &route.name)
    }

    /// The upstream's name, or nothing.
    #[must_use]
    pub fn upstream(self, upstream: Option<UpstreamIndex>) -> &'settings str {
        upstream.and_then(|index| self.0.upstream(index)).map_or("", |upstream| &upstream.name)
    }
}
