//! Do it: the calls of a plan are made, and each item ends in exactly one outcome.
//!
//! In: a [`Plan`] by move, an [`Engine`] that can make calls, and [`DispatchLimits`]. Out: one
//! [`DispatchedItem`] for each planned item, in order, whatever happens: a timeout, a panic, the
//! batch's deadline. Knows time, not pingora. Everything of one batch runs in one task, so dropping
//! the future cancels all calls under way and starts no more.

mod answer;
mod condition;
mod failure;
mod lanes;
mod outcome;
mod progress;
mod ramp;
mod resolve;
mod stream;

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};

use crate::batch::Subject;
use crate::clock::Deadline;
use crate::plan::{Call, CallTemplate, Plan};
use crate::route::{RouteIndex, UpstreamIndex};

use crate::limiter::FairLimiter;
use crate::limiter::Permit;
pub use failure::{CallFailure, FailureKind};
pub use outcome::{Outcome, SkipReason};
pub use progress::{Progress, ReplyBudget, Sent};
pub use resolve::{Answers, Surroundings, Unfit, resolve};
pub use stream::{StreamDispatch, StreamLimits, StreamWork, StreamedItem};

/// Makes calls to upstreams. The second user beside the server is the property tests' fake.
pub trait Engine: Sync {
    /// What one worker of a batch holds on to between its calls.
    type Lane: Lane;

    /// A lane to an upstream. Opens nothing yet.
    fn lane(&self, upstream: UpstreamIndex) -> Self::Lane;

    /// Calls that an upstream takes at once from one client, over all its batches.
    fn most_at_once(&self, upstream: UpstreamIndex) -> usize;

    /// The turn for a call to an upstream, if it can be had without waiting.
    fn try_permit(&self, upstream: UpstreamIndex) -> Option<Permit<&FairLimiter>>;

    /// Whether a call to an upstream was given up while it waited for other calls of its client, which had
    /// its share of turns.
    fn was_held_back(&self, _upstream: UpstreamIndex) -> bool {
        false
    }

    /// Waits for the turn for a call to an upstream.
    ///
    /// # Errors
    /// Says why it won't come.
    fn permit(
        &self,
        upstream: UpstreamIndex,
    ) -> impl Future<Output = Result<Permit<&FairLimiter>, CallFailure>> + Send;

    /// How long a call to an upstream may take.
    fn call_timeout(&self, upstream: UpstreamIndex) -> Duration;

    /// Whether there is room for one more call's reply.
    fn has_room(&self) -> bool {
        true
    }

    /// Returns once there was.
    ///
    /// # Errors
    /// There is none, and nothing goes on that could make any.
    fn room(&self) -> impl Future<Output = Result<(), CallFailure>> + Send {
        std::future::ready(Ok(()))
    }

    /// Takes memory for one more copy of a reply, of so many bytes.
    ///
    /// # Errors
    /// There is none left.
    fn hold_copy(&self, _bytes: usize) -> Result<(), CallFailure> {
        Ok(())
    }

    /// Fills in a call's references, by [`resolve`] with what the engine knows of the gateway.
    ///
    /// # Errors
    /// Says why the call can't be made.
    fn resolve(&self, template: &CallTemplate, answers: &mut Answers<'_>) -> Result<Call, Unfit>;
}

/// Makes one call after another.
pub trait Lane: Send {
    /// Makes one call; marks in `progress` when its first byte may have left.
    fn call(
        &mut self,
        method: &Method,
        call: &Call,
        attempt: Attempt<'_>,
    ) -> impl Future<Output = Result<UpstreamReply, CallFailure>> + Send;

    /// Gives back what others can use, before a time without a call or at the end.
    fn rest(&mut self);
}

/// What a call is made under.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'dispatch> {
    /// Where the call says how far it got.
    pub progress: &'dispatch Progress,
    /// Where bytes of reply bodies are counted.
    pub budget: &'dispatch ReplyBudget,
    /// When the call is given up at the latest.
    pub deadline: Deadline,
}

