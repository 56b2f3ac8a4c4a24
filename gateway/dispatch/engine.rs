//! What the dispatcher needs from its caller: permits, memory, and channels to upstreams. The gateway's own
//! engine is `upstream::client`; the tests have another.
//!
//! # Why a channel has no `send` that returns a ticket
//!
//! A [`Channel`] carries one call at a time, and the future of [`Channel::call`] is that call's ticket: it ends with the
//! call's own reply, and dropping it drops this call and no other. A channel that carries several calls (`capacity`,
//! `send`, `next`) would have to own each call, or share it by reference counting, because a call outlives the borrow
//! that `send` was given; it would need a list of calls under way with a timer for each, and would have to keep the
//! others whenever one is cut off. All that costs an allocation and a lock for each item. So several calls on one
//! connection are several channels: those of HTTP/2 share the connections of the pool, a stream each, and those of a
//! pipelined connection would share it in the same way, each with its place in the pipeline. How many an upstream
//! takes is [`Engine::capacity`].
//!
//! # Why a retry stays in the channel
//!
//! A call comes back from its channel when it has ended for good. Had a retry to go through the queue again, another
//! item could pass it (sequential order), its permit would go to another in between (a client's share), and its
//! time limit, the targets that it has tried, and the reply that it keeps in case the retry does no better would have to
//! travel with it.

use std::future::Future;
use std::time::Duration;

use http::Method;

use crate::clock::Deadline;
use crate::limiter::{FairLimiter, Permit};
use crate::plan::Call;
use crate::route::UpstreamIndex;

use super::budget::ReplyBudget;
use super::failure::CallFailure;
use super::progress::Progress;
use super::ramp::first_channels;
use super::reply::UpstreamReply;

/// Makes the calls of one batch.
pub trait Engine: Sync {
    /// A channel to one upstream.
    type Channel: Channel;

    /// Returns a channel to an upstream. It opens nothing yet.
    fn channel(&self, upstream: UpstreamIndex) -> Self::Channel;

    /// The most channels to an upstream that are of use: the calls that one client may have there at once, over all its
    /// batches.
    fn capacity(&self, upstream: UpstreamIndex) -> usize;

    /// The channels to an upstream that a batch opens at once for this many calls. More are opened only while nothing comes
    /// back.
    fn first_channels(&self, _upstream: UpstreamIndex, calls: usize) -> usize {
        first_channels(calls)
    }

    /// Whether so many calls to an upstream are under way that more of them at once would soon wait for permits.
    fn is_crowded(&self, _upstream: UpstreamIndex) -> bool {
        false
    }

    /// How many more channels to an upstream are of use now: as many as find permits free, and one that waits for its turn.
    /// None, if a call of this batch waits already: others would only wait with it.
    fn room_for_channels(&self, _upstream: UpstreamIndex) -> usize {
        usize::MAX
    }

    /// The permit for a call to an upstream, if one is free.
    fn try_permit(&self, upstream: UpstreamIndex) -> Option<Permit<&FairLimiter>>;

    /// Whether a call to an upstream gave up while it waited for other calls of its client, which had its share of the
    /// permits.
    fn was_held_back(&self, _upstream: UpstreamIndex) -> bool {
        false
    }

    /// Waits for the permit for a call to an upstream.
    ///
    /// # Errors
    /// Says why it won't come.
    fn permit(
        &self,
        upstream: UpstreamIndex,
    ) -> impl Future<Output = Result<Permit<&FairLimiter>, CallFailure>> + Send;

    /// How long a call may take.
    fn call_timeout(&self, call: &Call) -> Duration;

    /// Whether there is memory for one more call's reply.
    fn has_room(&self) -> bool {
        true
    }

    /// Waits until there is.
    ///
    /// # Errors
    /// There is none, and nothing is under way that could free any.
    fn room(&self) -> impl Future<Output = Result<(), CallFailure>> + Send {
        std::future::ready(Ok(()))
    }

    /// Gives back `bytes` of memory that a reply held which was dropped.
    fn let_go(&self, _bytes: usize) {}

    /// Takes `bytes` of memory for one more copy of a reply.
    ///
    /// # Errors
    /// There is none left.
    fn hold_copy(&self, _bytes: usize) -> Result<(), CallFailure> {
        Ok(())
    }
}

/// A way to one upstream. It carries one call after another, and may keep a connection between them.
pub trait Channel: Send {
    /// Makes a call, in as many attempts as it takes. Marks in `attempt.progress` when its first byte may have left.
    /// Dropping the future drops the call and the connection that it uses.
    fn call(
        &mut self,
        method: &Method,
        call: &Call,
        attempt: Attempt<'_>,
    ) -> impl Future<Output = Result<UpstreamReply, CallFailure>> + Send;

    /// Gives back what others can use: before a time without a call, and at the end.
    fn rest(&mut self);
}

/// What a call is made under.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'dispatch> {
    /// Where the channel says how far the call got.
    pub progress: &'dispatch Progress,
    /// Where the bytes of replies are counted.
    pub budget: &'dispatch ReplyBudget,
    /// When the call is given up at the latest.
    pub deadline: Deadline,
}
