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
//!   goes to the next in its client's queue ([`Turnstile`]).
//! - A client's record lives as long as a flow or a token of it does. The map holds it weakly and is swept
//!   as it grows, so that its size follows the number of clients with something under way.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::turnstile::Turnstile;
use super::{Client, Flow};

/// The map is not swept before it has so many entries.
const FIRST_SWEEP: usize = 64;

/// All clients of a gate.
#[derive(Debug)]
pub(super) struct Clients {
    /// Turns that one client may have.
    turns: NonZeroUsize,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    clients: HashMap<Client, Weak<ClientTurns>>,
    sweep_at: usize,
}

/// One client at one gate.
#[derive(Debug)]
pub(super) struct ClientTurns {
    turnstile: Turnstile,
    /// Its flows that wait, for its share or for a turn.
    pub(super) waiting: AtomicUsize,
}

/// The right to one turn of a client's share.
#[derive(Debug)]
pub(super) struct Token(Option<Arc<ClientTurns>>);

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
    pub(super) fn new(turns: NonZeroUsize) -> Self {
        let known = Known { clients: HashMap::new(), sweep_at: FIRST_SWEEP };
        Self { turns, known: Mutex::new(known) }
    }

    /// The record of a flow's client. Looked up once for each flow.
    pub(super) fn of<'flow>(&self, flow: &'flow Flow) -> &'flow Arc<ClientTurns> {
        flow.of_client.get_or_init(|| self.find(flow.client))
    }

    fn find(&self, client: Client) -> Arc<ClientTurns> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.clients.get(&client).and_then(Weak::upgrade) {
            return found;
        }
        if known.clients.len() >= known.sweep_at {
            known.clients.retain(|_, client| client.strong_count() > 0);
            known.sweep_at = FIRST_SWEEP.max(known.clients.len() * 2);
        }
        let new =
            Arc::new(ClientTurns { turnstile: Turnstile::new(self.turns), waiting: AtomicUsize::new(0) });
        known.clients.insert(client, Arc::downgrade(&new));
        new
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clients.len()
    }
}

impl ClientTurns {
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
