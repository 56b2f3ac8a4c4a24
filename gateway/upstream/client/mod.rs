//! Calls over pingora's connectors. One engine a batch: it knows what the batch hands down, and makes
//! lanes that hold connections. Which kind of lane follows from the upstream: HTTP/1.1 connections
//! held for a run of calls, or streams of a shared HTTP/2 connection.

mod call;
mod checked;
mod held;
mod queued;
mod reply;
mod retry;
mod streams;
mod under_way;

use std::sync::OnceLock;
use std::time::Duration;

use http::{HeaderMap, Method};

use crate::config;
use crate::dispatch::{
    Answers, Attempt, CallFailure, Engine, Lane, Surroundings, Unfit, UpstreamReply, resolve,
};
use crate::header::forwarded::ForwardedBy;
use crate::header::inherit::CallHeaders;
use crate::limiter::{FairLimiter, Flow, Permit};
use crate::plan::{Call, CallTemplate, PlanContext};
use crate::route::UpstreamIndex;
use crate::telemetry::TraceContext;

use crate::admission::Caller;
use crate::memory::{MemoryExhausted, MemoryReservation};
use crate::state::snapshot::Snapshot;
use crate::upstream::failover::Failover;
use crate::upstream::instance::Upstream;
use reply::Unanswered;
use retry::Sending;

pub(crate) use checked::CheckedStream;
pub(crate) use queued::Queued;

/// A call that its engine can't make, because no upstream has this index; a fault of ours.
const NO_UPSTREAM: CallFailure = CallFailure::Internal;

/// The engine of one batch.
pub(crate) struct BatchEngine<'batch> {
    pub(crate) snapshot: &'batch Snapshot,
    pub(crate) caller: &'batch Caller,
    pub(crate) trace: TraceContext,
    /// What the batch holds in memory.
    pub(crate) reservation: &'batch MemoryReservation<'batch>,
    /// What the outer request hands down.
    inherited: &'batch HeaderMap,
    hop: &'batch ForwardedBy,
    /// By upstream.
    shares: Vec<Share>,
}

/// What all of a batch's calls to one upstream share.
struct Share {
    headers: OnceLock<CallHeaders>,
    flow: Flow,
}

/// On whose behalf calls are made, and under which configuration.
#[derive(Clone, Copy)]
pub(crate) struct Behalf<'batch> {
    pub(crate) snapshot: &'batch Snapshot,
    pub(crate) caller: &'batch Caller,
    pub(crate) trace: TraceContext,
}

impl<'batch> BatchEngine<'batch> {
    pub(crate) fn new(
        behalf: Behalf<'batch>,
        handed_down: (&'batch HeaderMap, &'batch ForwardedBy),
        reservation: &'batch MemoryReservation<'batch>,
    ) -> Self {
        let (inherited, hop) = handed_down;
        let Behalf { snapshot, caller, trace } = behalf;
        let client = caller.client();
        let share = |_| Share { headers: OnceLock::new(), flow: Flow::new(client) };
        let shares = snapshot.upstreams.iter().map(share).collect();
        Self { snapshot, caller, trace, reservation, inherited, hop, shares }
    }

    fn headers_for(&self, index: UpstreamIndex, upstream: &Upstream) -> Option<&CallHeaders> {
        let changes = &upstream.settings.headers;
        let make = || {
            // What only the service that knows clients may say, no item may.
            let added = self.snapshot.settings.auth.as_ref().map_or(&[][..], |auth| auth.added());
            let remove = [&changes.remove, added].concat();
            let headers = CallHeaders::new(self.inherited, &remove, &changes.set, self.hop);
            headers.without_of_items(upstream.settings.deadline_header.as_ref())
        };
        self.shares.get(index.0).map(|share| share.headers.get_or_init(make))
    }

    fn before(&self, index: UpstreamIndex) -> Option<(&Upstream, &Flow)> {
        Some((self.snapshot.upstream(index)?, &self.shares.get(index.0)?.flow))
    }
}

