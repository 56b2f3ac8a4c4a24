//! Brings the items of a source to channels and hands their outcomes back, for batches and streams alike.
//!
//! Each worker drives one channel: it takes an item from its queue, waits for the permit of the item's upstream, makes the
//! call, hands the outcome to the source, and goes on until its queue is empty. There it gives its connection back and
//! ends; if more items come, another is opened. Items of a queue may be for several upstreams, in which case a worker
//! changes its channel.
//!
//! A worker is one future, allocated once for many items, so an item costs neither an allocation nor a task. How many
//! there are is decided by the [`ramp`](super::ramp), up to the queue's most.
//!
//! A worker never waits for memory or a permit while it holds a connection that others could use, and never waits for
//! memory while it holds a permit: the call that could free one may need the other.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::task::{Context, Poll};

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::limiter::{FairLimiter, Permit};
use crate::route::UpstreamIndex;

use super::engine::{Attempt, Channel, Engine};
use super::failure::CallFailure;
use super::outcome::{Outcome, SkipReason};
use super::progress::{Progress, Sent};
use super::ramp::{Ramp, first_channels};
use super::source::{Job, Limit, Source};

/// Drives the calls of one source. Dropping it drops the calls under way and starts no more.
pub(super) struct Scheduler<'run, S, E> {
    shared: Shared<'run, S, E>,
    /// Each ends with the number of its queue.
    workers: FuturesUnordered<BoxFuture<'run, usize>>,
    queues: Vec<Channels>,
    ramp: Ramp,
}

/// The channels of one queue.
#[derive(Debug)]
struct Channels {
    open: usize,
    /// How many there should be while items wait.
    wanted: usize,
    width: Width,
}

/// How many channels a queue may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Width {
    pub(super) most: usize,
    /// Where all its calls go; `None`: to several upstreams.
    pub(super) upstream: Option<UpstreamIndex>,
}

impl Channels {
    fn is_crowded<E: Engine>(&self, engine: &E) -> bool {
        self.open > 0 && self.width.upstream.is_some_and(|upstream| engine.is_crowded(upstream))
    }

    /// Asks for at least this many channels, but for no more than are of use.
    fn want<E: Engine>(&mut self, channels: usize, engine: &E) {
        let channels = channels.min(self.width.most);
        if channels > self.wanted {
            let room = self.width.upstream.map_or(usize::MAX, |upstream| engine.room_for_channels(upstream));
            self.wanted = self.wanted.max(channels.min(self.open.saturating_add(room)));
        }
    }
}

impl<'run, S: Source<'run>, E: Engine> Scheduler<'run, S, E> {
    /// Nothing is started yet. `widths`: of each queue.
    pub(super) fn new(source: &'run S, engine: &'run E, widths: impl IntoIterator<Item = Width>) -> Self {
        let queues = widths.into_iter().map(|width| Channels { open: 0, wanted: 0, width });
        Self {
            shared: Shared { source, engine },
            workers: FuturesUnordered::new(),
            queues: queues.collect(),
            ramp: Ramp::default(),
        }
    }

    /// Goes on with all that can go on. Ready when nothing is under way and nothing waits; that may change as soon as
    /// the source has another item.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.open_channels();
        loop {
            while let Poll::Ready(Some(queue)) = self.workers.poll_next_unpin(context) {
                if let Some(channels) = self.queues.get_mut(queue) {
                    channels.open = channels.open.saturating_sub(1);
                }
            }
            self.poll_ramp(context);
            if !self.open_channels() {
                break;
            }
        }
        if self.workers.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Drops the calls under way.
    pub(super) fn clear(&mut self) {
        self.workers.clear();
    }

    /// Opens channels for the items that wait, and returns whether it opened any.
    fn open_channels(&mut self) -> bool {
        let before = self.workers.len();
        for (queue, channels) in self.queues.iter_mut().enumerate() {
            let waiting = self.shared.source.waiting(queue);
            if waiting == 0 {
                continue;
            }
            if channels.open == 0 {
                channels.wanted = 0;
            }
            let engine = self.shared.engine;
            let first = channels.width.upstream.map(|upstream| engine.first_channels(upstream, waiting));
            channels.want(first.unwrap_or_else(|| first_channels(waiting)), engine);
            for _ in channels.open..channels.wanted.min(channels.open + waiting) {
                // Boxed, so that the compiler need not see through it to know that it is `Send`.
                self.workers.push(self.shared.work(queue).boxed());
                channels.open += 1;
            }
        }
        self.workers.len() > before
    }

    /// Raises the number of channels that there should be, when it is time to.
    fn poll_ramp(&mut self, context: &mut Context<'_>) {
        let source = self.shared.source;
        let wants_more = |(queue, channels): (usize, &Channels)| {
            channels.wanted < channels.width.most && source.waiting(queue) > 0
        };
        while self.queues.iter().enumerate().any(wants_more) {
            let completed = || source.run().completed();
            let is_crowded = || self.queues.iter().any(|channels| channels.is_crowded(self.shared.engine));
            let Poll::Ready(growth) = self.ramp.poll(context, is_crowded, completed) else { return };
            let engine = self.shared.engine;
            for channels in &mut self.queues {
                channels.want(channels.wanted.saturating_mul(growth), engine);
            }
        }
        self.ramp.stop();
    }
}

