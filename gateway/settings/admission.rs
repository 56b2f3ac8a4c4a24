//! Who may come in, and how often: the settings of it.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;

use crate::route::RouteIndex;

/// A rate limit: a token bucket for each of those that have a share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Its name.
    pub name: Arc<str>,
    /// Who has a share.
    pub per: Share,
    /// The time in which room for one comes back; not zero.
    pub period: Duration,
    /// Room after a pause.
    pub burst: NonZeroU32,
    /// The routes that it counts; `None`: all.
    pub routes: Option<Vec<RouteIndex>>,
    /// What becomes of a batch for which there is no room.
    pub batch: LimitedBatch,
    /// Shares that are remembered.
    pub max_clients: NonZeroUsize,
}

impl RateLimit {
    /// Whether it counts what meets this route.
    #[must_use]
    pub fn counts(&self, route: RouteIndex) -> bool {
        self.routes.as_ref().is_none_or(|routes| routes.contains(&route))
    }
}

/// Who has a share of a rate limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Share {
    /// Each address that connects; of IPv6 each /64 network.
    Address,
    /// Each value of a request's field; those without it have one together.
    Header(HeaderName),
    /// Each route.
    Route,
    /// All have one together.
    All,
}

/// What becomes of a batch for which a rate limit has no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LimitedBatch {
    /// As many items run as there is room for.
    #[default]
    Cut,
    /// None of it does.
    Whole,
}
