//! When a request is sent once more: on the terms on which an item's call is (`engine/retry.rs`). Nothing of a reply may
//! have reached the client, and the method has to be idempotent, unless nothing was sent or the upstream said that it
//! did not process the request. What has come of the body has to be held still ([`Replay`]).

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::Method;

use crate::clock::Deadline;
use crate::dispatch::{CallFailure, FailureKind, Sent};
use crate::problem::is_idempotent;
use crate::upstream::backoff::{pause_after, pause_aside};
use crate::upstream::instance::Upstream;
use crate::upstream::peer::Peer;

/// Idle connections that may turn out to be gone, and targets that may refuse, for one attempt.
const MAX_SIDESTEPS: usize = 4;

/// Bytes of a body that are held for the next attempt.
const MAX_REPLAY: usize = 64 << 10;

/// What a request has come to at its upstream.
pub(super) struct Attempts<'exchange> {
    upstream: &'exchange Upstream,
    is_idempotent: bool,
    ends: Deadline,
    pub(super) tried: Vec<SocketAddr>,
    /// Attempts so far that count for `retry.attempts`.
    made: usize,
    /// Tries in addition to that: connections that were gone, targets that refused.
    sidesteps: usize,
    /// Times that the upstream said that it did not process the request.
    asides: usize,
    /// An idle connection was gone; the next one is opened anew.
    pub(super) wants_fresh: bool,
    /// Something of it may have reached a service.
    pub(super) was_sent: bool,
    /// Why the last target could not be connected to.
    pub(super) last_failure: Option<CallFailure>,
}

/// How an attempt without a usable reply came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) failure: CallFailure,
    /// The connection had been idle, and not one byte of a reply came.
    pub(super) is_stale: bool,
    /// The client, which sends its body still, is not the reason.
    pub(super) is_body_sent: bool,
}

impl<'exchange> Attempts<'exchange> {
    pub(super) fn new(upstream: &'exchange Upstream, method: &Method, ends: Deadline) -> Self {
        Self {
            upstream,
            is_idempotent: is_idempotent(method),
            ends,
            tried: Vec::new(),
            made: 0,
            sidesteps: 0,
            asides: 0,
            wants_fresh: false,
            was_sent: false,
            last_failure: None,
        }
    }

    pub(super) const fn sent(&self) -> Sent {
        if self.was_sent { Sent::Maybe } else { Sent::No }
    }

    /// A connection could not be opened. After which pause the next target is tried; `None`: no more.
    pub(super) fn after_connect(&mut self, failure: CallFailure) -> Option<Duration> {
        let is_next = self.upstream.targets.has_other(&self.tried) && self.may_sidestep();
        if is_next {
            return Some(Duration::ZERO);
        }
        // A TLS failure won't go away.
        let may_help = failure != CallFailure::TlsHandshake && self.upstream.settings.retry.on.count(failure);
        if may_help { self.grant("connect", Duration::ZERO) } else { None }
    }

    /// The exchange on an open connection failed before a reply. After which pause it is tried again.
    pub(super) fn after_exchange(&mut self, peer: &Peer, lost: Lost, replay: &Replay) -> Option<Duration> {
        if !replay.is_complete() {
            self.was_sent |= lost.failure != CallFailure::NotProcessed;
            return None;
        }
        if lost.failure == CallFailure::NotProcessed {
            return self.aside(peer);
        }
        // RFC 9110 §9.2.2, RFC 9112 §9.3.1: that is no fault of the target, so it needs no budget.
        if lost.is_stale && self.is_idempotent && self.may_sidestep() {
            self.count("stale");
            self.tried.retain(|address| *address != peer.address);
            self.wants_fresh = true;
            return Some(Duration::ZERO);
        }
        self.was_sent = true;
        let reason = match lost.failure.kind() {
            Some(FailureKind::Timeout) => "timeout",
            Some(FailureKind::Lost | FailureKind::Connect) => "lost",
            None => return None,
        };
        let may_help = self.is_idempotent && self.upstream.settings.retry.on.count(lost.failure);
        if may_help { self.grant(reason, Duration::ZERO) } else { None }
    }

    /// When an attempt is given up for another one (`retry.timeout`), if it may be followed by one.
    pub(super) fn timeout(&self) -> Option<Duration> {
        let retry = &self.upstream.settings.retry;
        let may_follow = self.is_idempotent && self.made + 1 < retry.attempts.get() && retry.on.timeout;
        retry.timeout.filter(|_| may_follow)
    }

    /// The reply did not come within `retry.timeout`.
    pub(super) fn after_timeout(&mut self, replay: &Replay) -> Option<Duration> {
        let pause = if replay.is_complete() { self.grant("timeout", Duration::ZERO) } else { None };
        self.was_sent |= pause.is_some();
        pause
    }

    /// The upstream answered with a status that is to be asked again.
    pub(super) fn after_status(&mut self, wanted: Duration, replay: &Replay) -> Option<Duration> {
        self.was_sent = true;
        if self.is_idempotent && replay.is_complete() { self.grant("status", wanted) } else { None }
    }

    /// RFC 9113 §8.7: safe for every method, and no fault of the target. The first time at once, then after pauses.
    fn aside(&mut self, peer: &Peer) -> Option<Duration> {
        let pause = pause_aside(self.asides, self.ends.remaining())?;
        self.asides += 1;
        self.count("refused");
        if !self.upstream.targets.has_other(&self.tried) {
            self.tried.retain(|address| *address != peer.address);
        }
        Some(pause)
    }

    const fn may_sidestep(&mut self) -> bool {
        self.sidesteps += 1;
        self.sidesteps <= MAX_SIDESTEPS
    }

    /// Takes one retry from the upstream's budget, if there is time for it.
    fn grant(&mut self, reason: &'static str, wanted: Duration) -> Option<Duration> {
        let settings = &self.upstream.settings;
        let made = self.made + 1;
        let pause = pause_after(made).max(wanted);
        if made >= settings.retry.attempts.get()
            || pause >= settings.timeout.item
            || pause >= self.ends.remaining()
        {
            return None;
        }
        if !self.upstream.take_retry(reason) {
            return None;
        }
        if !self.upstream.targets.has_other(&self.tried) {
            self.tried.clear();
        }
        self.made = made;
        self.sidesteps = 0;
        Some(pause)
    }

    fn count(&self, reason: &'static str) {
        self.upstream.count_retry(reason);
    }
}

/// What has come of a request's body, for another attempt.
#[derive(Default)]
pub(super) struct Replay {
    pieces: Vec<Bytes>,
    bytes: usize,
    is_cut: bool,
}

impl Replay {
    pub(super) fn add(&mut self, piece: &Bytes) {
        self.bytes += piece.len();
        if self.bytes > MAX_REPLAY {
            self.is_cut = true;
            self.pieces.clear();
        } else {
            self.pieces.push(piece.clone());
        }
    }

    /// Whether all that has come is held.
    pub(super) const fn is_complete(&self) -> bool {
        !self.is_cut
    }

    pub(super) fn pieces(&self) -> impl Iterator<Item = Bytes> + '_ {
        self.pieces.iter().cloned()
    }
}
