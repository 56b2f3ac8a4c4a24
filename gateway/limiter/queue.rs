//! Who waits, and who is next: round robin over clients, within a client over its flows, within a flow
//! first come, first served. So a batch of two beside ten of a thousand waits for a round, not for
//! thousands of calls.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::task::Waker;

use super::{Client, Flow};

/// A place in the queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    client: Client,
    flow: u64,
    number: u64,
}

/// Those who wait. All operations take logarithmic time.
#[derive(Debug, Default)]
pub(super) struct Queue {
    clients: Ring<Client, Ring<u64, BTreeMap<u64, Waker>>>,
    /// Flows with somebody waiting.
    flows: usize,
    next_number: u64,
}

impl Queue {
    /// Takes a place at the end of the flow's.
    pub(super) fn join(&mut self, flow: &Flow, waker: Waker) -> Place {
        let place = Place { client: flow.client, flow: flow.number, number: self.next_number };
        self.next_number += 1;
        let waiting = self.clients.member(place.client).member(place.flow);
        self.flows += usize::from(waiting.is_empty());
        waiting.insert(place.number, waker);
        place
    }

    /// Who is next; it is no longer in the queue.
    pub(super) fn next(&mut self) -> Option<Waker> {
        let (client, flows) = self.clients.first()?;
        let (flow, waiting) = flows.first()?;
        let (_, waker) = waiting.pop_first()?;
        let flow_is_done = waiting.is_empty();
        flows.after_turn(flow, flow_is_done);
        let client_is_done = flows.is_empty();
        self.clients.after_turn(client, client_is_done);
        self.flows -= usize::from(flow_is_done);
        Some(waker)
    }

    /// Whoever has this place shall be woken by this waker. Whether the place is still in the queue.
    pub(super) fn is_waiting(&mut self, place: Place, waker: &Waker) -> bool {
        let waiting = self.clients.get(place.client).and_then(|flows| flows.get(place.flow));
        let Some(held) = waiting.and_then(|waiting| waiting.get_mut(&place.number)) else { return false };
        held.clone_from(waker);
        true
    }

    /// Gives up a place. Whether it was still in the queue.
    pub(super) fn give_up(&mut self, place: Place) -> bool {
        let Some(flows) = self.clients.get(place.client) else { return false };
        let Some(waiting) = flows.get(place.flow) else { return false };
        let was_waiting = waiting.remove(&place.number).is_some();
        if waiting.is_empty() {
            flows.remove(place.flow);
            self.flows -= 1;
            if flows.is_empty() {
                self.clients.remove(place.client);
            }
        }
        was_waiting
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.flows == 0
    }
}

/// Members that take turns.
#[derive(Debug)]
struct Ring<K, T> {
    members: HashMap<K, (u64, T)>,
    /// Whose turn is when.
    order: BTreeMap<u64, K>,
    next_turn: u64,
}

impl<K, T> Default for Ring<K, T> {
    fn default() -> Self {
        Self { members: HashMap::new(), order: BTreeMap::new(), next_turn: 0 }
    }
}

impl<K: Copy + Eq + Hash, T: Default> Ring<K, T> {
    /// The member, who comes last if it is new.
    fn member(&mut self, key: K) -> &mut T {
        let (_, it) = self.members.entry(key).or_insert_with(|| {
            let permit = self.next_turn;
            self.next_turn += 1;
            self.order.insert(permit, key);
            (permit, T::default())
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

    /// A member has had its turn, and comes last or leaves.
    fn after_turn(&mut self, key: K, leaves: bool) {
        if leaves {
            self.remove(key);
        } else if let Some((permit, _)) = self.members.get_mut(&key) {
            self.order.remove(permit);
            *permit = self.next_turn;
            self.next_turn += 1;
            self.order.insert(*permit, key);
        }
    }

    fn remove(&mut self, key: K) {
        if let Some((permit, _)) = self.members.remove(&key) {
            self.order.remove(&permit);
        }
    }

    fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}
