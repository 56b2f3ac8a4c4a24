//! Idle connections of HTTP/1.1, for the next call to their target.
//!
//! **Why a pool of our own.** pingora's asks the network for the peer's address each time that a connection is taken out, and
//! starts a task each time that one is put in. While calls wait for permits, a connection is put in and taken out for each
//! of them, so that passing it on must cost next to nothing: here it is a push and a pop.
//!
//! In: a connection on which nothing is under way, and for how long it may be idle. Out: the one that was used last, if it has
//! brought nothing meanwhile. Those that were closed, or idle for too long, are dropped by [`IdlePool::sweep`], which runs
//! every second. Invariant: at most `limit` connections are idle; one more takes the place of the one that has been idle for
//! longest.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use futures_util::FutureExt as _;
use parking_lot::Mutex;
use pingora::protocols::Stream;
use tokio::io::AsyncReadExt as _;

use crate::clock::{Deadline, Stopwatch};

/// A connection that turns out to be closed after it was idle for longer than this was closed because it was idle. Sooner, the
/// service closes connections after each reply and doesn't say so.
const SOON: Duration = Duration::from_secs(1);

/// The connections.
#[derive(Debug)]
pub(super) struct IdlePool {
    limit: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// By what must be the same for a connection to be used. The one that was used last is at the back.
    by_key: HashMap<u64, VecDeque<Idle>>,
    count: usize,
}

#[derive(Debug)]
struct Idle {
    stream: Stream,
    since: Stopwatch,
    until: Deadline,
}

/// What a search for an idle connection found.
#[derive(Debug)]
pub(super) enum Taken {
    /// An open one.
    Open(Stream),
    /// One was closed. There may be others.
    Closed {
        /// Right after its last reply.
        soon: bool,
    },
    /// There is none.
    Nothing,
}

impl Idle {
    /// Whether it may be idle for longer, and was not closed.
    fn is_usable(&mut self) -> bool {
        !self.until.is_over() && is_quiet(&mut self.stream)
    }
}

impl IdlePool {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, kept: Mutex::default() }
    }

    /// Keeps a connection for at most this long.
    pub(super) fn keep(&self, key: u64, stream: Stream, timeout: Duration) {
        if self.limit == 0 {
            return;
        }
        let since = Stopwatch::start();
        let idle = Idle { stream, since, until: since.deadline(timeout) };
        // It is closed when the lock is free again.
        let _oldest = {
            let mut kept = self.kept.lock();
            let oldest = if kept.count >= self.limit { kept.remove_oldest() } else { None };
            kept.by_key.entry(key).or_default().push_back(idle);
            kept.count += 1;
            oldest
        };
    }

    /// Takes the connection that was used last.
    pub(super) fn take(&self, key: u64) -> Taken {
        let taken = self.kept.lock().take(key);
        match taken {
            None => Taken::Nothing,
            Some(mut idle) => {
                if idle.is_usable() {
                    Taken::Open(idle.stream)
                } else {
                    Taken::Closed { soon: idle.since.elapsed() < SOON }
                }
            }
        }
    }

    /// How many connections there are.
    pub(super) fn count(&self, key: u64) -> usize {
        self.kept.lock().by_key.get(&key).map_or(0, VecDeque::len)
    }

    /// Drops connections that were closed or have been idle for too long.
    pub(super) fn sweep(&self) {
        let mut dropped = Vec::new();
        let mut kept = self.kept.lock();
        for line in kept.by_key.values_mut() {
            let mut place = 0;
            while let Some(idle) = line.get_mut(place) {
                if idle.is_usable() {
                    place += 1;
                } else {
                    dropped.extend(line.remove(place));
                }
            }
        }
        kept.by_key.retain(|_, line| !line.is_empty());
        kept.count = kept.by_key.values().map(VecDeque::len).sum();
        drop(kept);
    }
}

impl Kept {
    fn take(&mut self, key: u64) -> Option<Idle> {
        let idle = self.by_key.get_mut(&key)?.pop_back()?;
        self.count -= 1;
        Some(idle)
    }

    fn remove_oldest(&mut self) -> Option<Idle> {
        let age = |line: &VecDeque<Idle>| line.front().map(|idle| idle.since.elapsed());
        let line = self.by_key.values_mut().max_by_key(|line| age(line))?;
        let oldest = line.pop_front()?;
        self.count -= 1;
        Some(oldest)
    }
}

/// Whether a connection has brought nothing, not even its end. Asks tokio what it knows already, so a quiet connection
/// costs no system call.
pub(super) fn is_quiet(stream: &mut Stream) -> bool {
    let mut unasked = [0; 1];
    tokio::task::unconstrained(stream.read(&mut unasked)).now_or_never().is_none()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    fn keep(pool: &IdlePool, key: u64, timeout: Duration) -> DuplexStream {
        let (near, far) = duplex(64);
        pool.keep(key, Box::new(near), timeout);
        far
    }

    fn counted(pool: &IdlePool) -> usize {
        let kept = pool.kept.lock();
        assert_eq!(kept.count, kept.by_key.values().map(VecDeque::len).sum::<usize>());
        kept.count
    }

    async fn says(taken: Taken, far: &mut DuplexStream) {
        let Taken::Open(mut near) = taken else { panic!("{taken:?}") };
        near.write_all(b"x").await.unwrap();
        assert_eq!(far.read_u8().await.unwrap(), b'x');
    }

    #[tokio::test]
    async fn the_connection_that_was_used_last_is_taken_first() {
        let pool = IdlePool::new(9);
        let (mut first, mut second) = (keep(&pool, 1, LONG), keep(&pool, 1, LONG));
        let _other = keep(&pool, 2, LONG);
        says(pool.take(1), &mut second).await;
        says(pool.take(1), &mut first).await;
        assert!(matches!(pool.take(1), Taken::Nothing));
        assert_eq!(counted(&pool), 1);
    }

    #[tokio::test]
    async fn one_that_spoke_or_closed_or_is_too_old_is_not_taken() {
        let pool = IdlePool::new(9);
        let mut spoke = keep(&pool, 1, LONG);
        spoke.write_all(b"HTTP/1.1 408 ").await.unwrap();
        drop(keep(&pool, 1, LONG));
        let _old = keep(&pool, 1, Duration::ZERO);
        for _ in 0..3 {
            assert!(matches!(pool.take(1), Taken::Closed { soon: true }));
        }
        assert!(matches!(pool.take(1), Taken::Nothing));
    }

    #[tokio::test]
    async fn a_sweep_drops_what_can_not_be_used_and_nothing_else() {
        let pool = IdlePool::new(9);
        let mut open = keep(&pool, 1, LONG);
        drop(keep(&pool, 1, LONG));
        let mut old = keep(&pool, 2, Duration::ZERO);
        pool.sweep();
        assert_eq!(counted(&pool), 1);
        assert_eq!(old.read(&mut [0]).await.unwrap(), 0, "it was closed");
        says(pool.take(1), &mut open).await;
    }

    #[tokio::test]
    async fn beyond_the_limit_the_oldest_goes() {
        let pool = IdlePool::new(2);
        let mut oldest = keep(&pool, 1, LONG);
        let (_second, _third) = (keep(&pool, 2, LONG), keep(&pool, 1, LONG));
        assert_eq!(oldest.read(&mut [0]).await.unwrap(), 0, "it was closed");
        assert_eq!(counted(&pool), 2);
        let none = IdlePool::new(0);
        assert_eq!(keep(&none, 1, LONG).read(&mut [0]).await.unwrap(), 0);
    }
}
