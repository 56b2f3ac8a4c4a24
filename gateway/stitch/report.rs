//! One item for metrics and logs.

use std::time::Duration;

use http::StatusCode;

use crate::batch::OutcomeKind;
use crate::dispatch::Timeline;
use crate::problem::Limit;
use crate::route::{RouteIndex, UpstreamIndex};

/// One item for metrics and logs.
#[derive(Clone, Debug)]
pub struct ItemReport {
    /// The route it matched, if any.
    pub route: Option<RouteIndex>,
    /// The upstream it was for, if any.
    pub upstream: Option<UpstreamIndex>,
    /// Its method's label.
    pub method: &'static str,
    /// Its final status.
    pub status: StatusCode,
    /// How it ended.
    pub outcome: OutcomeKind,
    /// When it was queued, started, sent and answered.
    pub timeline: Timeline,
    /// Why, if the gateway made the status: a word of a closed set.
    pub reason: Option<&'static str>,
    /// Whether it shared the call of another item.
    pub coalesced: bool,
    /// The limit that was exceeded, if it was one.
    pub limit: Option<Limit>,
}

impl ItemReport {
    /// From its permit to its end; `None` if it was never started.
    #[must_use]
    pub fn elapsed(&self) -> Option<Duration> {
        self.timeline.elapsed()
    }
}
