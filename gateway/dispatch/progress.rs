//! How far an item got. The channel that makes its call writes the marks; the dispatcher reads them, also after the call
//! was dropped in the middle.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Stopwatch;

use super::connecting::ConnectNotes;
use super::timeline::{AttemptTimes, Attempts, SpanId, Timeline};

/// Whether a byte of a call may have reached an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// None did. The call is safe to send again.
    No,
    /// Some may have. The call is safe to send again only if its method is idempotent.
    Maybe,
}

/// The progress of one item.
#[derive(Debug)]
pub struct Progress {
    queued: Stopwatch,
    ready: OnceLock<Stopwatch>,
    permit: OnceLock<Stopwatch>,
    sent: AtomicBool,
    /// All of a batch runs in one task, so nothing ever waits for this lock.
    attempts: Mutex<Marks>,
    connects: ConnectNotes,
    end: OnceLock<Stopwatch>,
}

/// The attempts that have ended; of the one under way its span, and when it heard the head of its reply.
#[derive(Debug)]
struct Marks {
    span: Option<SpanId>,
    first_byte: Option<Stopwatch>,
    ended: Attempts,
}

impl Progress {
    /// Nothing has happened yet to an item that was queued then.
    #[must_use]
    pub const fn new(queued: Stopwatch) -> Self {
        Self {
            queued,
            ready: OnceLock::new(),
            permit: OnceLock::new(),
            sent: AtomicBool::new(false),
            attempts: Mutex::new(Marks { span: None, first_byte: None, ended: Attempts::none() }),
            connects: ConnectNotes::new(),
            end: OnceLock::new(),
        }
    }

    /// What the item waited for has ended: from here on it could be started. Not needed for one that waits for no other item.
    pub(super) fn mark_ready(&self) {
        self.ready.get_or_init(Stopwatch::start);
    }

    /// The item has its permit. Returns when that was.
    pub fn mark_started(&self) -> Stopwatch {
        *self.permit.get_or_init(Stopwatch::start)
    }

    /// From here on, bytes may reach the upstream. The channel says this just before it writes. Returns when that was.
    pub fn mark_sent(&self) -> Stopwatch {
        self.sent.store(true, Ordering::Relaxed);
        Stopwatch::start()
    }

    /// What was sent since `before` was not processed, as the upstream itself said. It counts as not sent.
    pub fn take_back(&self, before: Sent) {
        self.sent.store(before == Sent::Maybe, Ordering::Relaxed);
    }

    /// Where the channel notes the targets that it could not connect to.
    #[must_use]
    pub const fn connects(&self) -> &ConnectNotes {
        &self.connects
    }

    /// The attempt that begins has this span.
    pub fn mark_span(&self, span: SpanId) {
        self.attempts.lock().span = Some(span);
    }

    /// The head of a reply was read, in the attempt that is under way.
    pub fn mark_first_byte(&self) {
        self.attempts.lock().first_byte = Some(Stopwatch::start());
    }

    /// The attempt under way has ended. `span` and `first_byte` are filled in.
    pub fn attempt_ended(&self, attempt: AttemptTimes) {
        let mut marks = self.attempts.lock();
        let (span, first_byte) = (marks.span.take(), marks.first_byte.take());
        marks.ended.push(AttemptTimes { span, first_byte, ..attempt });
    }

    /// The item has ended.
    pub(super) fn mark_ended(&self) {
        if self.has_started() {
            self.end.get_or_init(Stopwatch::start);
        }
    }

    /// Whether the item has had its permit.
    pub(super) fn has_started(&self) -> bool {
        self.permit.get().is_some()
    }

    /// The time since the item had its permit; `None` where it has not.
    #[must_use]
    pub fn elapsed(&self) -> Option<Duration> {
        self.permit.get().map(|permit| permit.elapsed())
    }

    /// Whether an attempt was sent and brought no reply: whatever a later one brings, the upstream may have acted on it.
    pub(super) fn has_lost_attempt(&self) -> bool {
        let marks = self.attempts.lock();
        marks.ended.iter().any(|attempt| attempt.status.is_none())
    }

    /// Whether bytes may have reached the upstream.
    #[must_use]
    pub fn sent(&self) -> Sent {
        if self.sent.load(Ordering::Relaxed) { Sent::Maybe } else { Sent::No }
    }

    /// Hands out the times of the item, which ends now if it has not yet.
    #[must_use]
    pub fn take_timeline(&self) -> Timeline {
        self.mark_ended();
        let mut attempts = std::mem::replace(&mut self.attempts.lock().ended, Attempts::none());
        attempts.failed_connects = self.connects.take();
        Timeline {
            queued: self.ready.get().copied().unwrap_or(self.queued),
            permit: self.permit.get().copied(),
            attempts,
            end: self.end.get().copied(),
            undo: None,
        }
    }
}
