//! A call under way, as metrics and its target's circuit see it. Whatever becomes of it (an answer, a failure, a
//! deadline that drops it in the middle), it is counted as an attempt once, and is no longer in flight.

use http::StatusCode;

use crate::clock::Deadline;
use crate::dispatch::CallFailure;

use super::call::Calls;
use super::reply::Unanswered;
use crate::upstream::instance::Upstream;
use crate::upstream::lease::Lease;

/// A call whose first byte may have left.
pub(super) struct CallUnderWay<'engine> {
    upstream: &'engine Upstream,
    lease: Lease,
    /// When being dropped says that the target was too slow.
    patience: Option<Deadline>,
    status: Option<StatusCode>,
}

impl<'engine> CallUnderWay<'engine> {
    pub(super) fn new(calls: Calls<'engine>, lease: Lease, patience: Option<Deadline>) -> Self {
        let upstream = calls.upstream;
        upstream.in_flight.inc();
        Self { upstream, lease, patience, status: None }
    }

    /// The call was answered.
    pub(super) fn answered(mut self, status: StatusCode) {
        self.status = Some(status);
        self.patience = None;
        self.upstream.targets.answered(&mut self.lease, status);
    }

    /// The call brought no reply.
    pub(super) fn unanswered(mut self, unanswered: &Unanswered) {
        self.patience = None;
        if !unanswered.is_blameless() {
            self.upstream.targets.failed(&mut self.lease, unanswered.failure);
        }
    }
}

impl Drop for CallUnderWay<'_> {
    fn drop(&mut self) {
        self.upstream.in_flight.dec();
        if self.patience.is_some_and(Deadline::is_over) {
            self.upstream.targets.failed(&mut self.lease, CallFailure::ReplyTimeout);
        }
        self.upstream.count_attempt(self.status);
    }
}
