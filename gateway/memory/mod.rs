//! The memory for bodies (`limits.memory`): how many bytes of bodies all batches and streams hold together, from the first
//! byte received to the last byte written.
//!
//! **In:** bytes that a batch wants to hold ([`MemoryReservation`]). **Out:** whether it may, now or after a short wait, and
//! for a batch at the pace of its client, whether it has to give way to others.
//!
//! # No batch waits for another without end
//!
//! Marks keep batches from waiting for each other. Below half, bodies are received and calls are started. Batches under way
//! may then fill three quarters. All but an eighth of the rest is for the eldest of the batches that make calls: it goes
//! on until memory is nearly full, so one batch can always end and make room. If its own replies are too many for that,
//! it starts no more calls after [`PATIENCE`]. All waits are bounded: for a body by [`PATIENCE`], for a call by the batch's
//! deadline, at which it is known that the call was not sent. The last sixteenth is for what the format of a reply adds to
//! the bodies in it (JSON's framing, base64): a reply whose items have been called is written, whether there is room or
//! not.
//!
//! # No client holds up the others
//!
//! The marks alone would let one client fill memory and then do nothing: twelve connections with large replies that it
//! never reads hold it until `limits.write_timeout`. So bytes are counted by client as well ([`clients`], told apart as
//! for permits), and two rules follow from it.
//!
//! - *Small clients are let in.* The sixteenth below the last one is a reserve for clients that hold next to nothing. As
//!   long as a client holds at most [`MemoryBudget::small`] in all, it passes the marks, up to the reserve's end. Replies
//!   to come count as a [`PIECE`] each, so that it starts a few calls at a time. A reply that turns out to be larger waits
//!   for as long as its call may take, because it has taken little so far.
//! - *Large clients give way.* A batch is at its client's pace while the client has to go on: while a reply is written, or a
//!   body is read ([`MemoryReservation::at_pace_of_client`]). When an exchange waits for memory, then of all clients that hold
//!   more than the one that waits, the one that holds most gives way, if it has not read or sent a byte for
//!   [`STANDSTILL`](clients::STANDSTILL). So a client that holds little is never the victim of one that holds much, no client
//!   gives way while none waits, and a client that keeps reading keeps its reply, however slow its network is.
//!
//! # Who frees what
//!
//! A [`MemoryReservation`] gives back all that it has leased when it is dropped; nothing else gives back for it. Giving way
//! works by that: the future that was at the client's pace is dropped, and with it the rest of the reply. Its caller gets
//! [`GaveWay`], reports it in the log and a metric, and returns an error. That closes the connection (over HTTP/2 it
//! resets the stream) and drops the reservation. One gives way at a time: the next is not asked before the first has
//! gone, because what the first frees may be enough.
//!
//! # Invariants
//!
//! `held` is the sum of what all reservations have leased, and each client's count is the sum of its own; both change
//! together. A batch leases entire blocks, so that most replies cost an addition that no other batch sees.
//!
//! # What it does not do
//!
//! It does not measure the process. Other limits bound buffers of connections, plans and headers.

mod clients;
mod coders;
mod kept;
mod purposes;

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::clock::Deadline;
use crate::limiter::Client;

use clients::{Clients, Exchange, InFlightGuard};
pub(crate) use coders::{CoderMemory, CoderPlace};
pub(crate) use purposes::MemoryUse;
use purposes::Purposes;

/// How long a body waits for room.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often those who wait look for a client that has stopped.
const LOOK: Duration = Duration::from_millis(50);

/// Bytes that are leased at once.
const BLOCK: usize = 16 << 10;

/// Bytes of the first block that are leased at once, so that clients that hold next to nothing count as such. A call under
/// way counts as much.
const PIECE: usize = 4 << 10;

/// What a client holds at most to be let in by the reserve, unless memory is small.
const SMALL: usize = 64 << 10;

