//! A circuit breaker: closed while calls succeed, open once too many have failed in a row, and half-open when the time
//! for that is over and one call tries again.
//!
//! In: how calls went, and milliseconds on the owner's clock, which is read only while the circuit is not closed. Out:
//! whether a call may be made. It is a few atomics, so calls ask it without a lock. At most one call is the probe; its
//! holder reports the result or releases it.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::config::Breaker;

/// Milliseconds on the clock of a circuit's owner; never 0.
pub(crate) type Moment = u64;

/// Whether calls may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CircuitState {
    /// They may.
    Closed,
    /// One may, as a probe.
    HalfOpen,
    /// They may not, for this long.
    Open(Duration),
}

impl CircuitState {
    /// The words for metrics.
    pub(crate) const WORDS: [&'static str; 3] = ["closed", "half_open", "open"];

    /// The word for metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open(_) => "open",
        }
    }
}

/// A call may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Like any other.
    Free,
    /// As the probe. Its holder reports the result or releases it.
    Probe,
}

/// The circuit of one target.
#[derive(Debug, Default)]
pub(crate) struct Circuit {
    /// In a row.
    failures: AtomicUsize,
    /// 0: closed.
    open_until: AtomicU64,
    /// How often it opened since it was last closed for a good while.
    openings: AtomicU32,
    closed_at: AtomicU64,
    probing: AtomicBool,
}

impl Circuit {
    /// Whether a call may be made.
    pub(crate) fn admit(&self, now: impl FnOnce() -> Moment) -> Option<Admission> {
        let until = self.open_until.load(Ordering::Acquire);
        if until == 0 {
            return Some(Admission::Free);
        }
        if now() < until || self.probing.swap(true, Ordering::AcqRel) {
            return None;
        }
        if self.open_until.load(Ordering::Acquire) == until {
            return Some(Admission::Probe);
        }
        // Another probe has just ended.
        self.probing.store(false, Ordering::Release);
        None
    }

    /// A call succeeded. Returns whether that closed the circuit.
    pub(crate) fn succeeded(&self, admission: Admission, now: impl FnOnce() -> Moment) -> bool {
        match admission {
            Admission::Free => {
                if self.failures.load(Ordering::Relaxed) != 0 {
                    self.failures.store(0, Ordering::Relaxed);
                }
                false
            }
            Admission::Probe => {
                self.failures.store(0, Ordering::Relaxed);
                self.closed_at.store(now(), Ordering::Relaxed);
                self.open_until.store(0, Ordering::Release);
                self.probing.store(false, Ordering::Release);
                true
            }
        }
    }

    /// A call failed. Returns for how long that opened the circuit, if it did.
    pub(crate) fn failed(
        &self,
        admission: Admission,
        terms: &Breaker,
        now: Moment,
        may_open: impl FnOnce() -> bool,
    ) -> Option<Duration> {
        let until = self.open_until.load(Ordering::Acquire);
        match admission {
            Admission::Probe => {
                let opened = self.open(until, terms, now);
                self.probing.store(false, Ordering::Release);
                opened
            }
            // A call from before it opened.
            Admission::Free if until != 0 => None,
            Admission::Free => {
                let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
                if failures < terms.failures.get() || !may_open() { None } else { self.open(0, terms, now) }
            }
        }
    }

    /// A probe that said nothing about the target: another call may be the probe.
    pub(crate) fn let_go(&self, admission: Admission) {
        if admission == Admission::Probe {
            self.probing.store(false, Ordering::Release);
        }
    }

    fn open(&self, from: Moment, terms: &Breaker, now: Moment) -> Option<Duration> {
        let well_for = now.saturating_sub(self.closed_at.load(Ordering::Relaxed));
        let forgotten = from == 0 && well_for > milliseconds(terms.max);
        let openings = if forgotten { 0 } else { self.openings.load(Ordering::Relaxed) };
        let lasts = terms.base.saturating_mul(1_u32.checked_shl(openings).unwrap_or(u32::MAX)).min(terms.max);
        let until = now + milliseconds(lasts);
        // Of several failures at once one opens it.
        self.open_until.compare_exchange(from, until, Ordering::AcqRel, Ordering::Acquire).ok()?;
        self.openings.store(openings.saturating_add(1), Ordering::Relaxed);
        self.failures.store(0, Ordering::Relaxed);
        Some(lasts)
    }

    /// Its state.
    pub(crate) fn state(&self, now: impl FnOnce() -> Moment) -> CircuitState {
        match self.open_until.load(Ordering::Acquire) {
            0 => CircuitState::Closed,
            until => match until.saturating_sub(now()) {
                0 => CircuitState::HalfOpen,
                left => CircuitState::Open(Duration::from_millis(left)),
            },
        }
    }

    /// Failures in a row.
    pub(crate) fn failures(&self) -> usize {
        self.failures.load(Ordering::Relaxed)
    }

    /// Forgets everything: the breaker is off.
    pub(crate) fn reset(&self) {
        self.open_until.store(0, Ordering::Release);
        self.failures.store(0, Ordering::Relaxed);
    }
}

pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
