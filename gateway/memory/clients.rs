//! How much memory each client holds, and who gives way when others wait for it (the rules are in
//! [the module above](super)).
//!
//! An [`Exchange`] is a batch or stream as others see it: how much it has leased, whether its client goes on, and whether it
//! has to give way. It belongs to its [`MemoryReservation`](super::MemoryReservation) and is listed here only while it is at
//! its client's pace and waits for the client, so that the search for one that gives way looks at few. It is its own waker
//! for that time: the future is polled only when its own waker was called, and each such call means that the client has
//! read or sent something.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Wake, Waker};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

use crate::clock::Stopwatch;
use crate::limiter::{Client, KnownClients};

/// A client that has not read or sent a byte for this long has stalled.
pub(super) const STANDSTILL: Duration = Duration::from_millis(250);

/// All clients that hold memory.
#[derive(Default)]
pub(super) struct Clients {
    /// A client is forgotten after its last exchange.
    known: KnownClients<OfClient>,
    /// Exchanges that wait for their client. The lock is held for one pass over them.
    watched: Mutex<Vec<Arc<Exchange>>>,
    since: Stopwatch,
}

/// The memory that all exchanges of one client hold.
#[derive(Default)]
struct OfClient {
    leased: AtomicUsize,
    /// Calls under way, whose replies are still to come.
    calls: AtomicUsize,
}

/// A batch or stream that holds memory.
pub(super) struct Exchange {
    client: Client,
    /// All exchanges of its client together.
    of_client: Arc<OfClient>,
    leased: AtomicUsize,
    /// How many of its bodies or replies wait for memory now.
    waiting: AtomicUsize,
    /// When its client last went on, in milliseconds.
    went_on: AtomicU64,
    /// The client has gone on since this was last asked.
    progress: AtomicBool,
    gives_way: AtomicBool,
    task: AtomicWaker,
}

impl Clients {
    /// An exchange of this client, which holds nothing yet.
    pub(super) fn exchange(&self, client: Client) -> Arc<Exchange> {
        Arc::new(Exchange {
            client,
            of_client: self.known.find(client, OfClient::default),
            leased: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            went_on: AtomicU64::new(0),
            progress: AtomicBool::new(false),
            gives_way: AtomicBool::new(false),
            task: AtomicWaker::new(),
        })
    }

    /// Milliseconds of the memory's life.
    pub(super) fn now(&self) -> u64 {
        milliseconds(self.since.elapsed())
    }

    /// Lists an exchange that waits for its client, until what this returns is dropped.
    pub(super) fn watch<'clients>(&'clients self, exchange: &'clients Arc<Exchange>) -> Watched<'clients> {
        self.watched.lock().push(Arc::clone(exchange));
        Watched { clients: self, exchange }
    }

    /// Whether a client that holds more than this exchange's would, with `more` bytes, might give way to it.
    pub(super) fn could_give_way(&self, to: &Exchange, more: usize) -> bool {
        self.watched.lock().iter().any(|other| other.may_give_way(to, more))
    }

    /// This exchange waits for `more` bytes. Asks the one that has to give way to do so, if any has stalled.
    pub(super) fn make_room(&self, to: &Exchange, more: usize) {
        let now = self.now();
        let watched = self.watched.lock();
        if watched.iter().any(|other| other.gives_way()) {
            // What it frees may be enough.
            return;
        }
        let stands_still = |other: &&Arc<Exchange>| {
            now.saturating_sub(other.went_on.load(Ordering::Relaxed)) >= milliseconds(STANDSTILL)
        };
        let candidates = watched.iter().filter(stands_still).filter(|other| other.may_give_way(to, more));
        if let Some(most) = candidates.max_by_key(|other| (other.held_by_client(), other.leased())) {
            most.gives_way.store(true, Ordering::Release);
            most.task.wake();
        }
    }
}

/// An exchange that is listed.
pub(super) struct Watched<'clients> {
    clients: &'clients Clients,
    exchange: &'clients Arc<Exchange>,
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        let mut watched = self.clients.watched.lock();
        if let Some(at) = watched.iter().position(|other| Arc::ptr_eq(other, self.exchange)) {
            watched.swap_remove(at);
        }
    }
}

/// A call that is under way.
pub(crate) struct InFlightGuard<'exchange>(&'exchange OfClient);

impl Drop for InFlightGuard<'_> {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An exchange that waits for memory itself, until this is dropped.
pub(super) struct Waits<'exchange>(&'exchange Exchange);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
        // The time was not its client's.
        self.0.progress.store(true, Ordering::Release);
    }
}

impl Exchange {
    pub(super) fn leased(&self) -> usize {
        self.leased.load(Ordering::Relaxed)
    }

    pub(super) fn held_by_client(&self) -> usize {
        self.of_client.leased.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, bytes: usize) {
        self.leased.fetch_add(bytes, Ordering::Relaxed);
        self.of_client.leased.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn subtract(&self, bytes: usize) {
        self.leased.fetch_sub(bytes, Ordering::Relaxed);
        self.of_client.leased.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(super) fn calls_of_client(&self) -> usize {
        self.of_client.calls.load(Ordering::Relaxed)
    }

    /// A call begins, and is under way until what this returns is dropped.
    pub(super) fn call_begins(&self) -> InFlightGuard<'_> {
        self.of_client.calls.fetch_add(1, Ordering::Relaxed);
        InFlightGuard(&self.of_client)
    }

    /// It waits for memory, until what this returns is dropped.
    pub(super) fn waits(&self) -> Waits<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waits(self)
    }

    /// It is its client's turn from here on.
    pub(super) fn begin(&self) {
        self.gives_way.store(false, Ordering::Relaxed);
        self.progress.store(true, Ordering::Release);
    }

    /// Its task is woken by this.
    pub(super) fn wake_by(&self, waker: &Waker) {
        self.task.register(waker);
    }

    /// Whether its client has gone on since this was last asked.
    pub(super) fn take_progress(&self, now: u64) -> bool {
        let progress = self.progress.swap(false, Ordering::AcqRel);
        if progress {
            self.went_on.store(now, Ordering::Relaxed);
        }
        progress
    }

    pub(super) fn gives_way(&self) -> bool {
        self.gives_way.load(Ordering::Acquire)
    }

    /// Whether it may have to give way: another client waits that will hold less, and it doesn't wait itself.
    fn may_give_way(&self, to: &Self, more: usize) -> bool {
        self.client != to.client
            && self.waiting.load(Ordering::Relaxed) == 0
            && self.leased() > 0
            && self.held_by_client() > to.held_by_client().saturating_add(more)
    }
}

impl Wake for Exchange {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.progress.store(true, Ordering::Release);
        self.task.wake();
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
