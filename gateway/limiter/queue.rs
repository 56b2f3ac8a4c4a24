//! The calls that wait, and which of them is next: round robin over clients, within a client over its flows, within
//! a flow first come, first served. A batch of two that arrives after ten batches of a thousand waits for one round,
//! not for thousands of calls.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::task::Waker;

use super::client::Client;

/// Identifies a flow.
#[derive(Clone, Copy, Debug)]
pub(super) struct FlowId {
    pub(super) client: Client,
    pub(super) number: u64,
}

/// A place in the queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    flow: FlowId,
    number: u64,
}

/// The waiting calls. Every operation takes logarithmic time.
#[derive(Debug, Default)]
pub(super) struct Queue {
    clients: Ring<Client, Ring<u64, BTreeMap<u64, Waker>>>,
    /// Flows with a waiting call.
    flows: usize,
    next_number: u64,
}

impl Queue {
    /// Takes a place behind the other calls of the flow.
    pub(super) fn join(&mut self, flow: FlowId, waker: Waker) -> Place {
        let place = Place { flow, number: self.next_number };
        self.next_number += 1;
        let waiting = self.clients.member(flow.client).member(flow.number);
        self.flows += usize::from(waiting.is_empty());
        waiting.insert(place.number, waker);
        place
    }

    /// Takes the next call out of the queue.
    pub(super) fn next(&mut self) -> Option<Waker> {
        let (client, flows) = self.clients.first()?;
        let (flow, waiting) = flows.first()?;
        let (_, waker) = waiting.pop_first()?;
        if waiting.is_empty() {
            flows.remove(flow);
            self.flows -= 1;
        } else {
            flows.move_to_end(flow);
        }
        if flows.is_empty() {
            self.clients.remove(client);
        } else {
            self.clients.move_to_end(client);
        }
        Some(waker)
    }

    /// Whether the place is still in the queue. If it is, `waker` replaces its waker.
    pub(super) fn is_waiting(&mut self, place: Place, waker: &Waker) -> bool {
        let waiting = self.clients.get(place.flow.client).and_then(|flows| flows.get(place.flow.number));
        let Some(held) = waiting.and_then(|waiting| waiting.get_mut(&place.number)) else { return false };
        held.clone_from(waker);
        true
    }

    /// Gives up a place. Returns whether it was still in the queue.
    pub(super) fn give_up(&mut self, place: Place) -> bool {
        let Some(flows) = self.clients.get(place.flow.client) else { return false };
        let Some(waiting) = flows.get(place.flow.number) else { return false };
        let was_waiting = waiting.remove(&place.number).is_some();
        if waiting.is_empty() {
            flows.remove(place.flow.number);
            self.flows -= 1;
            if flows.is_empty() {
                self.clients.remove(place.flow.client);
            }
        }
        was_waiting
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.flows == 0
    }
}

/// Members that take turns, in a ring.
#[derive(Debug)]
struct Ring<K, T> {
    members: HashMap<K, (u64, T)>,
    /// The members by their next turn.
    order: BTreeMap<u64, K>,
    next_turn: u64,
}

impl<K, T> Default for Ring<K, T> {
    fn default() -> Self {
        Self { members: HashMap::new(), order: BTreeMap::new(), next_turn: 0 }
    }
}

impl<K: Copy + Eq + Hash, T: Default> Ring<K, T> {
    /// The member. A new one comes last.
    fn member(&mut self, key: K) -> &mut T {
        let (_, it) = self.members.entry(key).or_insert_with(|| {
            let turn = self.next_turn;
            self.next_turn += 1;
            self.order.insert(turn, key);
            (turn, T::default())
        });
        it
    }

    fn get(&mut self, key: K) -> Option<&mut T> {
        self.members.get_mut(&key).map(|(_, it)| it)
    }

    fn first(&mut self) -> Option<(K, &mut T)> {
        let (_, key) = self.order.first_key_value()?;
        let (_, it) = self.members.get_mut(key)?;
        Some((*key, it))
    }

    /// Ends a member's turn.
    fn move_to_end(&mut self, key: K) {
        if let Some((turn, _)) = self.members.get_mut(&key) {
            self.order.remove(turn);
            *turn = self.next_turn;
            self.next_turn += 1;
            self.order.insert(*turn, key);
        }
    }

    fn remove(&mut self, key: K) {
        if let Some((turn, _)) = self.members.remove(&key) {
            self.order.remove(&turn);
        }
    }

    fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}
