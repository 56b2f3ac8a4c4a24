//! Who asks for a batch and under which configuration, and what follows from that for its phases.

use std::sync::Arc;

use http::header::{HeaderMap, HeaderName};

use crate::batch::{Batch, BatchRefusal, MultiStatus};
use crate::config::BatchEndpoint;
use crate::dialect::ItemSource;
use crate::dispatch::DispatchedItem;
use crate::header::inherit::{inherited_fields, same_to_cgi};
use crate::plan::{Plan, PlanContext, Preferences, plan};
use crate::route::RouteIndex;
use crate::stitch::{ItemReport, StitchContext, stitch};
use crate::telemetry::TraceContext;

use super::respond::ReplyHead;
use crate::admission::{Caller, withheld};
use crate::memory::{GaveWay, MemoryReservation};
use crate::state::gateway::Gateway;
use crate::state::snapshot::Snapshot;
use crate::upstream::client::BatchEngine;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Who asks, and under which configuration.
pub(crate) struct Asked<'request> {
    pub(crate) gateway: &'request Arc<Gateway>,
    pub(crate) snapshot: &'request Snapshot,
    pub(crate) endpoint: &'request BatchEndpoint,
    /// A batch, or the records of a bulk.
    pub(crate) source: ItemSource<'request>,
    /// The only route that items may meet.
    pub(crate) only_route: Option<RouteIndex>,
    pub(crate) caller: &'request Caller,
    pub(crate) trace: TraceContext,
    /// What the reply says to a page of another origin.
    pub(crate) cors: Vec<(HeaderName, String)>,
}

impl Asked<'_> {
    /// Plans a batch, or one item of a stream.
    ///
    /// # Errors
    /// Says which item depends on what it can't wait for.
    pub(crate) fn plan(&self, batch: Batch) -> Result<Plan, BatchRefusal> {
        let context = PlanContext {
            routes: &self.snapshot.settings.routes,
            own_authority: &self.caller.authority,
            is_batch_endpoint: &|path| self.snapshot.settings.batch_endpoint(path).is_some(),
            only_route: self.only_route,
        };
        plan(batch, &context)
    }

    /// What the outer request hands down to the items.
    pub(crate) fn inherited(&self, outer: &HeaderMap) -> HeaderMap {
        let more = self.endpoint.dialect.handed_down(outer);
        let mut inherited = inherited_fields(outer, self.endpoint.inherit.as_deref(), more);
        for name in withheld(&self.snapshot.settings, &self.caller.identity) {
            let same: Vec<_> = inherited.keys().filter(|other| same_to_cgi(name, other)).cloned().collect();
            for name in same {
                inherited.remove(name);
            }
        }
        if let Some(state) = self.trace.state(outer) {
            inherited.insert(TRACESTATE, state);
        }
        inherited
    }

    /// The engine for the items of an outer request with these fields.
    pub(crate) fn engine<'batch>(
        &'batch self,
        outer: &HeaderMap,
        inherited: HeaderMap,
        reservation: &'batch MemoryReservation<'batch>,
    ) -> BatchEngine<'batch> {
        let hop = self.caller.forwarded_by(outer);
        BatchEngine::new(self.into(), (inherited, hop), reservation)
    }

    /// Stitches items that ended.
    pub(crate) fn stitch(
        &self,
        items: Vec<DispatchedItem>,
        preferences: &Preferences,
    ) -> (MultiStatus, Vec<ItemReport>) {
        let Asked { snapshot, endpoint, caller, .. } = self;
        let context = StitchContext {
            routes: &snapshot.settings.routes,
            is_upstream: &|upstream, authority| snapshot.goes_by(upstream, authority, &caller.authority),
            own_origin: &caller.origin(),
            max_item_reply: endpoint.limits.max_item_reply,
            max_reply: endpoint.limits.max_reply,
            minimal: preferences.minimal,
        };
        if items.iter().any(DispatchedItem::is_coded) {
            // Undoing codings can take long: this thread's other connections go to another one.
            return tokio::task::block_in_place(|| stitch(items, &context));
        }
        stitch(items, &context)
    }

    /// Counts and logs that the client stood still and gave way to others that waited for memory.
    pub(crate) fn note_gave_way(&self, gave_way: GaveWay) {
        self.gateway.metrics.memory_gave_way.inc();
        tracing::warn!(
            kind = "memory",
            request_id = self.caller.request_id.as_str(),
            client = self.caller.address_text(),
            bytes = gave_way.held,
            limit = "limits.memory",
            "a client that held most of the memory and stood still was cut off, because others waited"
        );
    }

    /// The start of a reply's header.
    pub(crate) fn head(&self, status: http::StatusCode) -> ReplyHead {
        let head =
            ReplyHead::new(status).with(X_REQUEST_ID, Some(self.caller.request_id.as_str().to_owned()));
        head.with_all(&self.cors)
    }
}
