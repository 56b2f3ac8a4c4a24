//! A number of permits and a fair queue for them. While no call waits, taking and releasing a permit is one
//! compare-and-swap. While calls wait, each released permit goes to the next of them, under a lock.

use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use super::queue::{FlowId, Place, Queue};

/// Set while a call waits; no permit is free then. Changes only under the lock.
const HAS_QUEUE: usize = 1;
/// One free permit.
const PERMIT: usize = 2;

/// The permits. The holder of one has to release it.
#[derive(Debug)]
pub(super) struct Permits {
    /// The number of free permits times [`PERMIT`], or [`HAS_QUEUE`].
    free: AtomicUsize,
    /// The lock is held for a few look-ups at a time.
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

    /// How many permits are free.
    pub(super) fn free(&self) -> usize {
        self.free.load(Ordering::Relaxed) / PERMIT
    }

    /// Takes a permit if one is free.
    pub(super) fn try_acquire(&self) -> bool {
        let taken =
            self.free.fetch_update(Ordering::Acquire, Ordering::Relaxed, |free| free.checked_sub(PERMIT));
        taken.is_ok()
    }

    /// Takes a permit, or waits for one. Cancel-safe.
    pub(super) async fn acquire(&self, flow: FlowId) {
        Acquire { permits: self, flow, state: AcquireState::New }.await;
    }

    /// Releases a permit: to the next call in the queue, if there is one.
    pub(super) fn release(&self) {
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
        let mut queue = self.queue.lock();
        let next = queue.next();
        if next.is_none() {
            // Every waiting call has given up meanwhile.
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

    /// Takes a permit, or otherwise a place in the queue.
    fn acquire_or_join(&self, flow: FlowId, waker: &Waker) -> Option<Place> {
        let mut queue = self.queue.lock();
        let before = self.free.fetch_update(Ordering::Acquire, Ordering::Relaxed, |free| {
            Some(free.checked_sub(PERMIT).unwrap_or(HAS_QUEUE))
        });
        // The update never refuses.
        let (Ok(before) | Err(before)) = before;
        (before < PERMIT).then(|| queue.join(flow, waker.clone()))
    }
}

/// Waits for a permit.
struct Acquire<'permits> {
    permits: &'permits Permits,
    flow: FlowId,
    state: AcquireState,
}

enum AcquireState {
    New,
    /// In the queue, or given a permit since.
    Queued(Place),
    Done,
}

impl Future for Acquire<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        match self.state {
            AcquireState::New => {
                if let Some(place) = self.permits.acquire_or_join(self.flow, context.waker()) {
                    self.state = AcquireState::Queued(place);
                    return Poll::Pending;
                }
            }
            AcquireState::Queued(place) => {
                if self.permits.queue.lock().is_waiting(place, context.waker()) {
                    return Poll::Pending;
                }
            }
            AcquireState::Done => {}
        }
        self.state = AcquireState::Done;
        Poll::Ready(())
    }
}

impl Drop for Acquire<'_> {
    fn drop(&mut self) {
        let AcquireState::Queued(place) = self.state else { return };
        let was_waiting = {
            let mut queue = self.permits.queue.lock();
            let was_waiting = queue.give_up(place);
            self.permits.note_end_of_queue(&queue);
            was_waiting
        };
        if !was_waiting {
            // It was given a permit but was never polled again to learn of it.
            self.permits.release();
        }
    }
}
