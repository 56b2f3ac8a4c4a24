//! The memory for bodies (`limits.memory`): how many bytes of bodies all batches and streams hold
//! together, from the first byte received to the last byte written.
//!
//! Three marks keep batches from waiting for each other without end. Below half, bodies are received and
//! calls are started. What is under way then may fill three quarters. What is left but a sixteenth is for the
//! eldest of the batches that make calls: it goes on until memory is nearly full, so one batch can always end
//! and make room. If its own replies are too many for that, it starts no more calls after [`PATIENCE`]. All waits are
//! bounded: for a body by [`PATIENCE`], for a call by the batch's deadline, at which it is known that it was not sent.
//! The last sixteenth is for what a reply's form adds to the bodies in it (JSON's framing, base64): a reply whose
//! items have been called is written, whether there is room or not.
//!
//! A batch leases whole blocks, so that most replies cost an addition that no other batch sees.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::Deadline;

/// So long a body waits for room.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is leased at once.
const BLOCK: usize = 16 << 10;

/// The memory of a gateway.
pub(super) struct Memory {
    limit: AtomicUsize,
    held: AtomicUsize,
    waiting: AtomicUsize,
    /// Told when less than half is held, or another batch is the eldest, while someone waits.
    freed: Notify,
    /// Told when room was made for the eldest, while someone waits.
    freed_for_eldest: Notify,
    /// Batches that make calls, by their tickets; the first is the eldest.
    line: Mutex<BTreeSet<u64>>,
    eldest: AtomicU64,
    last_ticket: AtomicU64,
}

/// There is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Memory {
    /// A memory of so many bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit: AtomicUsize::new(limit),
            held: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            freed: Notify::new(),
            freed_for_eldest: Notify::new(),
            line: Mutex::default(),
            eldest: AtomicU64::new(0),
            last_ticket: AtomicU64::new(0),
        }
    }

    /// Changes its size. What is held stays held.
    pub(super) fn resize(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
        self.freed.notify_waiters();
        self.freed_for_eldest.notify_waiters();
    }

    pub(super) fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    /// Bytes held now.
    pub(super) fn held(&self) -> usize {
        self.held.load(Ordering::SeqCst)
    }

    fn half(&self) -> usize {
        self.limit() / 2
    }

    /// Up to where the eldest starts calls: what it has under way shall fit, too.
    fn nearly_full(&self) -> usize {
        let limit = self.limit();
        limit - limit / 8
    }

    /// Up to where the eldest takes replies.
    fn full(&self) -> usize {
        let limit = self.limit();
        limit - limit / 16
    }

    fn lease(&self, more: usize, most: usize) -> Result<(), Full> {
        let fits = |held: usize| held.checked_add(more).filter(|held| *held <= most);
        self.held.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fits).map(drop).map_err(|_| Full)
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

    fn line(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn step_forward(&self, line: &BTreeSet<u64>) {
        let first = line.first().copied().unwrap_or_default();
        if self.eldest.swap(first, Ordering::SeqCst) != first && self.waiting.load(Ordering::SeqCst) > 0 {
            self.freed.notify_waiters();
        }
    }

    async fn until<T>(&self, mut condition: impl FnMut() -> Option<T>, is_eldest: impl Fn() -> bool) -> T {
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
            if is_eldest() {
                tokio::select! {
                    () = freed => {}
                    () = freed_for_eldest => {}
                }
            } else {
                freed.await;
            }
        }
    }
}

/// Someone who waits, as long as it lives.
struct Waiting<'memory>(&'memory Memory);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What one batch or stream holds; given back when it is dropped. Its methods may be called while calls of
/// the batch are under way, but all of a batch runs in one task.
pub(super) struct Holding<'memory> {
    memory: &'memory Memory,
    used: AtomicUsize,
    leased: AtomicUsize,
    /// Its place in line; 0: none.
    ticket: AtomicU64,
    /// It starts no more calls.
    gave_up: AtomicBool,
}

