//! An attempt under way, as metrics, its target's circuit and its item's timeline see it. Whatever becomes of it (a reply, a
//! failure, a deadline that drops it in the middle), it is counted and recorded once, and is no longer in flight.

use std::sync::Arc;

use http::StatusCode;

use crate::clock::{Deadline, Stopwatch};
use crate::dispatch::{Attempt, AttemptTimes, CallFailure, Progress};

use super::context::Sending;
use super::reply::Unanswered;
use crate::telemetry::Connected;
use crate::upstream::instance::Upstream;
use crate::upstream::lease::Lease;

/// An attempt whose first byte may have left. Dropping it ends it.
pub(super) struct CallUnderWay<'call> {
    upstream: &'call Upstream,
    lease: Lease,
    progress: &'call Progress,
    connected: Option<Stopwatch>,
    sent: Stopwatch,
    /// When being dropped says that the target was too slow.
    patience: Option<Deadline>,
    status: Option<StatusCode>,
}

impl<'call> CallUnderWay<'call> {
    /// The first byte is about to be written, on a connection that was opened then; `None`: on one that was open already.
    pub(super) fn new(
        upstream: &'call Upstream,
        lease: Lease,
        sending: Sending<'call>,
        connected: Option<Stopwatch>,
    ) -> Self {
        upstream.in_flight.inc();
        let Sending { attempt: Attempt { progress, .. }, patience, .. } = sending;
        let sent = progress.mark_sent();
        Self { upstream, lease, progress, connected, sent, patience, status: None }
    }

    /// The target answered.
    pub(super) fn answered(mut self, status: StatusCode) {
        self.status = Some(status);
        self.patience = None;
        self.upstream.pace.note(self.sent.elapsed());
        self.upstream.targets.answered(&mut self.lease, status);
    }

    /// The call is to be sent again, because it shared its connection with others. Its target is not at fault.
    pub(super) fn sent_away(mut self) {
        self.patience = None;
    }

    /// The attempt brought no reply. A connection that was open before may have been closed by then, which is nobody's
    /// fault.
    pub(super) fn unanswered(mut self, mut unanswered: Unanswered) -> Unanswered {
        unanswered.stale = self.connected.is_none() && unanswered.nothing_received;
        self.patience = None;
        // A target is not at fault if its idle connection was closed, or if it did not process the call.
        if !unanswered.stale && unanswered.failure != CallFailure::NotProcessed {
            self.upstream.targets.failed(&mut self.lease, unanswered.failure);
        }
        unanswered
    }
}

impl Drop for CallUnderWay<'_> {
    fn drop(&mut self) {
        self.upstream.in_flight.dec();
        if self.patience.is_some_and(Deadline::is_over) {
            self.upstream.targets.failed(&mut self.lease, CallFailure::ReplyTimeout);
        }
        self.upstream.count_attempt(self.status);
        let end = Stopwatch::start();
        let connected = if self.connected.is_some() { Connected::Anew } else { Connected::Before };
        self.lease.peer().state.counts.attempt(self.status, end.since(self.sent), connected);
        self.progress.attempt_ended(AttemptTimes {
            target: Arc::clone(&self.lease.peer().name),
            span: None,
            connected: self.connected,
            sent: self.sent,
            first_byte: None,
            end,
            status: self.status,
        });
    }
}
