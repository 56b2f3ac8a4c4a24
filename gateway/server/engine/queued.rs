//! A call that waits for its turn, as metrics see it.

use crate::clock::Stopwatch;

use super::super::snapshot::UpstreamState;

/// A call in an upstream's queue. Its wait is recorded when it is dropped, whether its turn came or not.
pub(in super::super) struct Queued<'upstream> {
    upstream: &'upstream UpstreamState,
    stopwatch: Stopwatch,
}

impl<'upstream> Queued<'upstream> {
    pub(in super::super) fn new(upstream: &'upstream UpstreamState) -> Self {
        upstream.queued.inc();
        Self { upstream, stopwatch: Stopwatch::start() }
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.upstream.queued.dec();
        self.upstream.queue_time.observe(self.stopwatch.elapsed().as_secs_f64());
    }
}
