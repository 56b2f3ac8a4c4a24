//! The part of a limiter that each client may use (`client_share`).
//!
//! The queue for permits is fair, but it only decides which call comes next. A client with 300 slow calls that
//! finds the upstream idle would take every permit, and the next client would wait until the first of those calls
//! ends. So each client has permits of its own, as many as its share allows, and takes one of them (a [`Token`])
//! before it queues with the others. A call that waits for a token waits for calls of its own client only.
//!
//! In: a call of a flow. Out: a token, which the call's permit keeps. Invariants:
//! - A client never has more tokens than its share, and every permit has a token, so no client holds more permits
//!   than its share.
//! - A token is taken before the rate and before the permit, and nothing is waited for in the other order, so there
//!   is no deadlock. A call that waits for the rate already has its token, so it never blocks other clients.
//! - Tokens are released by their drop only, after the permit. A token that was handed to a call that was
//!   cancelled meanwhile goes to the next call in the client's queue ([`Permits`]).
//! - A client's record lives as long as one of its flows or tokens ([`KnownClients`]).

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::client::Client;
use super::known::KnownClients;
use super::permits::Permits;
use super::queue::FlowId;

/// All clients of a limiter.
#[derive(Debug)]
pub(super) struct Clients {
    /// Permits that one client may hold.
    share: NonZeroUsize,
    known: KnownClients<ClientPermits>,
}

/// One client's own permits.
#[derive(Debug)]
pub(super) struct ClientPermits {
    permits: Permits,
    /// Its flows that wait, for their share or for a permit.
    pub(super) waiting: AtomicUsize,
}

/// The right to one permit out of a client's share. Dropping it gives it to the client's next waiting call.
#[derive(Debug)]
pub(super) struct Token(Option<Arc<ClientPermits>>);

impl Drop for Token {
    fn drop(&mut self) {
        if let Some(client) = &self.0 {
            client.permits.release();
        }
    }
}

impl Token {
    /// The token of a client that may hold all permits.
    pub(super) const fn unneeded() -> Self {
        Self(None)
    }

    /// Whether another call of the same client waits for it.
    pub(super) fn is_wanted(&self) -> bool {
        self.0.as_ref().is_some_and(|client| client.permits.has_queue())
    }
}

impl Clients {
    pub(super) fn new(share: NonZeroUsize) -> Self {
        Self { share, known: KnownClients::default() }
    }

    /// The client's record, created if there is none.
    pub(super) fn find(&self, client: Client) -> Arc<ClientPermits> {
        let new = || ClientPermits { permits: Permits::new(self.share), waiting: AtomicUsize::new(0) };
        self.known.find(client, new)
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.known.remembered()
    }
}

impl ClientPermits {
    /// Takes a token if the client has one left.
    pub(super) fn try_acquire(self: &Arc<Self>) -> Option<Token> {
        self.permits.try_acquire().then(|| Token(Some(Arc::clone(self))))
    }

    /// Waits for a token.
    pub(super) async fn acquire(self: &Arc<Self>, flow: FlowId, waits: &ShareWaits) -> Token {
        if let Some(token) = self.try_acquire() {
            return token;
        }
        let wait = ShareWait::new(waits);
        self.permits.acquire(flow).await;
        wait.end();
        Token(Some(Arc::clone(self)))
    }
}

/// A flow's record of the calls that had to wait for other calls of their client.
#[derive(Debug, Default)]
pub(super) struct ShareWaits {
    /// Since the last [`Self::take`].
    count: AtomicUsize,
    /// Whether the last of them gave up.
    has_given_up: AtomicBool,
}

impl ShareWaits {
    pub(super) fn take(&self) -> usize {
        self.count.swap(0, Ordering::Relaxed)
    }

    pub(super) fn has_given_up(&self) -> bool {
        self.has_given_up.load(Ordering::Relaxed)
    }
}

/// A call that waits for its client's share. If it is dropped before [`Self::end`], the call gave up.
struct ShareWait<'flow>(&'flow ShareWaits);

impl<'flow> ShareWait<'flow> {
    fn new(waits: &'flow ShareWaits) -> Self {
        waits.count.fetch_add(1, Ordering::Relaxed);
        Self(waits)
    }

    /// The call got its token.
    fn end(self) {
        self.0.has_given_up.store(false, Ordering::Relaxed);
        std::mem::forget(self);
    }
}

impl Drop for ShareWait<'_> {
    fn drop(&mut self) {
        self.0.has_given_up.store(true, Ordering::Relaxed);
    }
}
