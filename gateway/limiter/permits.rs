//! So many turns, and a fair queue for them. Taking and leaving a turn is one compare-and-swap while
//! nobody waits; while somebody does, each turn that ends goes to the next in the queue, under a lock.

use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::Flow;
use super::queue::{Place, Queue};

/// Set while somebody waits; then no turn is free. Changes only under the lock.
const HAS_QUEUE: usize = 1;
/// One free turn.
const PERMIT: usize = 2;

/// The turns.
#[derive(Debug)]
pub(super) struct Permits {
    /// Free turns times [`PERMIT`], or [`HAS_QUEUE`].
    free: AtomicUsize,
    queue: Mutex<Queue>,
}

impl Permits {
    pub(super) fn new(permits: NonZeroUsize) -> Self {
        let free = permits.get().saturating_mul(PERMIT) & !HAS_QUEUE;
        Self { free: AtomicUsize::new(free), queue: Mutex::default() }
    }

    pub(super) fn has_queue(&self) -> bool {
        self.free.load(Ordering::Relaxed) & HAS_QUEUE != 0
    }

    /// Takes a turn if one is free.
    pub(super) fn try_enter(&self) -> bool {
        let taken =
            self.free.fetch_update(Ordering::Acquire, Ordering::Relaxed, |free| free.checked_sub(PERMIT));
        taken.is_ok()
    }

    /// Takes a turn, or waits for one.
    pub(super) async fn enter(&self, flow: &Flow) {
        Waiting { turnstile: self, flow, at: At::Outside }.await;
    }

    /// Gives a turn back: to the next in the queue, if there is one.
    pub(super) fn leave(&self) {
        let freed = self.free.fetch_update(Ordering::Release, Ordering::Relaxed, |free| {
            (free & HAS_QUEUE == 0).then(|| free + PERMIT)
        });
        if freed.is_err()
            && let Some(next) = self.pass_on()
        {
            next.wake();
        }
    }

    fn pass_on(&self) -> Option<Waker> {
        let mut queue = self.lock();
        let next = queue.next();
        if next.is_none() {
            // Whoever waited has left since.
            self.free.fetch_add(PERMIT, Ordering::Release);
        }
        self.note_end_of_queue(&queue);
        next
    }

    fn note_end_of_queue(&self, queue: &Queue) {
        if queue.is_empty() {
            self.free.fetch_and(!HAS_QUEUE, Ordering::Release);
        }
    }

    /// Takes a turn, or else a place in the queue.
    fn enter_or_join(&self, flow: &Flow, waker: &Waker) -> Option<Place> {
        let mut queue = self.lock();
        let before = self.free.fetch_update(Ordering::Acquire, Ordering::Relaxed, |free| {
            Some(free.checked_sub(PERMIT).unwrap_or(HAS_QUEUE))
        });
        // The update never refuses.
        let (Ok(before) | Err(before)) = before;
        (before < PERMIT).then(|| queue.join(flow, waker.clone()))
    }

    /// The lock is held for a few look-ups at a time, and nothing in it panics.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for a turn.
struct Waiting<'turnstile> {
    turnstile: &'turnstile Permits,
    flow: &'turnstile Flow,
    at: At,
}

/// How far somebody has come.
enum At {
    Outside,
    /// In the queue, or given a turn since.
    Queue(Place),
    Inside,
}

impl Future for Waiting<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        match self.at {
            At::Outside => {
                if let Some(place) = self.turnstile.enter_or_join(self.flow, context.waker()) {
                    self.at = At::Queue(place);
                    return Poll::Pending;
                }
            }
            At::Queue(place) => {
                if self.turnstile.lock().is_waiting(place, context.waker()) {
                    return Poll::Pending;
                }
            }
            At::Inside => {}
        }
        self.at = At::Inside;
        Poll::Ready(())
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let At::Queue(place) = self.at else { return };
        let was_waiting = {
            let mut queue = self.turnstile.lock();
            let was_waiting = queue.give_up(place);
            self.turnstile.note_end_of_queue(&queue);
            was_waiting
        };
        if !was_waiting {
            // It was given a turn and did not come to know of it.
            self.turnstile.leave();
        }
    }
}
