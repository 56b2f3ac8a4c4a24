//! The engine of one batch: permits, memory and channels for the dispatcher, on behalf of one client.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::Method;

use crate::config;
use crate::dispatch::{Attempt, CallFailure, Channel, Engine, UpstreamReply, first_channels};
use crate::limiter::{FairLimiter, Flow, Permit};
use crate::memory::MemoryExhausted;
use crate::plan::Call;
use crate::route::UpstreamIndex;
use crate::upstream::instance::Upstream;

use super::context::{Behalf, Calls, RouteHeads, Sending, SharedFields, SharedHead};
use super::held::HeldConnection;
use super::pipe::{Pipes, Seat};
use super::queued::Queued;
use super::retry;

/// The engine of one batch.
pub(crate) struct BatchEngine<'batch> {
    behalf: Behalf<'batch>,
    fields: SharedFields<'batch>,
    /// By upstream.
    shares: Vec<Share>,
    heads: RouteHeads,
}

/// What all of a batch's calls to one upstream share.
struct Share {
    /// Made for the first call.
    head: OnceLock<SharedHead>,
    flow: Flow,
    pipes: Pipes,
}

impl<'batch> BatchEngine<'batch> {
    pub(crate) fn new(behalf: Behalf<'batch>, fields: SharedFields<'batch>) -> Self {
        let share =
            |_| Share { head: OnceLock::new(), flow: Flow::new(behalf.client), pipes: Pipes::default() };
        let shares = behalf.upstreams.iter().map(share).collect();
        Self { behalf, fields, shares, heads: RouteHeads::default() }
    }

    fn upstream(&self, index: UpstreamIndex) -> Option<&'batch Upstream> {
        self.behalf.upstreams.get(index.0).map(Arc::as_ref)
    }

    /// Where a call waits: before its upstream, in the flow of its batch.
    fn place_in_line(&self, index: UpstreamIndex) -> Option<(&Upstream, &Flow)> {
        Some((self.upstream(index)?, &self.shares.get(index.0)?.flow))
    }

    /// A place on a shared connection, if the upstream takes requests ahead of its replies.
    fn seat(&self, index: UpstreamIndex) -> Option<Seat> {
        match self.upstream(index)?.settings.engine {
            config::Engine::Pipeline(pipeline) => Some(self.shares.get(index.0)?.pipes.seat(pipeline)),
            config::Engine::Held | config::Engine::H2 => None,
        }
    }

    fn calls_to(&self, index: UpstreamIndex) -> Option<Calls<'_>> {
        let upstream = self.upstream(index)?;
        let head = self
            .shares
            .get(index.0)?
            .head
            .get_or_init(|| self.fields.head(upstream, &upstream.settings.headers));
        Some(Calls { behalf: self.behalf, fields: &self.fields, upstream, head, heads: &self.heads })
    }
}

impl<'engine> Engine for &'engine BatchEngine<'engine> {
    type Channel = UpstreamChannel<'engine>;

    fn channel(&self, index: UpstreamIndex) -> UpstreamChannel<'engine> {
        let engine: &'engine BatchEngine<'engine> = self;
        UpstreamChannel(engine.calls_to(index).map(|calls| HeldConnection::new(calls, engine.seat(index))))
    }

    fn capacity(&self, index: UpstreamIndex) -> usize {
        self.upstream(index).map_or(1, |upstream| upstream.limiter.limits().permits_of_client().get())
    }

    fn first_channels(&self, index: UpstreamIndex, calls: usize) -> usize {
        let Some(upstream) = self.upstream(index) else { return first_channels(calls) };
        match upstream.settings.engine {
            // One connection.
            config::Engine::Pipeline(pipeline) => calls.min(pipeline.depth.get()),
            config::Engine::Held | config::Engine::H2 if upstream.is_slow_and_idle() => calls,
            config::Engine::Held | config::Engine::H2 => {
                first_channels(calls).min(upstream.room_for_a_batch())
            }
        }
    }

    fn is_crowded(&self, index: UpstreamIndex) -> bool {
        self.upstream(index).is_some_and(Upstream::is_crowded)
    }

    fn room_for_channels(&self, index: UpstreamIndex) -> usize {
        self.place_in_line(index).map_or(0, |(upstream, flow)| upstream.limiter.room_for(flow))
    }

    fn try_permit(&self, index: UpstreamIndex) -> Option<Permit<&FairLimiter>> {
        let (upstream, flow) = self.place_in_line(index)?;
        FairLimiter::try_acquire(&*upstream.limiter, flow)
    }

    async fn permit(&self, index: UpstreamIndex) -> Result<Permit<&FairLimiter>, CallFailure> {
        let (upstream, flow) = self.place_in_line(index).ok_or(CallFailure::Internal)?;
        let _queued = Queued::new(upstream, flow);
        FairLimiter::acquire(&*upstream.limiter, flow).await.map_err(CallFailure::from)
    }

    fn was_held_back(&self, index: UpstreamIndex) -> bool {
        self.shares.get(index.0).is_some_and(|share| share.flow.was_held_back())
    }

    fn call_timeout(&self, call: &Call) -> Duration {
        self.calls_to(call.upstream).map_or(Duration::ZERO, |calls| calls.timeout_of(call))
    }

    fn has_room(&self) -> bool {
        self.behalf.reservation.has_room()
    }

    async fn room(&self) -> Result<(), CallFailure> {
        self.behalf.reservation.room().await.map_err(|MemoryExhausted| CallFailure::MemoryFull)
    }

    fn let_go(&self, bytes: usize) {
        self.behalf.reservation.give_back(bytes);
    }

    fn hold_copy(&self, bytes: usize) -> Result<(), CallFailure> {
        self.behalf.reservation.take(bytes).map_err(|MemoryExhausted| CallFailure::MemoryFull)
    }
}

/// A channel to an upstream; without one, all calls fail, because no upstream has the index that the plan says: a fault
/// of ours.
pub(crate) struct UpstreamChannel<'batch>(Option<HeldConnection<'batch>>);

impl Channel for UpstreamChannel<'_> {
    async fn call(
        &mut self,
        method: &Method,
        call: &Call,
        attempt: Attempt<'_>,
    ) -> Result<UpstreamReply, CallFailure> {
        let channel = self.0.as_mut().ok_or(CallFailure::Internal)?;
        let _under_way = channel.calls.behalf.reservation.call_begins();
        retry::call(channel, Sending { method, call, attempt, patience: None }).await
    }

    fn rest(&mut self) {
        if let Some(channel) = &mut self.0 {
            channel.rest();
        }
    }
}