/// What all workers of a scheduler share.
struct Shared<'run, S, E> {
    source: &'run S,
    engine: &'run E,
}

impl<S, E> Clone for Shared<'_, S, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S, E> Copy for Shared<'_, S, E> {}

/// How a call ended, and whether its channel can be used again.
struct Made {
    outcome: Outcome,
    channel: After,
}

/// What a call did to its channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    Usable,
    /// The call was cut off in the middle.
    Broken,
}

impl<'run, S: Source<'run>, E: Engine> Shared<'run, S, E> {
    /// Drives one channel after another until the queue is empty. Returns the queue.
    async fn work(self, queue: usize) -> usize {
        let mut held: Option<(UpstreamIndex, E::Channel)> = None;
        while let Some(job) = self.source.take(queue) {
            let upstream = job.call().upstream;
            let mut channel = match held.take() {
                Some((same, channel)) if same == upstream => channel,
                Some((_, mut other)) => {
                    other.rest();
                    self.engine.channel(upstream)
                }
                None => self.engine.channel(upstream),
            };
            let made = self.make(&job, &mut channel).await;
            self.source.end(job, made.outcome);
            held = (made.channel == After::Usable).then_some((upstream, channel));
        }
        if let Some((_, mut channel)) = held {
            channel.rest();
        }
        queue
    }

    /// Makes the call of one item, once it has its permit.
    async fn make(self, job: &S::Job, channel: &mut E::Channel) -> Made {
        let _turn = self.source.turn().await;
        let permit = match self.permit(job, channel).await {
            Ok(permit) => permit,
            Err(failure) => {
                return Made { outcome: Outcome::failed(failure, job.progress()), channel: After::Usable };
            }
        };
        if self.source.is_stopped(job) {
            return Made { outcome: Outcome::Skipped(SkipReason::BatchStopped), channel: After::Usable };
        }
        let made = self.call(job, channel).await;
        if made.channel == After::Usable && permit.is_wanted() {
            channel.rest();
        }
        made
    }

    /// The permit for an item's call, within the item's time.
    async fn permit(
        self,
        job: &S::Job,
        channel: &mut E::Channel,
    ) -> Result<Permit<&'run FairLimiter>, CallFailure> {
        let (engine, upstream) = (self.engine, job.call().upstream);
        if let Some(permit) = engine.try_permit(upstream).filter(|_| engine.has_room()) {
            return Ok(permit);
        }
        let waiting = wait_for_permit(engine, upstream, channel);
        match job.limit() {
            Limit::Batch(_) => waiting.await,
            Limit::Item(deadline) => deadline.race(waiting).await.unwrap_or_else(|| {
                Err(if engine.was_held_back(upstream) {
                    CallFailure::ClientShareDeadline
                } else {
                    CallFailure::DeadlineBeforeCall
                })
            }),
        }
    }

    /// Makes the call of an item that has its permit, within the call's time.
    async fn call(self, job: &S::Job, channel: &mut E::Channel) -> Made {
        let (call, progress, limit) = (job.call(), job.progress(), job.limit());
        let started = progress.mark_started();
        let patience = self.engine.call_timeout(call);
        let over_at = started.deadline(call.timeout.map_or(patience, |own| own.min(patience)));
        let deadline = over_at.earlier(limit.deadline());
        let cut_off_at = match limit {
            Limit::Batch(_) => over_at,
            Limit::Item(_) => deadline,
        };
        let attempt = Attempt { progress, budget: &self.source.run().budget, deadline };
        // Pinned, so that a large future is not copied from one wrapper to the next.
        let made = pin!(AssertUnwindSafe(channel.call(job.method(), call, attempt)).catch_unwind());
        match cut_off_at.race(made).await {
            Some(Ok(Ok(reply))) => Made { outcome: Outcome::Answered(reply), channel: After::Usable },
            Some(Ok(Err(failure))) => {
                Made { outcome: Outcome::failed(failure, progress), channel: After::Usable }
            }
            Some(Err(_panic)) => broken(CallFailure::Internal, progress),
            None => broken(
                match progress.sent() {
                    Sent::No if cut_off_at == over_at => CallFailure::TimeoutBeforeSending,
                    Sent::No => CallFailure::DeadlineBeforeCall,
                    Sent::Maybe if cut_off_at == over_at => CallFailure::ReplyTimeout,
                    Sent::Maybe => CallFailure::DeadlineDuringCall,
                },
                progress,
            ),
        }
    }
}

fn broken(failure: CallFailure, progress: &Progress) -> Made {
    Made { outcome: Outcome::failed(failure, progress), channel: After::Broken }
}

/// Waits for the permit for a call. Meanwhile the channel keeps nothing from those who have one: over HTTP/1.1 there are
/// no more connections than permits.
async fn wait_for_permit<'run, E: Engine>(
    engine: &'run E,
    upstream: UpstreamIndex,
    channel: &mut E::Channel,
) -> Result<Permit<&'run FairLimiter>, CallFailure> {
    loop {
        channel.rest();
        let permit = match engine.try_permit(upstream) {
            Some(permit) => permit,
            None => engine.permit(upstream).await?,
        };
        if engine.has_room() {
            return Ok(permit);
        }
        drop(permit);
        engine.room().await?;
    }
}
