//! The source of a batch in which no item waits for another. Items for one upstream wait in one queue; in sequential order
//! all wait in one. A queue is a list and an atomic cursor, so taking an item needs no lock, and none is taken twice.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::plan::Step;
use crate::route::UpstreamIndex;

use super::engine::Engine;
use super::items::{Items, PlacedJob};
use super::outcome::Outcome;
use super::placed_call::PlacedCall;
use super::scheduler::Width;
use super::source::{Run, Source};

/// The queues of one batch.
pub(super) struct Queues<'items> {
    items: &'items Items,
    lines: Vec<Queue>,
    /// Bounds the workers of all queues together; not needed where there is one queue.
    turns: Option<Semaphore>,
}

/// Items that wait for the same channels, by their numbers in the batch.
struct Queue {
    /// Where the first of them goes; the others too, unless all of a batch wait in one queue.
    upstream: UpstreamIndex,
    numbers: Vec<usize>,
    next: AtomicUsize,
}

impl<'items> Queues<'items> {
    /// Queues the calls that may be started.
    pub(super) fn new(items: &'items Items) -> Self {
        let mut queues: Vec<Queue> = Vec::new();
        for (number, place) in items.places.iter().enumerate().take(items.barrier) {
            let Step::Call(call) = &place.item.step else { continue };
            let same = |queue: &&mut Queue| items.run.limits.sequential || queue.upstream == call.upstream;
            match queues.iter_mut().find(same) {
                Some(queue) => queue.numbers.push(number),
                None => queues.push(Queue::new(call.upstream, number, items.places.len() - number)),
            }
        }
        let turns = (queues.len() > 1).then(|| Semaphore::new(items.run.limits.concurrency));
        Self { items, lines: queues, turns }
    }

    /// How many channels each queue may have. More than the upstream has permits for one client would only wait for
    /// each other.
    pub(super) fn widths<E: Engine>(&self, engine: &E) -> impl Iterator<Item = Width> {
        let limits = self.items.run.limits;
        self.lines.iter().map(move |queue| {
            let at_once = limits.concurrency.min(engine.capacity(queue.upstream)).max(1);
            let most = if limits.sequential { 1 } else { at_once.min(queue.numbers.len()) };
            Width { most, upstream: Some(queue.upstream).filter(|_| !limits.sequential) }
        })
    }
}

impl Queue {
    /// A queue with its first item, and room for the items of a small batch.
    fn new(upstream: UpstreamIndex, first: usize, room: usize) -> Self {
        let mut numbers = Vec::with_capacity(room);
        numbers.push(first);
        Self { upstream, numbers, next: AtomicUsize::new(0) }
    }
}

impl<'run, 'items: 'run> Source<'run> for Queues<'items> {
    type Job = PlacedJob<'run>;

    fn take(&'run self, queue: usize) -> Option<PlacedJob<'run>> {
        if self.items.run.is_stopped() {
            return None;
        }
        let queue = self.lines.get(queue)?;
        let number = *queue.numbers.get(queue.next.fetch_add(1, Ordering::Relaxed))?;
        let place = self.items.places.get(number)?;
        if self.items.run.limits.sequential {
            place.progress.mark_ready();
        }
        let Step::Call(call) = &place.item.step else { return None };
        Some(PlacedJob { number, place, call: PlacedCall::Planned(call), deadline: self.items.deadline })
    }

    fn waiting(&self, queue: usize) -> usize {
        let Some(queue) = self.lines.get(queue).filter(|_| !self.items.run.is_stopped()) else { return 0 };
        queue.numbers.len().saturating_sub(queue.next.load(Ordering::Relaxed))
    }

    fn end(&'run self, job: PlacedJob<'run>, outcome: Outcome) {
        self.items.fill(job.place, outcome);
    }

    fn run(&self) -> &Run {
        &self.items.run
    }

    async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // An error would mean that the semaphore was closed, which none ever is.
        self.turns.as_ref()?.acquire().await.ok()
    }
}
