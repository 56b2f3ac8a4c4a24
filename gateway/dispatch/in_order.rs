//! The items of a batch that have ended, in the order of the request, for a reply that leaves while calls go on.
//!
//! An item can be taken once it and all before it have ended, and its result can't change any more. A member of a group that
//! is undone if it fails has such a result only at the end, and so has one that shares the call of another, because copies
//! take no room from calls. So what is taken early is what the reply would have at that place anyway.
//!
//! Nothing here wakes a task. [`dispatch`](super::dispatch) polls the client whenever it has polled the calls.

use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use http::Method;
use parking_lot::Mutex;

use crate::clock::Deadline;
use crate::plan::Step;

use super::collect::Collector;
use super::engine::Engine;
use super::items::{Items, Place};
use super::outcome::{DispatchedItem, Outcome};
use super::slot::Slot;

/// Who waits for the items of a batch.
pub trait Client: Send {
    /// Waits until the calls are over or the client has left, and may take items meanwhile. If it returns before the calls
    /// are over, the client has left: nothing more is started, and the calls under way are dropped.
    fn attend<E: Engine>(&mut self, batch: &InOrder<'_, E>) -> impl Future<Output = ()> + Send;
}

/// The items of a batch whose calls are being made, as its client sees them.
pub struct InOrder<'run, E> {
    items: &'run Items,
    engine: &'run E,
    state: Mutex<State>,
    is_over: AtomicBool,
}

#[derive(Default)]
struct State {
    collector: Collector,
    /// The first position at which no item can be taken yet.
    end: usize,
    /// Bytes of the bodies up to there that were not taken yet.
    bytes: usize,
}

/// When a piece of a reply leaves.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// As soon as the bodies in it have this many bytes, …
    pub bytes: usize,
    /// … or its first item has waited this long.
    pub wait: Duration,
}

/// What a client waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A piece of the reply is ready.
    Piece,
    /// The calls are over.
    End,
}

/// Items that can be written now.
#[derive(Debug)]
pub struct Piece {
    /// The items, in order.
    pub items: Vec<DispatchedItem>,
    /// Bytes of memory that are free once they are written.
    pub held: usize,
}

impl<'run, E: Engine> InOrder<'run, E> {
    pub(super) fn new(items: &'run Items, engine: &'run E) -> Self {
        Self { items, engine, state: Mutex::default(), is_over: AtomicBool::new(false) }
    }

    /// Returns once the calls are over.
    pub async fn end(&self) {
        poll_fn(|_| if self.is_over() { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    /// Waits for the next piece of the reply. Dropping the future loses nothing.
    pub async fn next(&self, pace: Pace) -> Next {
        let next = self.until(|state| state.end > state.collector.taken()).await;
        if next == Next::End {
            return next;
        }
        let enough = self.until(|state| state.bytes >= pace.bytes);
        Deadline::after(pace.wait).race(enough).await.unwrap_or(Next::Piece)
    }

    /// Takes the items that can be taken now.
    pub fn take(&self) -> Piece {
        let State { collector, end, bytes } = &mut *self.state.lock();
        *bytes = 0;
        let mut piece = Piece { items: Vec::with_capacity(*end - collector.taken()), held: 0 };
        while collector.taken() < *end {
            let place = self.items.places.get(collector.taken());
            let Some(item) = collector.take(self.items, self.engine) else { break };
            if place.is_some_and(|place| matches!(place.slot, Slot::Own(_))) {
                piece.held += item.reply_bytes();
            }
            piece.items.push(item);
        }
        piece
    }

    /// Looks at the outcomes that are there already of items that were not taken yet, in any order.
    pub fn look_ahead(&self, look: &mut dyn FnMut(&Outcome, &Method)) {
        let taken = self.state.lock().collector.taken();
        for place in self.items.places.iter().skip(taken) {
            place.slot.look(&mut |outcome| look(outcome, &place.item.subject.method));
            if let Step::Rejected(rejection) = &place.item.step {
                look(&Outcome::Rejected(rejection.clone()), &place.item.subject.method);
            }
        }
    }

    pub(super) fn end_calls(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    pub(super) fn into_collector(self) -> Collector {
        self.state.into_inner().collector
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    async fn until(&self, is_ready: impl Fn(&State) -> bool) -> Next {
        poll_fn(|_| {
            if self.is_over() {
                return Poll::Ready(Next::End);
            }
            let state = &mut *self.state.lock();
            self.advance(state);
            if is_ready(state) { Poll::Ready(Next::Piece) } else { Poll::Pending }
        })
        .await
    }

    fn advance(&self, state: &mut State) {
        while let Some(place) =
            self.items.places.get(state.end).filter(|place| self.is_certain(state.end, place))
        {
            state.bytes += place.slot.body_length();
            state.end += 1;
        }
    }

    /// Whether an item has ended and has its final result, if all before it have.
    fn is_certain(&self, number: usize, place: &Place) -> bool {
        self.items.groups.member(number).is_none()
            && (place.slot.is_filled() || self.items.settled_already(number, place).is_some())
    }
}
