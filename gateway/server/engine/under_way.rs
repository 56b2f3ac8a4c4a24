//! A call under way, as metrics see it. Whatever becomes of it (an answer, a failure, a deadline that drops
//! it in the middle), it is counted as an attempt once, and is no longer in flight.

use http::StatusCode;

use super::super::snapshot::UpstreamState;
use super::BatchEngine;

/// A call whose first byte may have left.
pub(super) struct CallUnderWay<'engine> {
    engine: &'engine BatchEngine<'engine>,
    upstream: &'engine UpstreamState,
    status: Option<StatusCode>,
}

impl<'engine> CallUnderWay<'engine> {
    pub(super) fn new(engine: &'engine BatchEngine<'engine>, upstream: &'engine UpstreamState) -> Self {
        upstream.in_flight.inc();
        Self { engine, upstream, status: None }
    }

    /// The call was answered.
    pub(super) fn answered(mut self, status: StatusCode) {
        self.status = Some(status);
    }
}

impl Drop for CallUnderWay<'_> {
    fn drop(&mut self) {
        self.upstream.in_flight.dec();
        match self.status {
            Some(StatusCode::OK) => self.upstream.attempts_ok.inc(),
            Some(status) => self.engine.gateway.count_attempt(&self.upstream.settings.name, status.as_str()),
            None => self.engine.gateway.count_attempt(&self.upstream.settings.name, ""),
        }
    }
}
