//! The order that an upstream's addresses are tried in: first the one that `balance` chooses, then all
//! others of its tier, then those of the next one, so that a call finds any address that takes it.
//!
//! In: the addresses of one look-up, and for each call a key. Out: the first address that takes the call. A set of
//! addresses never changes; another look-up makes another set. Choosing takes a few atomics and no lock.

use std::collections::BTreeSet;
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pingora::lb::selection::consistent::KetamaHashing;
use pingora::lb::selection::{BackendIter, BackendSelection};
use pingora::lb::{Backend, Extensions};
use pingora::protocols::l4;
use ring::digest::{SHA256, digest};

use crate::address::{SocketPath, TargetAddress};
use crate::config::Balance;

use super::peer::Peer;

/// How many points of the ring are looked at for another address. The next address on the ring is nearly always among the
/// first few.
const MAX_POINTS: usize = 256;

/// An upstream's addresses.
pub(crate) struct Addresses {
    /// All of them; the spare ones come last.
    pub(crate) peers: Box<[Arc<Peer>]>,
    tiers: Box<[Tier]>,
}

/// Addresses that are asked only if none of the tier before takes a call.
struct Tier {
    peers: Box<[Arc<Peer>]>,
    order: Order,
}

enum Order {
    Turns(Turns),
    LeastBusy(AtomicUsize),
    Ring(Arc<KetamaHashing>),
}

impl Addresses {
    pub(crate) fn new(mut peers: Vec<Arc<Peer>>, balance: &Balance) -> Self {
        peers.sort_by_key(|peer| peer.tier);
        let tiers = peers.chunk_by(|one, other| one.tier == other.tier);
        let tiers = tiers.map(|peers| Tier::new(peers, balance)).collect();
        Self { peers: peers.into(), tiers }
    }

    /// Whether these are the same addresses of the same targets, in whatever order.
    pub(crate) fn are(&self, peers: &[Arc<Peer>]) -> bool {
        let is_in = |peer: &Arc<Peer>| {
            let same = |own: &&Arc<Peer>| {
                own.address == peer.address
                    && own.name == peer.name
                    && own.tier == peer.tier
                    && own.weight == peer.weight
            };
            self.peers.iter().any(|own| same(&own))
        };
        self.peers.len() == peers.len() && peers.iter().all(is_in)
    }

    /// Asks one address after the other, and returns the first answer.
    pub(crate) fn first<T>(
        &self,
        key: &[u8],
        slow_start: Duration,
        ask: impl Fn(&Arc<Peer>) -> Option<T>,
    ) -> Option<T> {
        self.tiers.iter().find_map(|tier| tier.first(key, slow_start, &ask))
    }
}

impl Tier {
    fn new(peers: &[Arc<Peer>], balance: &Balance) -> Self {
        let order = match balance {
            Balance::RoundRobin => Order::Turns(Turns::new(peers.iter().map(|peer| peer.weight))),
            Balance::LeastBusy => Order::LeastBusy(AtomicUsize::new(0)),
            Balance::ConsistentHash { .. } => Order::Ring(Arc::new(ring(peers.iter()))),
        };
        Self { peers: peers.into(), order }
    }

    fn first<T>(
        &self,
        key: &[u8],
        slow_start: Duration,
        ask: &impl Fn(&Arc<Peer>) -> Option<T>,
    ) -> Option<T> {
        let in_turn = |peer: &Arc<Peer>| if has_its_turn(peer, slow_start) { ask(peer) } else { None };
        let from = match &self.order {
            Order::Turns(permits) => permits.next(),
            Order::LeastBusy(cursor) => {
                let cursor = cursor.fetch_add(1, Ordering::Relaxed);
                if let Some(given) = self.least_busy(cursor, slow_start).and_then(ask) {
                    return Some(given);
                }
                cursor
            }
            Order::Ring(ring) => {
                let mut points = ring.iter(key);
                for _ in 0..MAX_POINTS {
                    let Some(peer) = points.next().and_then(|backend| backend.ext.get::<Arc<Peer>>()) else {
                        break;
                    };
                    if let Some(given) = in_turn(peer) {
                        return Some(given);
                    }
                }
                0
            }
        };
        // Second round: an address that has just come back is better than none.
        self.starting_at(from).find_map(in_turn).or_else(|| self.starting_at(from).find_map(ask))
    }

