//! An upstream's rate: turns start one interval after the other, and those of a burst at once after a
//! pause. Who is next to start is the holder of the one turn of a door of its own, whose queue is as fair
//! as the gate's; the holder waits for the calls' turn, then for its time.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Metronome;

use super::permits::Permits;
use super::{Flow, Rate};

/// Lets one after the other start.
#[derive(Debug)]
pub(super) struct Pacer {
    door: Permits,
    metronome: Mutex<Metronome>,
}

/// A turn that is given back when it is dropped.
struct Held<'pace>(&'pace Permits);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Held<'_> {
    /// Whoever takes it over gives it back.
    fn hand_over(self) {
        std::mem::forget(self);
    }
}

impl Pacer {
    pub(super) fn new(rate: Rate) -> Self {
        Self {
            door: Permits::new(NonZeroUsize::MIN),
            metronome: Mutex::new(Metronome::new(rate.interval, rate.burst)),
        }
    }

    pub(super) fn has_queue(&self) -> bool {
        self.door.has_queue()
    }

    /// Takes one of the `permits` if it may start now.
    pub(super) fn try_start(&self, permits: &Permits) -> bool {
        if !self.door.try_enter() {
            return false;
        }
        let _door = Held(&self.door);
        if !permits.try_enter() {
            return false;
        }
        let permit = Held(permits);
        let may_start = self.tick().is_none();
        if may_start {
            permit.hand_over();
        }
        may_start
    }

    /// Takes one of the `permits` once it may start.
    pub(super) async fn start(&self, permits: &Permits, flow: &Flow) {
        self.door.enter(flow).await;
        let _door = Held(&self.door);
        permits.enter(flow).await;
        let permit = Held(permits);
        while let Some(wait) = self.tick() {
            tokio::time::sleep(wait).await;
        }
        permit.hand_over();
    }

    /// Starts now, or says how long that has to wait.
    fn tick(&self) -> Option<Duration> {
        self.metronome.lock().unwrap_or_else(PoisonError::into_inner).tick()
    }
}
