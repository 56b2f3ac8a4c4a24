//! How much of a gate each client may use (`client_share`).
//!
//! The queue for turns is fair, but it only decides who comes next. A client with 300 slow calls that finds the
//! upstream idle would take every turn, and the next client would wait until the first of them ends. So each
//! client has a turnstile of its own with as many turns as its share allows, and passes it before it comes to the
//! others. Whoever waits there waits for its own client's calls only.
//!
//! In: a flow that wants a turn. Out: a [`Token`], which the turn keeps. Invariants:
//! - A client never has more tokens than its share, and every turn has a token, so no client has more turns than
//!   its share.
//! - A token is taken before the rate's door and before the turn, and nothing is waited for in the other order, so
//!   no two can wait for each other. Nobody at the door waits for its own client's calls, so the door is never
//!   blocked for others.
//! - Tokens are given back by their drop alone, turns first. A token that was given to somebody who left meanwhile
//!   goes to the next in its client's queue ([`Permits`]).
//! - A client's record lives as long as a flow or a token of it does ([`KnownClients`]).

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::known::KnownClients;
use super::permits::Permits;
use super::{Client, Flow};

/// All clients of a gate.
#[derive(Debug)]
pub(super) struct Clients {
    /// Turns that one client may have.
    permits: NonZeroUsize,
    known: KnownClients<ClientPermits>,
}

/// One client at one gate.
#[derive(Debug)]
pub(super) struct ClientPermits {
    turnstile: Permits,
    /// Its flows that wait, for its share or for a turn.
    pub(super) waiting: AtomicUsize,
}

/// The right to one turn of a client's share.
#[derive(Debug)]
pub(super) struct Token(Option<Arc<ClientPermits>>);

impl Drop for Token {
    fn drop(&mut self) {
        if let Some(client) = &self.0 {
            client.turnstile.leave();
        }
    }
}

impl Token {
    /// The token of a client whose share is all.
    pub(super) const fn unneeded() -> Self {
        Self(None)
    }

    /// Whether another call of the same client waits for it.
    pub(super) fn is_wanted(&self) -> bool {
        self.0.as_ref().is_some_and(|client| client.turnstile.has_queue())
    }
}

impl Clients {
    pub(super) fn new(permits: NonZeroUsize) -> Self {
        Self { permits, known: KnownClients::default() }
    }

    /// The record of a flow's client. Looked up once for each flow.
    pub(super) fn of<'flow>(&self, flow: &'flow Flow) -> &'flow Arc<ClientPermits> {
        flow.of_client.get_or_init(|| self.find(flow.client))
    }

    fn find(&self, client: Client) -> Arc<ClientPermits> {
        let new = || ClientPermits { turnstile: Permits::new(self.permits), waiting: AtomicUsize::new(0) };
        self.known.find(client, new)
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.known.remembered()
    }
}

impl ClientPermits {
    /// A token, if the client has one left.
    pub(super) fn try_token(self: &Arc<Self>) -> Option<Token> {
        self.turnstile.try_enter().then(|| Token(Some(Arc::clone(self))))
    }

    /// Waits for a token.
    pub(super) async fn token(self: &Arc<Self>, flow: &Flow) -> Token {
        if let Some(token) = self.try_token() {
            return token;
        }
        let held_back = HeldBack::new(flow);
        self.turnstile.enter(flow).await;
        held_back.end();
        Token(Some(Arc::clone(self)))
    }
}

/// Somebody who waits for its own client's calls. Dropped before it ends, it gave up because of them.
struct HeldBack<'flow>(&'flow Flow);

impl<'flow> HeldBack<'flow> {
    fn new(flow: &'flow Flow) -> Self {
        flow.share_waits.fetch_add(1, Ordering::Relaxed);
        Self(flow)
    }

    /// Its token came.
    fn end(self) {
        self.0.gave_up_behind_share.store(false, Ordering::Relaxed);
        std::mem::forget(self);
    }
}

impl Drop for HeldBack<'_> {
    fn drop(&mut self) {
        self.0.gave_up_behind_share.store(true, Ordering::Relaxed);
    }
}