/// The memory of a gateway.
#[derive(Default)]
pub(crate) struct MemoryBudget {
    limit: AtomicUsize,
    held: AtomicUsize,
    purposes: Purposes,
    waiting: AtomicUsize,
    /// Notified when less than half is held, or another batch is the eldest, while a batch waits.
    freed: Notify,
    /// Notified when room was made for the eldest, while a batch waits.
    freed_for_eldest: Notify,
    /// Batches that make calls, by their tickets; the first is the eldest.
    line: Mutex<BTreeSet<u64>>,
    eldest: AtomicU64,
    last_ticket: AtomicU64,
    clients: Clients,
}

/// There is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MemoryExhausted;

/// A client that stood still gave way to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GaveWay {
    /// Bytes that its batch or stream held.
    pub(crate) held: usize,
}

impl MemoryBudget {
    /// A memory of `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit: AtomicUsize::new(limit), ..Self::default() }
    }

    /// Changes its size. Reservations stay.
    pub(crate) fn resize(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
        self.freed.notify_waiters();
        self.freed_for_eldest.notify_waiters();
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    /// Bytes held now.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::SeqCst)
    }

    fn half(&self) -> usize {
        self.limit() / 2
    }

    /// Up to where the eldest starts calls: those it has under way should fit, too.
    fn nearly_full(&self) -> usize {
        let limit = self.limit();
        limit - limit / 16 * 3
    }

    /// Up to where the eldest takes replies. Above it is the reserve.
    fn full(&self) -> usize {
        let limit = self.limit();
        limit - limit / 8
    }

    /// Up to where clients that hold next to nothing are let in.
    fn end_of_reserve(&self) -> usize {
        let limit = self.limit();
        limit - limit / 16
    }

    /// How much counts as next to nothing: the reserve has room for at least four such clients.
    fn small(&self) -> usize {
        (self.limit() / 64).clamp(PIECE, SMALL)
    }

    fn lease(&self, more: usize, most: usize) -> Result<(), MemoryExhausted> {
        let fits = |held: usize| held.checked_add(more).filter(|held| *held <= most);
        self.held
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, fits)
            .map(drop)
            .map_err(|_| MemoryExhausted)
    }

    fn give_back(&self, bytes: usize) {
        let before = self.held.fetch_sub(bytes, Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) == 0 {
            return;
        }
        let now = before.saturating_sub(bytes);
        if now < self.half() {
            self.freed.notify_waiters();
        }
        if now < self.nearly_full() {
            self.freed_for_eldest.notify_waiters();
        }
    }

    fn step_forward(&self, line: &BTreeSet<u64>) {
        let first = line.first().copied().unwrap_or_default();
        if self.eldest.swap(first, Ordering::SeqCst) != first && self.waiting.load(Ordering::SeqCst) > 0 {
            self.freed.notify_waiters();
        }
    }

    /// Waits for a condition. `hears_all`: memory above half matters, too. `make_room` is called now and then meanwhile.
    async fn until<T>(
        &self,
        mut condition: impl FnMut() -> Option<T>,
        hears_all: impl Fn() -> bool,
        make_room: impl Fn(),
    ) -> T {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let _waiting = Waiting(self);
        loop {
            let mut freed = pin!(self.freed.notified());
            freed.as_mut().enable();
            let mut freed_for_eldest = pin!(self.freed_for_eldest.notified());
            freed_for_eldest.as_mut().enable();
            if let Some(met) = condition() {
                return met;
            }
            make_room();
            let look = tokio::time::sleep(LOOK);
            tokio::select! {
                () = freed => {}
                () = freed_for_eldest, if hears_all() => {}
                () = look => {}
            }
        }
    }
}

const fn lease_for(used: usize) -> usize {
    used.next_multiple_of(if used <= BLOCK { PIECE } else { BLOCK })
}

/// Somebody waits, until this is dropped.
struct Waiting<'memory>(&'memory MemoryBudget);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The memory that one batch or stream holds. Dropping it gives all of it back. Its methods may be called while calls of the
/// batch are under way, but all of a batch runs in one task.
pub(crate) struct MemoryReservation<'memory> {
    memory: &'memory MemoryBudget,
    used: AtomicUsize,
    purposes: Purposes,
    /// How much it has leased, and whether its client goes on.
    exchange: Arc<Exchange>,
    /// Its place in line; 0: none.
    ticket: AtomicU64,
    /// It starts no more calls.
    gave_up: AtomicBool,
    /// It was the eldest when it left the line, so that its calls under way may bring more than those of others.
    was_eldest: AtomicBool,
}

