//! An upstream's gate: who may call it, and when. It has so many turns; whoever wants one more waits in a
//! queue that is shared fairly ([`queue`]). No client has more turns at once than its share ([`clients`]), nor more
//! places in the queue ([`line`]). Where the upstream has a rate, turns start at its pace ([`pace`]). Exchanges that
//! stay open hold no turn and are counted by themselves ([`long_lived`]).
//!
//! A call goes through three places, always in this order: its client's share, the rate's door, the turns. A
//! [`Flow`] is one batch, or one request that is no batch. Free turns are taken without a lock; only
//! who has to wait locks and allocates.

mod client;
mod clients;
mod known;
mod line;
mod long_lived;
mod pacer;
mod queue;
mod share;
mod permits;

use std::num::NonZeroUsize;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub(crate) use client::Client;
pub(crate) use known::KnownClients;
pub(crate) use long_lived::{LongLived, LongLivedFull, LongLivedGuard, LongLivedLimits};
pub(crate) use share::ClientShare;

use clients::{ClientPermits, Clients, Token};
use line::Line;
use pacer::Pacer;
use permits::Permits;

/// What a gate lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimiterLimits {
    /// Turns at once.
    pub permits: NonZeroUsize,
    /// Flows that may be waiting when one more comes to wait; beyond that it is turned away.
    pub queue: usize,
    /// The most of both that one client may have.
    pub share: ClientShare,
    /// How fast turns may start.
    pub rate: Option<Rate>,
}

impl LimiterLimits {
    /// Turns that one client may have at once.
    #[must_use]
    pub fn turns_of_client(&self) -> NonZeroUsize {
        self.share.of(self.permits)
    }

    /// Flows of one client that may be waiting.
    fn queue_of_client(&self) -> usize {
        NonZeroUsize::new(self.queue).map_or(0, |queue| self.share.of(queue).get())
    }
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
pub enum QueueFull {
    /// Of all clients (`queue`).
    All,
    /// Of this client (`client_share`).
    OfClient,
}

/// One batch, or one request, before one gate. Its calls wait in the order in which they came.
#[derive(Debug)]
pub struct Flow {
    client: Client,
    number: u64,
    /// One of its calls was let in. From then on none is turned away: a batch is shed before it starts,
    /// not in the middle.
    is_known: AtomicBool,
    /// Its client at the gate, once that was looked up.
    of_client: OnceLock<Arc<ClientPermits>>,
    /// Its calls that wait now.
    waiting: AtomicUsize,
    /// Its calls that had to wait for their client's share, since that was last asked.
    share_waits: AtomicUsize,
    /// The last of its calls that waited for their client's share gave up.
    gave_up_behind_share: AtomicBool,
}

impl Flow {
    /// A new flow for this client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            client,
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            is_known: AtomicBool::new(false),
            of_client: OnceLock::new(),
            waiting: AtomicUsize::new(0),
            share_waits: AtomicUsize::new(0),
            gave_up_behind_share: AtomicBool::new(false),
        }
    }

    /// How many of its calls had to wait for calls of their own client since this was last asked.
    pub fn take_share_waits(&self) -> usize {
        self.share_waits.swap(0, Ordering::Relaxed)
    }

    /// Whether the last of its calls that waited for calls of their own client was given up meanwhile.
    #[must_use]
    pub fn was_held_back(&self) -> bool {
        self.gave_up_behind_share.load(Ordering::Relaxed)
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
pub struct FairLimiter {
    limits: LimiterLimits,
    line: Line,
    /// `None` where a client's share is all.
    clients: Option<Clients>,
    permits: Permits,
    pace: Option<Pacer>,
}

impl FairLimiter {
    /// A gate with all its turns free.
    #[must_use]
    pub fn new(limits: LimiterLimits) -> Self {
        Self {
            limits,
            line: Line::new(limits.queue, limits.queue_of_client()),
            clients: (limits.share != ClientShare::ALL).then(|| Clients::new(limits.turns_of_client())),
            permits: Permits::new(limits.permits),
            pace: limits.rate.map(Pacer::new),
        }
    }

    /// What it lets through.
    #[must_use]
    pub const fn limits(&self) -> LimiterLimits {
        self.limits
    }

    /// Whether somebody waits for a turn. Those who wait for their own client's calls don't.
    #[must_use]
    pub fn has_queue(&self) -> bool {
        self.permits.has_queue() || self.pace.as_ref().is_some_and(Pacer::has_queue)
    }

    /// A turn, if there is one without waiting. Two compare-and-swaps; with a rate, a lock as well.
    pub fn try_enter<G: Deref<Target = Self>>(limiter: G, flow: &Flow) -> Option<Permit<G>> {
        let token = limiter.try_take(flow)?;
        flow.let_in();
        Some(Permit { limiter, token })
    }

    /// Waits for a turn. Dropping the future leaves the queue.
    ///
    /// # Errors
    /// Too many wait already.
    pub async fn enter<G: Deref<Target = Self>>(limiter: G, flow: &Flow) -> Result<Permit<G>, QueueFull> {
        if let Some(token) = limiter.try_take(flow) {
            flow.let_in();
            return Ok(Permit { limiter, token });
        }
        let token = {
            let _in_line = limiter.line.join(flow, limiter.client_of(flow).map(|client| &**client))?;
            limiter.take(flow).await
        };
        Ok(Permit { limiter, token })
    }

    fn client_of<'flow>(&self, flow: &'flow Flow) -> Option<&'flow Arc<ClientPermits>> {
        self.clients.as_ref().map(|clients| clients.of(flow))
    }

    /// A flow's client, where it may not have all turns.
    fn client_with_share<'flow>(&self, flow: &'flow Flow) -> Option<&'flow Arc<ClientPermits>> {
        self.client_of(flow).filter(|_| self.limits.turns_of_client() < self.limits.permits)
    }

    /// Takes a turn, and the token for it where clients need one.
    fn try_take(&self, flow: &Flow) -> Option<Token> {
        let token = match self.client_with_share(flow) {
            Some(client) => client.try_token()?,
            None => Token::unneeded(),
        };
        let started = match &self.pace {
            None => self.permits.try_enter(),
            Some(pace) => pace.try_start(&self.permits),
        };
        started.then_some(token)
    }

    async fn take(&self, flow: &Flow) -> Token {
        let token = match self.client_with_share(flow) {
            Some(client) => client.token(flow).await,
            None => Token::unneeded(),
        };
        match &self.pace {
            None => self.permits.enter(flow).await,
            Some(pace) => pace.start(&self.permits, flow).await,
        }
        token
    }
}

/// A turn, given back when it is dropped.
#[derive(Debug)]
pub struct Permit<G: Deref<Target = FairLimiter>> {
    limiter: G,
    /// Given back after the turn, so that there are never more turns than tokens.
    token: Token,
}

impl<G: Deref<Target = FairLimiter>> Permit<G> {
    /// Whether somebody waits for it.
    pub fn is_wanted(&self) -> bool {
        self.limiter.has_queue() || self.token.is_wanted()
    }
}

impl<G: Deref<Target = FairLimiter>> Drop for Permit<G> {
    fn drop(&mut self) {
        self.limiter.permits.leave();
    }
}

#[cfg(test)]
mod tests;
