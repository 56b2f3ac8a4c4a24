//! An upstream's rate: calls start one interval after the other; after a pause, those of a burst start together.
//!
//! The call that is next to start holds the single permit of a queue of its own, which is as fair as the limiter's.
//! The holder waits for one of the upstream's permits first and for its time to start second.

use std::num::NonZeroUsize;
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Metronome;

use super::limits::Rate;
use super::permits::Permits;
use super::queue::FlowId;

/// Starts calls at a rate.
#[derive(Debug)]
pub(super) struct Pacer {
    /// One permit: its holder is the next to start.
    next: Permits,
    metronome: Mutex<Metronome>,
}

/// A permit that is released when this is dropped.
struct Held<'pacer>(&'pacer Permits);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.release();
    }
}

impl Held<'_> {
    /// Leaves it to the caller to release the permit.
    fn hand_over(self) {
        std::mem::forget(self);
    }
}

impl Pacer {
    pub(super) fn new(rate: Rate) -> Self {
        Self {
            next: Permits::new(NonZeroUsize::MIN),
            metronome: Mutex::new(Metronome::new(rate.interval, rate.burst)),
        }
    }

    pub(super) fn has_queue(&self) -> bool {
        self.next.has_queue()
    }

    /// Takes one of the `permits` if a call may start now.
    pub(super) fn try_start(&self, permits: &Permits) -> bool {
        if !self.next.try_acquire() {
            return false;
        }
        let _next = Held(&self.next);
        if !permits.try_acquire() {
            return false;
        }
        let permit = Held(permits);
        let may_start = self.tick().is_none();
        if may_start {
            permit.hand_over();
        }
        may_start
    }

    /// Takes one of the `permits` once the call may start.
    pub(super) async fn start(&self, permits: &Permits, flow: FlowId) {
        self.next.acquire(flow).await;
        let _next = Held(&self.next);
        permits.acquire(flow).await;
        let permit = Held(permits);
        while let Some(wait) = self.tick() {
            tokio::time::sleep(wait).await;
        }
        permit.hand_over();
    }

    /// `None` if a call starts now; otherwise how long it has to wait.
    fn tick(&self) -> Option<Duration> {
        self.metronome.lock().tick()
    }
}