impl<'memory> MemoryReservation<'memory> {
    /// Holds nothing yet. All that it will hold counts as this client's.
    pub(crate) fn new(memory: &'memory MemoryBudget, client: Client) -> Self {
        let exchange = memory.clients.exchange(client);
        Self {
            memory,
            used: AtomicUsize::new(0),
            purposes: Purposes::default(),
            exchange,
            ticket: AtomicU64::new(0),
            gave_up: AtomicBool::new(false),
            was_eldest: AtomicBool::new(false),
        }
    }

    /// Takes `more` bytes of a body that is received; waits a little for room.
    pub(crate) async fn admit(&self, more: usize) -> Result<(), MemoryExhausted> {
        let memory = self.memory;
        let take = || self.take_below(more, memory.half());
        if take().is_ok() {
            return Ok(());
        }
        let _waits = self.exchange.waits();
        let is_small = || self.is_small(more);
        let met = memory.until(|| take().ok(), is_small, || self.make_room(more));
        Deadline::after(PATIENCE).race(met).await.ok_or(MemoryExhausted)
    }

    /// Takes `more` bytes that are already in memory.
    pub(crate) fn take(&self, more: usize) -> Result<(), MemoryExhausted> {
        let limit = self.memory.limit();
        let may_fill = self.is_eldest() || self.was_eldest.load(Ordering::Relaxed);
        self.take_below(more, if may_fill { self.memory.full() } else { limit - limit / 4 })
    }

    /// Takes `more` bytes of a reply. Waits a little where a stalled client could give way, and without a limit
    /// where its own client holds next to nothing yet.
    pub(crate) async fn take_or_wait(&self, more: usize) -> Result<(), MemoryExhausted> {
        let full = match self.take(more) {
            Ok(()) => return Ok(()),
            Err(full) => full,
        };
        // The reply makes its client large: its call was started from the reserve, and not because there was room.
        let outgrows = self.is_small(0);
        if !outgrows && !self.memory.clients.could_give_way(&self.exchange, more) {
            return Err(full);
        }
        let met = self.memory.until(|| self.take(more).ok(), || true, || self.make_room(more));
        if outgrows {
            met.await;
            return Ok(());
        }
        Deadline::after(PATIENCE).race(met).await.ok_or(full)
    }

    fn take_below(&self, more: usize, most: usize) -> Result<(), MemoryExhausted> {
        let used = self.used.load(Ordering::Relaxed).saturating_add(more);
        let leased = lease_for(used).saturating_sub(self.exchange.leased());
        if leased > 0 {
            let most = if self.is_small(leased) { most.max(self.memory.end_of_reserve()) } else { most };
            self.memory.lease(leased, most)?;
            self.exchange.add(leased);
        }
        self.used.store(used, Ordering::Relaxed);
        Ok(())
    }

    /// Gives back `bytes` that it took.
    pub(crate) fn give_back(&self, bytes: usize) {
        self.hold(self.used.load(Ordering::Relaxed).saturating_sub(bytes));
    }

    /// It holds exactly `used` bytes now, whether there is room or not.
    pub(crate) fn hold(&self, used: usize) {
        self.used.store(used, Ordering::Relaxed);
        let (leased, wanted) = (self.exchange.leased(), lease_for(used));
        if leased > wanted + BLOCK {
            self.exchange.subtract(leased - wanted);
            self.memory.give_back(leased - wanted);
        } else if wanted > leased {
            self.exchange.add(wanted - leased);
            self.memory.held.fetch_add(wanted - leased, Ordering::SeqCst);
        }
    }

    /// Holds `now` bytes in the place of `before`, whether there is room or not.
    pub(crate) fn change(&self, before: usize, now: usize) {
        self.hold((self.used.load(Ordering::Relaxed) + now).saturating_sub(before));
    }

