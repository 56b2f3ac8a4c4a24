//! Calls over pingora's connectors. One engine a batch: it knows what the batch hands down, and makes
//! lanes that hold connections. Which kind of lane follows from the upstream: HTTP/1.1 connections
//! held for a run of calls, or streams of a shared HTTP/2 connection.

mod call;
mod failover;
mod held;
mod reply;
mod retry;
mod streams;
mod under_way;

use std::sync::OnceLock;
use std::time::Duration;

use http::{HeaderMap, Method};
use tokio::sync::Semaphore;

use crate::dispatch::{
    Answers, Attempt, CallFailure, Engine, Lane, Surroundings, Unfit, UpstreamReply, resolve,
};
use crate::plan::{Call, CallHeaders, CallTemplate, ForwardedBy, PlanContext};
use crate::route::UpstreamIndex;
use crate::settings;
use crate::telemetry::TraceContext;

use super::forwarding::Reached;
use super::gateway::Gateway;
use super::snapshot::{Snapshot, UpstreamState};
use failover::Failover;
use reply::Unanswered;
use retry::Sending;

/// A call that its engine can't make, because no upstream has this index; a fault of ours.
const NO_UPSTREAM: CallFailure = CallFailure::Internal;

/// The engine of one batch.
pub(super) struct BatchEngine<'batch> {
    pub(super) gateway: &'batch Gateway,
    pub(super) snapshot: &'batch Snapshot,
    pub(super) reached: &'batch Reached,
    pub(super) trace: TraceContext,
    /// What the outer request hands down.
    inherited: HeaderMap,
    hop: ForwardedBy,
    /// By upstream: what all of the batch's calls to it have in common.
    headers: Vec<OnceLock<CallHeaders>>,
}

impl<'batch> BatchEngine<'batch> {
    pub(super) fn new(
        gateway: &'batch Gateway,
        snapshot: &'batch Snapshot,
        reached: &'batch Reached,
        trace: TraceContext,
        handed_down: (HeaderMap, ForwardedBy),
    ) -> Self {
        let (inherited, hop) = handed_down;
        let headers = snapshot.upstreams.iter().map(|_| OnceLock::new()).collect();
        Self { gateway, snapshot, reached, trace, inherited, hop, headers }
    }

    fn headers_for(&self, index: UpstreamIndex, upstream: &UpstreamState) -> Option<&CallHeaders> {
        let changes = &upstream.settings.headers;
        let make = || CallHeaders::new(&self.inherited, &changes.remove, &changes.set, &self.hop);
        self.headers.get(index.0).map(|headers| headers.get_or_init(make))
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
                settings::Engine::Lanes => Kind::Held(held::HeldConnection::new(calls)),
                settings::Engine::H2 => Kind::Streams(streams::Streams::new(calls)),
            })
        });
        UpstreamLane(lane)
    }

    fn permits(&self, index: UpstreamIndex) -> Option<&Semaphore> {
        self.snapshot.upstream(index).map(|upstream| &*upstream.permits)
    }

    fn call_timeout(&self, index: UpstreamIndex) -> Duration {
        self.snapshot.upstream(index).map_or(Duration::ZERO, |upstream| upstream.settings.timeout.item)
    }

    fn resolve(&self, template: &CallTemplate, answers: &mut Answers<'_>) -> Result<Call, Unfit> {
        let Reached { authority, .. } = self.reached;
        let plan = PlanContext {
            routes: &self.snapshot.settings.routes,
            own_authority: authority,
            is_batch_endpoint: &|path| self.snapshot.settings.batch_endpoint(path).is_some(),
            // The template holds the route that it has to meet.
            only_route: None,
        };
        let is_upstream = |upstream, name: &str| self.snapshot.goes_by(upstream, name, authority);
        let own_origin = &self.reached.origin();
        resolve(template, answers, &Surroundings { plan, own_origin, is_upstream: &is_upstream })
    }
}

/// A lane of whichever kind its upstream wants.
pub(super) struct UpstreamLane<'engine>(Option<Kind<'engine>>);

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

    /// One attempt of a call; `fresh`: not on a connection that stands idle.
    async fn attempt(
        &mut self,
        sending: Sending<'_>,
        failover: &mut Failover<'_>,
        fresh: bool,
    ) -> Result<UpstreamReply, Unanswered> {
        match self {
            Self::Held(lane) => lane.attempt(sending, failover, fresh).await,
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
            Some(lane) => retry::call(lane, Sending { method, call, attempt }).await,
            None => Err(NO_UPSTREAM),
        }
    }

    async fn close(self) {
        match self.0 {
            Some(Kind::Held(lane)) => lane.close(),
            Some(Kind::Streams(_)) | None => {}
        }
    }
}
