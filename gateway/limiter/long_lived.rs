//! Exchanges that stay open: upgraded connections (WebSocket), server-sent events, streams.
//!
//! They hold no permit of the [`FairLimiter`](super::FairLimiter). A permit is for a call that the service works on,
//! and `concurrency` says how many of those it can bear. An open WebSocket may be quiet for hours, and 64 of them would
//! leave no permit for others. So they have a limit of their own (`upgraded`); one client may use only its
//! share (`client_share`).
//!
//! In: the client, when an exchange is known to be long-lived (at 101, or at the head of a streaming reply). Out: a
//! guard that counts it until it is dropped, or the limit that has no room. There is no queue: a client can't tell
//! waiting for a WebSocket from a service that hangs, so an exchange over the limit is refused at once.
//!
//! Invariants: `open` is the sum of all clients' counts. A client without an open exchange is not remembered. Only the
//! guard's drop lowers the counts. The limits may change while exchanges are open (a reload): that closes none of
//! them, and no new one begins until there is room.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::ops::Deref;

use parking_lot::Mutex;

use super::client::Client;
use super::share::ClientShare;

/// The limits on long-lived exchanges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LongLivedLimits {
    /// Exchanges that may be open at once.
    pub most: NonZeroUsize,
    /// The part of them that one client may hold.
    pub share: ClientShare,
}

/// There is no room for another exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LongLivedFull {
    /// All clients together reached the limit (`upgraded`).
    All,
    /// This client reached its share (`client_share`).
    OfClient,
}

impl LongLivedFull {
    /// The configuration key of the limit.
    #[must_use]
    pub const fn limit(self) -> &'static str {
        match self {
            Self::All => "upgraded",
            Self::OfClient => "client_share",
        }
    }
}

/// The open long-lived exchanges of an upstream.
#[derive(Debug)]
pub(crate) struct LongLived(Mutex<State>);

#[derive(Debug)]
struct State {
    limits: LongLivedLimits,
    open: usize,
    of_clients: HashMap<Client, usize>,
}

impl LongLived {
    /// A count that starts at zero.
    #[must_use]
    pub(crate) fn new(limits: LongLivedLimits) -> Self {
        Self(Mutex::new(State { limits, open: 0, of_clients: HashMap::new() }))
    }

    /// Changes the limits. Open exchanges stay open.
    pub(crate) fn set_limits(&self, limits: LongLivedLimits) {
        self.0.lock().limits = limits;
    }

    /// The number of open exchanges.
    #[cfg(test)]
    pub(crate) fn open(&self) -> usize {
        self.0.lock().open
    }

    /// Counts another exchange of a client, until the guard is dropped.
    ///
    /// # Errors
    /// Says which limit has no room.
    pub(crate) fn acquire<L: Deref<Target = Self>>(
        long_lived: L,
        client: Client,
    ) -> Result<LongLivedGuard<L>, LongLivedFull> {
        {
            let mut state = long_lived.0.lock();
            let LongLivedLimits { most, share } = state.limits;
            if state.open >= most.get() {
                return Err(LongLivedFull::All);
            }
            let held = state.of_clients.get(&client).copied().unwrap_or_default();
            if held >= share.of(most).get() {
                return Err(LongLivedFull::OfClient);
            }
            state.open += 1;
            state.of_clients.insert(client, held + 1);
        }
        Ok(LongLivedGuard { long_lived, client })
    }

    fn release(&self, client: Client) {
        let mut state = self.0.lock();
        state.open = state.open.saturating_sub(1);
        let held = state.of_clients.get(&client).copied().unwrap_or_default();
        if held > 1 {
            state.of_clients.insert(client, held - 1);
        } else {
            state.of_clients.remove(&client);
        }
    }
}

/// One open exchange. It is counted until this is dropped.
#[derive(Debug)]
pub(crate) struct LongLivedGuard<L: Deref<Target = LongLived>> {
    long_lived: L,
    client: Client,
}

impl<L: Deref<Target = LongLived>> Drop for LongLivedGuard<L> {
    fn drop(&mut self) {
        self.long_lived.release(self.client);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    fn limits(most: usize, percent: u64) -> LongLivedLimits {
        let share = ClientShare::from_percent(percent).unwrap();
        LongLivedLimits { most: NonZeroUsize::new(most).unwrap(), share }
    }

    #[test]
    fn a_client_holds_its_share_and_leaves_room_for_others() {
        let long_lived = Arc::new(LongLived::new(limits(4, 75)));
        let acquire = |name| LongLived::acquire(Arc::clone(&long_lived), Client::named(name));
        let mut held: Vec<_> = (0..3).map(|_| acquire("greedy").unwrap()).collect();
        assert_eq!(acquire("greedy").map(drop), Err(LongLivedFull::OfClient));
        held.push(acquire("other").unwrap());
        assert_eq!(acquire("third").map(drop), Err(LongLivedFull::All));
        assert_eq!(
            (LongLivedFull::All.limit(), LongLivedFull::OfClient.limit()),
            ("upgraded", "client_share")
        );
        held.remove(0);
        held.push(acquire("greedy").unwrap());
        drop(held);
        assert_eq!(long_lived.open(), 0);
        assert!(long_lived.0.lock().of_clients.is_empty());
    }

    #[test]
    fn a_lower_limit_closes_nothing_and_lets_nothing_in_until_there_is_room() {
        let long_lived = LongLived::new(limits(4, 100));
        let client = Client::named("one");
        let mut held: Vec<_> = (0..4).map(|_| LongLived::acquire(&long_lived, client).unwrap()).collect();
        long_lived.set_limits(limits(2, 100));
        held.truncate(2);
        assert_eq!(LongLived::acquire(&long_lived, client).map(drop), Err(LongLivedFull::All));
        held.truncate(1);
        assert!(LongLived::acquire(&long_lived, client).is_ok());
    }

    proptest! {
        #[test]
        fn no_limit_is_ever_exceeded_and_everything_is_given_back(
            most in 1usize..9,
            percent in 1u64..=100,
            steps in proptest::collection::vec((0usize..3, any::<bool>(), any::<usize>()), 0..100),
        ) {
            let limits = limits(most, percent);
            let long_lived = LongLived::new(limits);
            let clients = ["a", "b", "c"].map(Client::named);
            let mut held = Vec::new();
            for (client, enters, at) in steps {
                let of_client = |held: &Vec<(usize, _)>| held.iter().filter(|(other, _)| *other == client).count();
                if enters {
                    let expected = if held.len() == most {
                        Some(LongLivedFull::All)
                    } else {
                        (of_client(&held) == limits.share.of(limits.most).get()).then_some(LongLivedFull::OfClient)
                    };
                    match LongLived::acquire(&long_lived, clients[client]) {
                        Ok(guard) => { prop_assert_eq!(expected, None); held.push((client, guard)); }
                        Err(full) => prop_assert_eq!(expected, Some(full)),
                    }
                } else if !held.is_empty() {
                    drop(held.swap_remove(at % held.len()));
                }
                prop_assert_eq!(long_lived.open(), held.len());
            }
            drop(held);
            prop_assert_eq!(long_lived.open(), 0);
        }
    }
}