    /// The address with the fewest calls under way for its weight, of those that take calls.
    fn least_busy(&self, cursor: usize, slow_start: Duration) -> Option<&Arc<Peer>> {
        let load = |peer: &Arc<Peer>| {
            let calls = f64::from(u32::try_from(peer.state.in_flight()).unwrap_or(u32::MAX)) + 1.0;
            let weight = f64::from(u32::try_from(peer.weight).unwrap_or(u32::MAX));
            calls / (weight * peer.state.share(slow_start))
        };
        // It begins at another one each time, so that the calls of a quiet upstream don't all go to its first.
        let up = self.starting_at(cursor).filter(|peer| peer.is_up());
        up.map(|peer| (load(peer), peer)).min_by(|one, other| one.0.total_cmp(&other.0)).map(|(_, peer)| peer)
    }

    fn starting_at(&self, start: usize) -> impl Iterator<Item = &Arc<Peer>> {
        let start = start.checked_rem(self.peers.len()).unwrap_or(0);
        let (before, behind) = self.peers.split_at_checked(start).unwrap_or((&[], &self.peers));
        behind.iter().chain(before)
    }
}

/// Whether a target gets this call. Its share grows for a while after it has come back.
fn has_its_turn(peer: &Peer, slow_start: Duration) -> bool {
    let share = peer.state.share(slow_start);
    share >= 1.0 || rand::random::<f64>() < share
}

/// Every address has its points on the ring, whether it takes calls now or not. While one is out its neighbours take its
/// keys; when it is back it gets those keys again, and no others.
fn ring<'peers>(peers: impl Iterator<Item = &'peers Arc<Peer>>) -> KetamaHashing {
    let backend = |peer: &Arc<Peer>| {
        let mut ext = Extensions::new();
        ext.insert(Arc::clone(peer));
        let addr = l4::socket::SocketAddr::Inet(on_ring(&peer.address));
        Backend { addr, weight: peer.weight, ext }
    };
    KetamaHashing::build(&peers.map(backend).collect::<BTreeSet<_>>())
}

/// The address that places a target on the ring. The ring has no Unix sockets, so a hash of the path takes the place of an
/// address. Port 0 keeps it apart from those of TCP. It is the same at every gateway and after every start.
fn on_ring(address: &TargetAddress) -> SocketAddr {
    match address {
        TargetAddress::Tcp(address) => *address,
        TargetAddress::Unix(path) => SocketAddr::from((Ipv6Addr::from(hash_of(path)), 0)),
    }
}

fn hash_of(path: &SocketPath) -> u128 {
    let digest = digest(&SHA256, path.as_path().as_os_str().as_encoded_bytes());
    digest.as_ref().first_chunk().map_or(0, |first| u128::from_be_bytes(*first))
}

/// Turns by weight: a walk over all turns in steps that meet each of them once, and spread those of one address.
struct Turns {
    cursor: AtomicUsize,
    step: usize,
    /// For each address, the turn after its last one.
    ends: Box<[usize]>,
}

impl Turns {
    fn new(weights: impl Iterator<Item = usize>) -> Self {
        let weights: Vec<_> = weights.collect();
        let common = weights.iter().copied().fold(0, gcd).max(1);
        let mut ends: Vec<usize> = Vec::with_capacity(weights.len());
        for weight in weights {
            ends.push(ends.last().copied().unwrap_or(0) + weight / common);
        }
        let all = ends.last().copied().unwrap_or(1);
        // About the golden section of all turns, and coprime to their number.
        let step = (all * 8 / 13..=all).find(|step| gcd(*step, all) == 1).unwrap_or(1);
        Self { cursor: AtomicUsize::new(0), step, ends: ends.into() }
    }

    /// Whose turn it is.
    fn next(&self) -> usize {
        let all = self.ends.last().copied().unwrap_or(1);
        let permit = (self.cursor.fetch_add(1, Ordering::Relaxed) % all) * self.step % all;
        self.ends.partition_point(|end| *end <= permit)
    }
}

const fn gcd(one: usize, other: usize) -> usize {
    if other == 0 { one } else { gcd(other, one % other) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_shared_by_weight_and_spread() {
        for weights in [vec![1], vec![1, 1], vec![4, 4], vec![1, 2, 3], vec![1000, 1], vec![5, 5, 7]] {
            let permits = Turns::new(weights.iter().copied());
            let all: usize = weights.iter().sum();
            let mut counts = vec![0; weights.len()];
            for _ in 0..all {
                counts[permits.next()] += 1;
            }
            assert_eq!(counts, weights);
        }
        let permits = Turns::new([6, 4].into_iter());
        let run: Vec<_> = (0..6).map(|_| permits.next()).collect();
        assert!(!run.windows(3).any(|three| three.iter().all(|permit| *permit == three[0])), "{run:?}");
    }
}