    /// Returns once a call may be started. If the eldest batch has to wait, possibly no batch can go on: after
    /// [`PATIENCE`] it starts no more calls, so that it ends and makes room.
    pub(crate) async fn room(&self) -> Result<(), MemoryExhausted> {
        while !self.has_room() {
            if self.gave_up.load(Ordering::Relaxed) {
                return Err(MemoryExhausted);
            }
            let has_room = || self.has_room().then_some(());
            let hears_all = || self.is_eldest() || self.is_small(PIECE);
            let met = self.memory.until(has_room, hears_all, || self.make_room(PIECE));
            if Deadline::after(PATIENCE).race(met).await.is_none() && self.is_eldest() {
                self.gave_up.store(true, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Whether a call may be started.
    pub(crate) fn has_room(&self) -> bool {
        let held = self.memory.held();
        held <= self.memory.half()
            || (self.is_eldest() && held <= self.memory.nearly_full())
            || (held + PIECE <= self.memory.end_of_reserve()
                && self.is_small(PIECE * (self.exchange.calls_of_client() + 1)))
    }

    /// A call begins, and is under way until what this returns is dropped.
    pub(crate) fn call_begins(&self) -> InFlightGuard<'_> {
        self.exchange.call_begins()
    }

    /// The batch makes calls from here on.
    pub(crate) fn stand_in_line(&self) {
        let mut line = self.memory.line.lock();
        let ticket = self.memory.last_ticket.fetch_add(1, Ordering::Relaxed) + 1;
        line.insert(ticket);
        self.ticket.store(ticket, Ordering::Relaxed);
        self.memory.step_forward(&line);
    }

    /// The batch makes no more calls, or goes on only when its client has read. So another one is the eldest.
    pub(crate) fn leave_line(&self) {
        self.was_eldest.fetch_or(self.is_eldest(), Ordering::Relaxed);
        let ticket = self.ticket.swap(0, Ordering::Relaxed);
        if ticket != 0 {
            let mut line = self.memory.line.lock();
            line.remove(&ticket);
            self.memory.step_forward(&line);
        }
    }

    /// Continues an exchange that waits for the client to read a reply or to send a body.
    ///
    /// # Errors
    /// The client had stalled while others waited for memory, and holds most of it. The exchange was dropped; its caller has
    /// to drop what it holds as well.
    pub(crate) async fn at_pace_of_client<E: Future>(&self, exchange: E) -> Result<E::Output, GaveWay> {
        let mut exchange = pin!(exchange);
        let waker = Waker::from(Arc::clone(&self.exchange));
        let mut watched = None;
        self.exchange.begin();
        poll_fn(|context| {
            self.exchange.wake_by(context.waker());
            if self.exchange.gives_way() {
                return Poll::Ready(Err(GaveWay { held: self.exchange.leased() }));
            }
            // Only its own waker says that the client has gone on.
            if self.exchange.take_progress(self.memory.clients.now())
                && let Poll::Ready(output) = exchange.as_mut().poll(&mut Context::from_waker(&waker))
            {
                return Poll::Ready(Ok(output));
            }
            // Most end at once, and are never seen by others.
            watched.get_or_insert_with(|| self.memory.clients.watch(&self.exchange));
            Poll::Pending
        })
        .await
    }

    /// Somebody waits for `more` bytes.
    fn make_room(&self, more: usize) {
        self.memory.clients.make_room(&self.exchange, more);
    }

    /// Whether its client would still hold next to nothing with `more` bytes.
    fn is_small(&self, more: usize) -> bool {
        self.exchange.held_by_client().saturating_add(more) <= self.memory.small()
    }

    fn is_eldest(&self) -> bool {
        let ticket = self.ticket.load(Ordering::Relaxed);
        ticket != 0 && ticket == self.memory.eldest.load(Ordering::SeqCst)
    }
}

impl Drop for MemoryReservation<'_> {
    fn drop(&mut self) {
        self.leave_line();
        self.memory.purposes.give_back(&self.purposes);
        let leased = self.exchange.leased();
        self.exchange.subtract(leased);
        self.memory.give_back(leased);
    }
}

#[cfg(test)]
mod tests;