impl<'engine> Engine for &'engine BatchEngine<'engine> {
    type Lane = UpstreamLane<'engine>;

    fn lane(&self, index: UpstreamIndex) -> UpstreamLane<'engine> {
        let engine: &'engine BatchEngine<'engine> = self;
        let lane = engine.snapshot.upstream(index).and_then(|upstream| {
            let headers = engine.headers_for(index, upstream)?;
            let calls = call::Calls { engine, upstream, headers };
            Some(match upstream.settings.engine {
                config::Engine::Lanes => Kind::Held(held::HeldConnection::new(calls)),
                config::Engine::H2 => Kind::Streams(streams::Streams::new(calls)),
            })
        });
        UpstreamLane(lane)
    }

    fn most_at_once(&self, index: UpstreamIndex) -> usize {
        self.snapshot
            .upstream(index)
            .map_or(1, |upstream| upstream.limiter.limits().permits_of_client().get())
    }

    fn try_permit(&self, index: UpstreamIndex) -> Option<Permit<&FairLimiter>> {
        let (upstream, flow) = self.before(index)?;
        FairLimiter::try_acquire(&*upstream.limiter, flow)
    }

    async fn permit(&self, index: UpstreamIndex) -> Result<Permit<&FairLimiter>, CallFailure> {
        let (upstream, flow) = self.before(index).ok_or(NO_UPSTREAM)?;
        let _queued = Queued::new(upstream, flow);
        FairLimiter::acquire(&*upstream.limiter, flow).await.map_err(CallFailure::from)
    }

    fn was_held_back(&self, index: UpstreamIndex) -> bool {
        self.shares.get(index.0).is_some_and(|share| share.flow.was_held_back())
    }

    fn call_timeout(&self, index: UpstreamIndex) -> Duration {
        self.snapshot.upstream(index).map_or(Duration::ZERO, |upstream| upstream.settings.timeout.item)
    }

    fn has_room(&self) -> bool {
        self.reservation.has_room()
    }

    async fn room(&self) -> Result<(), CallFailure> {
        self.reservation.room().await.map_err(|MemoryExhausted| CallFailure::MemoryFull)
    }

    fn hold_copy(&self, bytes: usize) -> Result<(), CallFailure> {
        self.reservation.take(bytes).map_err(|MemoryExhausted| CallFailure::MemoryFull)
    }

    fn resolve(&self, template: &CallTemplate, answers: &mut Answers<'_>) -> Result<Call, Unfit> {
        let Caller { authority, .. } = self.caller;
        let plan = PlanContext {
            routes: &self.snapshot.settings.routes,
            own_authority: authority,
            is_batch_endpoint: &|path| self.snapshot.settings.batch_endpoint(path).is_some(),
            // The template holds the route that it has to meet.
            only_route: None,
        };
        let is_upstream = |upstream, name: &str| self.snapshot.goes_by(upstream, name, authority);
        let own_origin = &self.caller.origin();
        resolve(template, answers, &Surroundings { plan, own_origin, is_upstream: &is_upstream })
    }
}

/// A lane of whichever kind its upstream wants.
pub(crate) struct UpstreamLane<'engine>(Option<Kind<'engine>>);

enum Kind<'engine> {
    Held(held::HeldConnection<'engine>),
    Streams(streams::Streams<'engine>),
}

impl<'engine> Kind<'engine> {
    const fn calls(&self) -> call::Calls<'engine> {
        match self {
            Self::Held(lane) => lane.calls(),
            Self::Streams(lane) => lane.calls(),
        }
    }

    /// One attempt of a call.
    async fn attempt(
        &mut self,
        sending: Sending<'_>,
        failover: &mut Failover<'_>,
    ) -> Result<UpstreamReply, Unanswered> {
        match self {
            Self::Held(lane) => lane.attempt(sending, failover).await,
            Self::Streams(lane) => lane.attempt(sending, failover).await,
        }
    }
}

impl Lane for UpstreamLane<'_> {
    async fn call(
        &mut self,
        method: &Method,
        call: &Call,
        attempt: Attempt<'_>,
    ) -> Result<UpstreamReply, CallFailure> {
        match &mut self.0 {
            Some(lane) => {
                let _under_way = lane.calls().engine.reservation.call_begins();
                retry::call(lane, method, call, attempt).await
            }
            None => Err(NO_UPSTREAM),
        }
    }

    fn rest(&mut self) {
        match &mut self.0 {
            Some(Kind::Held(lane)) => lane.rest(),
            Some(Kind::Streams(_)) | None => {}
        }
    }
}
