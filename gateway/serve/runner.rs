//! Runs a [`BatchRequest`]: sends its planned items and stitches what came back into results.
//!
//! In: a request, a configuration and memory. Out: results in the order of the request, and a report for each item. It needs
//! no session: the caller passes a [`Client`], which knows whether the results are still wanted.

use futures_util::future::FutureExt;
use http::Method;

use crate::batch::{BatchRefusal, MultiStatus};
use crate::dialect::ExecutionPolicy;
use crate::dispatch::{
    Answers, Client, DispatchLimits, DispatchedItem, Resolver, Surroundings, Unfit, dispatch, locate, resolve,
};
use crate::header::field::Fields;
use crate::memory::MemoryReservation;
use crate::plan::{Call, CallTemplate, Plan, PlanContext};
use crate::route::RouteIndex;
use crate::state::snapshot::Snapshot;
use crate::stitch::{BodyBudget, ItemReport, StitchContext, stitch};
use crate::upstream::client::{BatchEngine, Behalf, SharedFields};

use super::batch_request::BatchRequest;
use super::entry_point::EntryPoint;

/// Runs one batch under one configuration.
#[derive(Clone, Copy)]
pub(super) struct Runner<'run> {
    pub(super) request: &'run BatchRequest,
    pub(super) snapshot: &'run Snapshot,
    pub(super) entry: EntryPoint<'run>,
}

impl<'run> Runner<'run> {
    /// # Errors
    /// The configuration has no such entry point.
    pub(super) fn new(request: &'run BatchRequest, snapshot: &'run Snapshot) -> Result<Self, BatchRefusal> {
        let entry = EntryPoint::named(&snapshot.settings, &request.endpoint);
        Ok(Self { request, snapshot, entry: entry.ok_or(BatchRefusal::Internal)? })
    }

    /// Makes the calls of its items.
    pub(super) fn engine(&self, memory: &'run MemoryReservation<'run>) -> BatchEngine<'run> {
        let BatchRequest { caller, trace, inherited, spellings, hop, .. } = self.request;
        let behalf = Behalf {
            upstreams: &self.snapshot.upstreams,
            client: caller.client(),
            authority: &caller.authority,
            trace: *trace,
            reservation: memory,
        };
        let settings = &self.snapshot.settings;
        let (reserved, policies) = (settings.reserved_fields(), settings.policies.as_slice());
        let variables = caller.variables();
        BatchEngine::new(behalf, SharedFields { inherited, spellings, hop, reserved, variables, policies })
    }

    /// What bounds the dispatch.
    pub(super) fn limits(&self, policy: ExecutionPolicy) -> DispatchLimits {
        let endpoint = self.entry.endpoint;
        DispatchLimits {
            concurrency: endpoint.concurrency.get(),
            sequential: policy.sequential,
            stop_on_error: policy.stop_on_error,
            patience: self.request.patience,
            max_bytes: endpoint.limits.max_body,
            max_item_reply: endpoint.limits.max_item_reply,
            max_reply: endpoint.limits.max_reply,
        }
    }

    /// Sends the items of a plan. Returns those that the client has not taken meanwhile.
    pub(super) async fn dispatch(
        &self,
        plan: Plan,
        policy: ExecutionPolicy,
        memory: &MemoryReservation<'_>,
        client: &mut impl Client,
    ) -> Vec<DispatchedItem> {
        let engine = self.engine(memory);
        memory.stand_in_line();
        // Boxed, so that the compiler need not see through all of the dispatch to know that it is `Send`.
        let items = dispatch(plan, &&engine, self, self.limits(policy), client).boxed().await;
        memory.leave_line();
        items
    }

    /// Turns items that have ended into results.
    /// `budget`: what their bodies may cost.
    pub(super) fn stitch(
        &self,
        items: Vec<DispatchedItem>,
        budget: &mut BodyBudget,
    ) -> (MultiStatus, Vec<ItemReport>) {
        let (snapshot, caller, limits) = (self.snapshot, &self.request.caller, &self.entry.endpoint.limits);
        let context = StitchContext {
            routes: &snapshot.settings.routes,
            is_upstream: &|upstream, authority| snapshot.goes_by(upstream, authority, &caller.authority),
            own_origin: &caller.origin(),
            max_item_reply: limits.max_item_reply,
            max_reply: limits.max_reply,
            decider: self.request.execution_policy(self.entry).decider,
            minimal: self.request.preferences.minimal,
            policies: &snapshot.settings.policies,
            variables: caller.variables(),
        };
        stitch(items, &context, budget)
    }
}

impl Resolver for Runner<'_> {
    fn resolve(&self, template: &CallTemplate, answers: &mut Answers<'_>) -> Result<Call, Unfit> {
        self.with_surroundings(|around| resolve(template, answers, around))
    }

    fn locate(&self, location: &str, route: RouteIndex, method: &Method, fields: Fields) -> Option<Call> {
        self.with_surroundings(|around| locate(location, route, method, fields, around))
    }
}

impl Runner<'_> {
    fn with_surroundings<T>(&self, work: impl FnOnce(&Surroundings<'_>) -> T) -> T {
        let (snapshot, caller) = (self.snapshot, &self.request.caller);
        let plan = PlanContext {
            routes: &snapshot.settings.routes,
            own_authority: &caller.authority,
            is_batch_endpoint: &|path, query| snapshot.settings.batch_endpoint_for(path, query).is_some(),
            groups: self.entry.endpoint.sets.groups,
            inherited: &self.request.inherited,
            // The template holds the route that it has to meet.
            only_route: None,
        };
        let is_upstream = |upstream, name: &str| snapshot.goes_by(upstream, name, &caller.authority);
        let own_origin = &caller.origin();
        work(&Surroundings { plan, own_origin, is_upstream: &is_upstream })
    }
}
