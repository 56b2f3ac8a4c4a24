//! An upstream's gate: who may call it, and when. It has so many turns; whoever wants one more waits in a
//! queue that is shared fairly ([`queue`]). Where the upstream has a rate, turns start at its pace.
//!
//! A [`Flow`] is one batch, or one request that is no batch. Free turns are taken without a lock; only
//! who has to wait locks and allocates.

mod client;
mod long_lived;
mod pace;
mod queue;
mod share;
mod turnstile;

use std::num::NonZeroUsize;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

pub use client::Client;
pub use long_lived::{LongLived, LongLivedFull, LongLivedGuard, LongLivedLimits};
pub use share::ClientShare;

use pace::Pace;
use turnstile::Turnstile;

/// What a gate lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GateLimits {
    /// Turns at once.
    pub turns: NonZeroUsize,
    /// Flows that may be waiting when one more comes to wait; beyond that it is turned away.
    pub queue: usize,
    /// How fast turns may start.
    pub rate: Option<Rate>,
}

/// So many starts in a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// From one start to the next.
    pub interval: Duration,
    /// Starts that may come at once after a pause.
    pub burst: NonZeroUsize,
}

/// Too many wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueFull;

/// One batch, or one request, before one gate. Its calls wait in the order in which they came.
#[derive(Debug)]
pub struct Flow {
    client: Client,
    number: u64,
    /// One of its calls was let in. From then on none is turned away: a batch is shed before it starts,
    /// not in the middle.
    is_known: AtomicBool,
}

impl Flow {
    /// A new flow for this client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self { client, number: NEXT.fetch_add(1, Ordering::Relaxed), is_known: AtomicBool::new(false) }
    }

    fn is_known(&self) -> bool {
        self.is_known.load(Ordering::Relaxed)
    }

    fn let_in(&self) {
        if !self.is_known() {
            self.is_known.store(true, Ordering::Relaxed);
        }
    }
}

/// An upstream's gate.
#[derive(Debug)]
pub struct Gate {
    limits: GateLimits,
    turns: Turnstile,
    pace: Option<Pace>,
}

impl Gate {
    /// A gate with all its turns free.
    #[must_use]
    pub fn new(limits: GateLimits) -> Self {
        Self {
            limits,
            turns: Turnstile::new(limits.turns, limits.queue),
            pace: limits.rate.map(|rate| Pace::new(rate, limits.queue)),
        }
    }

    /// What it lets through.
    #[must_use]
    pub const fn limits(&self) -> GateLimits {
        self.limits
    }

    /// Whether somebody waits for a turn.
    #[must_use]
    pub fn has_queue(&self) -> bool {
        self.turns.has_queue() || self.pace.as_ref().is_some_and(Pace::has_queue)
    }

    /// A turn, if there is one without waiting. One compare-and-swap; with a rate, a lock as well.
    pub fn try_enter<G: Deref<Target = Self>>(gate: G, flow: &Flow) -> Option<Turn<G>> {
        let started = match &gate.pace {
            None => gate.turns.try_enter(),
            Some(pace) => pace.try_start(&gate.turns),
        };
        started.then(|| {
            flow.let_in();
            Turn(gate)
        })
    }

    /// Waits for a turn. Dropping the future leaves the queue.
    ///
    /// # Errors
    /// Too many wait already.
    pub async fn enter<G: Deref<Target = Self>>(gate: G, flow: &Flow) -> Result<Turn<G>, QueueFull> {
        match &gate.pace {
            None => gate.turns.enter(flow).await?,
            Some(pace) => pace.start(&gate.turns, flow).await?,
        }
        Ok(Turn(gate))
    }
}

/// A turn, given back when it is dropped.
#[derive(Debug)]
pub struct Turn<G: Deref<Target = Gate>>(G);

impl<G: Deref<Target = Gate>> Turn<G> {
    /// Whether somebody waits for it.
    pub fn is_wanted(&self) -> bool {
        self.0.has_queue()
    }
}

impl<G: Deref<Target = Gate>> Drop for Turn<G> {
    fn drop(&mut self) {
        self.0.turns.leave();
    }
}

#[cfg(test)]
mod tests;