/// An upstream's whole reply.
#[derive(Clone, Debug, PartialEq)]
pub struct UpstreamReply {
    /// Its final status.
    pub status: StatusCode,
    /// Its fields as received.
    pub headers: HeaderMap,
    /// Its body as received: transfer codings undone, content codings not.
    pub body: Bytes,
}

impl UpstreamReply {
    /// Bytes of its fields and its body, as a [`ReplyBudget`] counts them.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let fields: usize = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        fields + self.body.len()
    }
}

/// What bounds the dispatch of one batch.
#[derive(Clone, Copy, Debug)]
pub struct DispatchLimits {
    /// Calls of this batch under way at once; at least 1.
    pub concurrency: usize,
    /// One by one, in the order of the request.
    pub sequential: bool,
    /// Start nothing after the first status of 400 or above.
    pub stop_on_error: bool,
    /// When the reply has to leave.
    pub deadline: Deadline,
    /// Bytes of one reply's body.
    pub max_item_reply: usize,
    /// Bytes of all replies' bodies together.
    pub max_reply: usize,
}

/// An item and how it ended.
#[derive(Debug)]
pub struct DispatchedItem {
    /// Who it is.
    pub subject: Subject,
    /// The route it met, if any.
    pub route: Option<RouteIndex>,
    /// The upstream it was for, if any.
    pub upstream: Option<UpstreamIndex>,
    /// How it ended.
    pub outcome: Outcome,
    /// From its turn in the batch to its end; zero where it never had a turn.
    pub elapsed: Duration,
    /// Whether it shared the call of another item.
    pub coalesced: bool,
}

impl DispatchedItem {
    /// Bytes of the upstream's reply, if there is one.
    #[must_use]
    pub fn reply_bytes(&self) -> usize {
        if let Outcome::Answered(reply) = &self.outcome { reply.bytes() } else { 0 }
    }

    /// Whether its reply has a content coding, which takes time to undo.
    #[must_use]
    pub fn is_coded(&self) -> bool {
        matches!(&self.outcome, Outcome::Answered(reply) if reply.headers.contains_key(http::header::CONTENT_ENCODING))
    }
}

/// Takes the turn for a call. A lane that has to wait for it keeps nothing from those whose turn it is: over
/// HTTP/1.1 there are no more connections than turns.
async fn take_permit<'engine, E: Engine>(
    engine: &'engine E,
    upstream: UpstreamIndex,
    lane: &mut E::Lane,
) -> Result<Permit<&'engine FairLimiter>, CallFailure> {
    loop {
        let permit = if let Some(permit) = engine.try_permit(upstream) {
            permit
        } else {
            lane.rest();
            engine.permit(upstream).await?
        };
        if engine.has_room() {
            return Ok(permit);
        }
        // Those that make room may need the turn.
        drop(permit);
        lane.rest();
        engine.room().await?;
    }
}

/// Gives a turn back, and the lane's connection with it if somebody waits for them.
fn give_back<L: Lane>(permit: Permit<&FairLimiter>, lane: Option<&mut L>) {
    if let Some(lane) = lane.filter(|_| permit.is_wanted()) {
        lane.rest();
    }
    drop(permit);
}

/// Why dispatching came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Finished,
    Deadline,
    ClientGone,
}

/// Makes a plan's calls. N planned items in, N dispatched items out, in order.
///
/// When `gone` ends (the client has left), nothing more is started and what is under way is
/// dropped; the items still come out, so that metrics count each of them.
pub async fn dispatch<E: Engine>(
    plan: Plan,
    engine: &E,
    limits: DispatchLimits,
    gone: impl Future<Output = ()> + Send,
) -> Vec<DispatchedItem> {
    let work = lanes::Work::new(plan, limits);
    let end = {
        let run = limits.deadline.race(work.run(engine));
        tokio::select! {
            biased;
            finished = run => if finished.is_some() { End::Finished } else { End::Deadline },
            () = gone => End::ClientGone,
        }
    };
    work.into_items(end, engine)
}

#[cfg(test)]
mod tests;
