//! A call that waits for its permit, as metrics see it.

use crate::clock::Stopwatch;
use crate::limiter::Flow;

use crate::upstream::instance::Upstream;

/// A call that waits for its permit. Its wait is recorded when this is dropped, whether the permit came or not.
pub(crate) struct Queued<'upstream> {
    upstream: &'upstream Upstream,
    flow: &'upstream Flow,
    stopwatch: Stopwatch,
}

impl<'upstream> Queued<'upstream> {
    pub(crate) fn new(upstream: &'upstream Upstream, flow: &'upstream Flow) -> Self {
        upstream.queued.inc();
        Self { upstream, flow, stopwatch: Stopwatch::start() }
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.upstream.queued.dec();
        self.upstream.share_waits.inc_by(self.flow.take_share_waits() as u64);
        self.upstream.queue_time.observe(self.stopwatch.elapsed().as_secs_f64());
    }
}
