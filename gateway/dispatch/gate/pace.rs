//! An upstream's rate: turns start one interval after the other, and those of a burst at once after a
//! pause. Who is next to start is the holder of the one turn of a door of its own, whose queue is as fair
//! as the gate's; the holder waits for the calls' turn, then for its time.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Metronome;

use super::turnstile::Turnstile;
use super::{Flow, Rate};

/// Lets one after the other start.
#[derive(Debug)]
pub(super) struct Pace {
    door: Turnstile,
    metronome: Mutex<Metronome>,
}

/// A turn that is given back when it is dropped.
struct Held<'pace>(&'pace Turnstile);

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

impl Pace {
    pub(super) fn new(rate: Rate) -> Self {
        Self {
            door: Turnstile::new(NonZeroUsize::MIN),
            metronome: Mutex::new(Metronome::new(rate.interval, rate.burst)),
        }
    }

    pub(super) fn has_queue(&self) -> bool {
        self.door.has_queue()
    }

    /// Takes one of the `turns` if it may start now.
    pub(super) fn try_start(&self, turns: &Turnstile) -> bool {
        if !self.door.try_enter() {
            return false;
        }
        let _door = Held(&self.door);
        if !turns.try_enter() {
            return false;
        }
        let turn = Held(turns);
        let may_start = self.tick().is_none();
        if may_start {
            turn.hand_over();
        }
        may_start
    }

    /// Takes one of the `turns` once it may start.
    pub(super) async fn start(&self, turns: &Turnstile, flow: &Flow) {
        self.door.enter(flow).await;
        let _door = Held(&self.door);
        turns.enter(flow).await;
        let turn = Held(turns);
        while let Some(wait) = self.tick() {
            tokio::time::sleep(wait).await;
        }
        turn.hand_over();
    }

    /// Starts now, or says how long that has to wait.
    fn tick(&self) -> Option<Duration> {
        self.metronome.lock().unwrap_or_else(PoisonError::into_inner).tick()
    }
}
