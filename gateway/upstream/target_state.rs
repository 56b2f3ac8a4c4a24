//! The state of a target at one address: its circuit, its health, whether it was taken out by hand, its calls under way, and
//! since when it is back.
//!
//! It outlives a reload and another look-up of the name: the peers before and after share it. All of it is atomics, because
//! every call reads it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::clock::Stopwatch;
use crate::telemetry::TargetCounts;

use super::circuit::{Circuit, CircuitState, Moment, milliseconds};

/// The smallest share of its calls, which a target gets when it has just come back.
const LEAST_SHARE: f64 = 0.1;

/// If this many idle connections in a row were gone, the next one is expected to be gone too.
const GONE_TOO_OFTEN: u32 = 3;

/// From then on, one call of this many tries an idle connection again, in case the service has changed.
const TRIED_AGAIN: u32 = 32;

/// One address of a target.
#[derive(Debug)]
pub(crate) struct TargetState {
    pub(crate) counts: TargetCounts,
    pub(crate) circuit: Circuit,
    healthy: AtomicBool,
    /// By hand. All addresses of a target share it.
    taken_out: Arc<AtomicBool>,
    in_flight: AtomicUsize,
    /// 0: it has been there for long enough.
    back_since: AtomicU64,
    clock: Stopwatch,
    /// Idle connections to it that turned out to be gone, since one last served.
    gone_in_a_row: AtomicU32,
}

impl TargetState {
    pub(crate) fn new(taken_out: Arc<AtomicBool>, counts: TargetCounts) -> Self {
        Self {
            counts,
            circuit: Circuit::default(),
            healthy: AtomicBool::new(true),
            taken_out,
            in_flight: AtomicUsize::new(0),
            back_since: AtomicU64::new(0),
            clock: Stopwatch::start(),
            gone_in_a_row: AtomicU32::new(0),
        }
    }

    /// Milliseconds since shortly before it was first known.
    pub(crate) fn now(&self) -> Moment {
        milliseconds(self.clock.elapsed()) + 1
    }

    /// An idle connection to it turned out to be gone.
    pub(crate) fn idle_was_gone(&self) {
        self.gone_in_a_row.fetch_add(1, Ordering::Relaxed);
    }

    /// An idle connection to it carried another call.
    pub(crate) fn idle_served(&self) {
        if self.gone_in_a_row.load(Ordering::Relaxed) > 0 {
            self.gone_in_a_row.store(0, Ordering::Relaxed);
        }
    }

    /// Whether a call may rely on its idle connections. Some services close after each reply and don't say so.
    pub(crate) fn keeps_idle(&self) -> bool {
        if self.gone_in_a_row.load(Ordering::Relaxed) < GONE_TOO_OFTEN {
            return true;
        }
        self.gone_in_a_row.fetch_add(1, Ordering::Relaxed).is_multiple_of(TRIED_AGAIN)
    }

    /// Whether it was taken out by hand.
    pub(crate) fn is_taken_out(&self) -> bool {
        self.taken_out.load(Ordering::Relaxed)
    }

    /// Whether its health checks succeed. It is, if there are none.
    pub(crate) fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }

    /// Sets what its health checks have found.
    pub(crate) fn set_healthy(&self, healthy: bool) {
        if !self.healthy.swap(healthy, Ordering::Relaxed) && healthy {
            self.is_back();
        }
    }

    /// From here on its share grows.
    pub(crate) fn is_back(&self) {
        self.back_since.store(self.now(), Ordering::Relaxed);
    }

    /// The state of its circuit.
    pub(crate) fn circuit_state(&self) -> CircuitState {
        self.circuit.state(|| self.now())
    }

    /// Its failures in a row.
    pub(crate) fn failures(&self) -> usize {
        self.circuit.failures()
    }

    /// Calls under way.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(crate) fn begin(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn end(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// The part of its calls that it gets: from a tenth, when it came back, to 1 after `slow_start`.
    pub(crate) fn share(&self, slow_start: Duration) -> f64 {
        let since = self.back_since.load(Ordering::Relaxed);
        if since == 0 {
            return 1.0;
        }
        let back_for = Duration::from_millis(self.now().saturating_sub(since));
        if back_for >= slow_start {
            self.back_since.store(0, Ordering::Relaxed);
            return 1.0;
        }
        back_for.div_duration_f64(slow_start).max(LEAST_SHARE)
    }
}