impl<'memory> Holding<'memory> {
    pub(super) const fn new(memory: &'memory Memory) -> Self {
        let (used, leased, ticket) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicU64::new(0));
        Self { memory, used, leased, ticket, gave_up: AtomicBool::new(false) }
    }

    /// Takes `more` bytes of a body that is received; waits a little for room.
    pub(super) async fn admit(&self, more: usize) -> Result<(), Full> {
        let memory = self.memory;
        let take = || self.take_below(more, memory.half());
        if take().is_ok() {
            return Ok(());
        }
        Deadline::after(PATIENCE).race(memory.until(|| take().ok(), || false)).await.ok_or(Full)
    }

    /// Takes `more` bytes that are there already.
    pub(super) fn take(&self, more: usize) -> Result<(), Full> {
        let limit = self.memory.limit();
        self.take_below(more, if self.is_eldest() { self.memory.full() } else { limit - limit / 4 })
    }

    fn take_below(&self, more: usize, most: usize) -> Result<(), Full> {
        let used = self.used.load(Ordering::Relaxed).saturating_add(more);
        let missing = used.saturating_sub(self.leased.load(Ordering::Relaxed));
        if missing > 0 {
            let leased = missing.next_multiple_of(BLOCK);
            self.memory.lease(leased, most)?;
            self.leased.fetch_add(leased, Ordering::Relaxed);
        }
        self.used.store(used, Ordering::Relaxed);
        Ok(())
    }

    /// Gives back `bytes` of what it took.
    pub(super) fn give_back(&self, bytes: usize) {
        self.hold(self.used.load(Ordering::Relaxed).saturating_sub(bytes));
    }

    /// It holds exactly so many bytes now, whether there is room or not.
    pub(super) fn hold(&self, used: usize) {
        self.used.store(used, Ordering::Relaxed);
        let (leased, wanted) = (self.leased.load(Ordering::Relaxed), used.next_multiple_of(BLOCK));
        if leased > wanted + BLOCK {
            self.leased.store(wanted, Ordering::Relaxed);
            self.memory.give_back(leased - wanted);
        } else if wanted > leased {
            self.leased.store(wanted, Ordering::Relaxed);
            self.memory.held.fetch_add(wanted - leased, Ordering::SeqCst);
        }
    }

    /// Holds `now` bytes in the place of `before`, whether there is room or not.
    pub(super) fn change(&self, before: usize, now: usize) {
        self.hold((self.used.load(Ordering::Relaxed) + now).saturating_sub(before));
    }

    /// Returns once a call may be started. If the eldest batch has to wait, nobody may be able to go on: after
    /// [`PATIENCE`] it starts no more calls, so that it ends and makes room.
    pub(super) async fn room(&self) -> Result<(), Full> {
        while !self.has_room() {
            if self.gave_up.load(Ordering::Relaxed) {
                return Err(Full);
            }
            let met = self.memory.until(|| self.has_room().then_some(()), || self.is_eldest());
            if Deadline::after(PATIENCE).race(met).await.is_none() && self.is_eldest() {
                self.gave_up.store(true, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Whether a call may be started.
    pub(super) fn has_room(&self) -> bool {
        let held = self.memory.held();
        held <= self.memory.half() || (self.is_eldest() && held <= self.memory.nearly_full())
    }

    /// The batch makes calls from here on.
    pub(super) fn stand_in_line(&self) {
        let mut line = self.memory.line();
        let ticket = self.memory.last_ticket.fetch_add(1, Ordering::Relaxed) + 1;
        line.insert(ticket);
        self.ticket.store(ticket, Ordering::Relaxed);
        self.memory.step_forward(&line);
    }

    /// The batch makes no more calls.
    pub(super) fn leave_line(&self) {
        let ticket = self.ticket.swap(0, Ordering::Relaxed);
        if ticket != 0 {
            let mut line = self.memory.line();
            line.remove(&ticket);
            self.memory.step_forward(&line);
        }
    }

    fn is_eldest(&self) -> bool {
        let ticket = self.ticket.load(Ordering::Relaxed);
        ticket != 0 && ticket == self.memory.eldest.load(Ordering::SeqCst)
    }
}

impl Drop for Holding<'_> {
    fn drop(&mut self) {
        self.leave_line();
        self.memory.give_back(*self.leased.get_mut());
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const MIB: usize = 1 << 20;

    #[tokio::test(start_paused = true)]
    async fn a_body_waits_for_room_but_not_for_long() {
        let memory = Memory::new(8 * MIB);
        let first = Holding::new(&memory);
        assert_eq!(first.admit(3 * MIB).await, Ok(()));
        let second = Holding::new(&memory);
        assert_eq!(second.admit(2 * MIB).await, Err(Full));
        let (admitted, ()) = tokio::join!(second.admit(2 * MIB), async {
            tokio::time::sleep(PATIENCE / 2).await;
            drop(first);
        });
        assert_eq!((admitted, memory.held()), (Ok(()), 2 * MIB));
        drop(second);
        assert_eq!(memory.held(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_eldest_has_the_last_quarter_and_waits_last() {
        let memory = Memory::new(8 * MIB);
        let [eldest, other] = [Holding::new(&memory), Holding::new(&memory)];
        eldest.stand_in_line();
        other.stand_in_line();
        assert_eq!(other.take(6 * MIB), Ok(()));
        assert_eq!(other.take(1), Err(Full));
        assert!(other.room().now_or_never().is_none());
        assert!(eldest.room().now_or_never().is_some());
        assert_eq!(eldest.take(MIB + MIB / 2), Ok(()));
        assert_eq!(eldest.take(1), Err(Full));
        let mut waits = pin!(eldest.room());
        assert!(waits.as_mut().now_or_never().is_none());
        other.give_back(MIB);
        assert!(waits.now_or_never().is_some());
        eldest.leave_line();
        assert!(other.room().now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_goes_on_once_the_eldest_has_ended() {
        let memory = Memory::new(8 * MIB);
        let [eldest, other] = [Holding::new(&memory), Holding::new(&memory)];
        eldest.stand_in_line();
        other.stand_in_line();
        other.take(5 * MIB).unwrap();
        let (room, ()) = tokio::join!(other.room(), async {
            tokio::time::sleep(PATIENCE).await;
            drop(eldest);
        });
        assert_eq!(room, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn an_eldest_that_can_not_go_on_ends() {
        let memory = Memory::new(8 * MIB);
        let [eldest, other] = [Holding::new(&memory), Holding::new(&memory)];
        eldest.stand_in_line();
        other.stand_in_line();
        other.take(5 * MIB).unwrap();
        eldest.take(5 * MIB / 2).unwrap();
        let ((), room) = tokio::join!(
            async {
                assert_eq!(eldest.room().await, Err(Full));
                assert_eq!(eldest.room().now_or_never(), Some(Err(Full)));
                drop(eldest);
            },
            other.room()
        );
        assert_eq!(room, Ok(()));
    }

    #[test]
    fn what_is_given_back_can_be_taken_by_others() {
        let memory = Memory::new(8 * MIB);
        let stream = Holding::new(&memory);
        stream.take(4 * MIB).unwrap();
        stream.give_back(3 * MIB);
        assert_eq!(memory.held(), MIB);
        stream.hold(9 * MIB);
        assert_eq!(memory.held(), 9 * MIB);
        stream.hold(10);
        assert_eq!(memory.held(), BLOCK);
    }

    #[test]
    fn there_is_room_left_for_what_writing_adds() {
        let memory = Memory::new(8 * MIB);
        let eldest = Holding::new(&memory);
        eldest.stand_in_line();
        let most = (0..1_000_000).take_while(|_| eldest.take(1000).is_ok()).count();
        eldest.hold(most * 1000 + MIB / 2);
        assert_eq!(memory.held(), 8 * MIB);
    }

    #[test]
    fn small_batches_lease_one_block() {
        let memory = Memory::new(8 * MIB);
        let batch = Holding::new(&memory);
        for _ in 0..16 {
            batch.take(1000).unwrap();
        }
        assert_eq!(memory.held(), BLOCK);
        batch.take(1000).unwrap();
        assert_eq!(memory.held(), 2 * BLOCK);
    }
}
