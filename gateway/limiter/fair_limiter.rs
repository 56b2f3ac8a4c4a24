//! The limiter itself: shares, rate, and permits put together.

use std::ops::Deref;
use std::sync::Arc;

use super::clients::{ClientPermits, Clients, Token};
use super::flow::Flow;
use super::limits::LimiterLimits;
use super::pacer::Pacer;
use super::permits::Permits;
use super::queue_limit::{QueueFull, QueueLimit};
use super::share::ClientShare;

/// The limiter of one upstream.
#[derive(Debug)]
pub struct FairLimiter {
    limits: LimiterLimits,
    queue_limit: QueueLimit,
    /// `None` if one client may hold all permits and fill the queue.
    clients: Option<Clients>,
    permits: Permits,
    pacer: Option<Pacer>,
}

impl FairLimiter {
    /// A limiter with all its permits free.
    #[must_use]
    pub fn new(limits: LimiterLimits) -> Self {
        Self {
            limits,
            queue_limit: QueueLimit::new(limits.queue, limits.queue_of_client()),
            clients: (limits.share != ClientShare::ALL).then(|| Clients::new(limits.permits_of_client())),
            permits: Permits::new(limits.permits),
            pacer: limits.rate.map(Pacer::new),
        }
    }

    /// Its limits.
    #[must_use]
    pub const fn limits(&self) -> LimiterLimits {
        self.limits
    }

    /// How many permits are held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.limits.permits.get().saturating_sub(self.permits.free())
    }

    /// How many more calls of a flow are of use: as many as find permits free, and one that waits for its turn. None, if one
    /// waits already.
    #[must_use]
    pub fn room_for(&self, flow: &Flow) -> usize {
        if flow.is_waiting() { 0 } else { self.permits.free().max(1) }
    }

    /// Whether a call is queued for a permit. Calls that wait for their own client's share do not count.
    #[must_use]
    pub fn has_queue(&self) -> bool {
        self.permits.has_queue() || self.pacer.as_ref().is_some_and(Pacer::has_queue)
    }

    /// Takes a permit if that needs no waiting. Two compare-and-swaps; with a rate, a lock as well.
    pub fn try_acquire<L: Deref<Target = Self>>(limiter: L, flow: &Flow) -> Option<Permit<L>> {
        let token = limiter.try_take(flow)?;
        flow.admit();
        Some(Permit { limiter, token })
    }

    /// Waits for a permit. Cancel-safe: dropping the future leaves the queue.
    ///
    /// # Errors
    /// Too many flows wait already.
    pub async fn acquire<L: Deref<Target = Self>>(limiter: L, flow: &Flow) -> Result<Permit<L>, QueueFull> {
        if let Some(token) = limiter.try_take(flow) {
            flow.admit();
            return Ok(Permit { limiter, token });
        }
        let token = {
            let _queued = limiter.queue_limit.join(flow, limiter.client_of(flow).map(|client| &**client))?;
            limiter.take(flow).await
        };
        Ok(Permit { limiter, token })
    }

    #[cfg(test)]
    pub(super) fn remembered_clients(&self) -> usize {
        self.clients.as_ref().map_or(0, Clients::remembered)
    }

    fn client_of<'flow>(&self, flow: &'flow Flow) -> Option<&'flow Arc<ClientPermits>> {
        self.clients.as_ref().map(|clients| flow.client_in(clients))
    }

    /// The flow's client, if its share is smaller than the number of permits.
    fn client_with_share<'flow>(&self, flow: &'flow Flow) -> Option<&'flow Arc<ClientPermits>> {
        self.client_of(flow).filter(|_| self.limits.permits_of_client() < self.limits.permits)
    }

    /// Takes a permit, and the client's token for it if clients need one.
    fn try_take(&self, flow: &Flow) -> Option<Token> {
        let token = match self.client_with_share(flow) {
            Some(client) => client.try_acquire()?,
            None => Token::unneeded(),
        };
        let started = match &self.pacer {
            None => self.permits.try_acquire(),
            Some(pacer) => pacer.try_start(&self.permits),
        };
        started.then_some(token)
    }

    async fn take(&self, flow: &Flow) -> Token {
        let token = match self.client_with_share(flow) {
            Some(client) => client.acquire(flow.id, &flow.share_waits).await,
            None => Token::unneeded(),
        };
        match &self.pacer {
            None => self.permits.acquire(flow.id).await,
            Some(pacer) => pacer.start(&self.permits, flow.id).await,
        }
        token
    }
}

/// The right to make one call. Dropping it gives it to the next waiting call.
#[derive(Debug)]
pub struct Permit<L: Deref<Target = FairLimiter>> {
    limiter: L,
    /// Dropped after the permit was released, so that there are never more permits out than tokens.
    token: Token,
}

impl<L: Deref<Target = FairLimiter>> Permit<L> {
    /// Whether a call is queued for it.
    pub fn is_wanted(&self) -> bool {
        self.limiter.has_queue() || self.token.is_wanted()
    }
}

impl<L: Deref<Target = FairLimiter>> Drop for Permit<L> {
    fn drop(&mut self) {
        self.limiter.permits.release();
    }
}
