//! What is known of one request, from its header to its report.

use std::sync::Arc;

use http::StatusCode;
use http::header::HeaderName;
use pingora::http::RequestHeader;

use crate::batch::AdmissionRefusal;
use crate::clock::Stopwatch;
use crate::dispatch::CallFailure;
use crate::route::{CanonicalPath, RouteIndex, UpstreamIndex, method_label};
use crate::server::admission::{Asking, Meter, authenticate};
use crate::server::forwarding::{Reached, hops};
use crate::server::gateway::{Gateway, UnderWay};
use crate::server::session::Session;
use crate::server::snapshot::Snapshot;
use crate::stitch::problem::{self, Limit};
use crate::telemetry::{GrpcStatus, LongLivedEnd, RequestId, RequestReport, TraceContext};

/// What is known of one request.
pub(in super::super) struct Context {
    pub(in super::super) snapshot: Arc<Snapshot>,
    pub(in super::super) reached: Reached,
    pub(in super::super) request_id: RequestId,
    pub(in super::super) trace: TraceContext,
    pub(in super::super) route: Option<RouteIndex>,
    /// The upstream that its route leads to.
    pub(in super::super) upstream: Option<UpstreamIndex>,
    pub(in super::super) is_batch: bool,
    pub(in super::super) reason: Option<&'static str>,
    /// The limit that bit, if that is why.
    pub(in super::super) limit: Option<Limit>,
    /// What the rate limits say of it in its reply.
    pub(in super::super) limit_fields: Vec<(HeaderName, String)>,
    /// How it ended, if it stayed open.
    pub(in super::super) lasted: Option<LongLivedEnd>,
    /// What became of a call of gRPC.
    pub(in super::super) grpc_status: Option<GrpcStatus>,
    stopwatch: Stopwatch,
    under_way: UnderWay,
    method: &'static str,
}

impl Context {
    /// Learns who asks: the first thing that happens to a request.
    pub(in super::super) fn new(gateway: &Arc<Gateway>, session: &Session) -> Self {
        let request = session.req_header();
        let snapshot = gateway.snapshot();
        Self {
            reached: Reached::of(session, &snapshot.settings.trusted_proxies),
            snapshot,
            request_id: RequestId::of(&request.headers),
            trace: TraceContext::of(&request.headers),
            route: None,
            upstream: None,
            is_batch: false,
            reason: None,
            limit: None,
            limit_fields: Vec::new(),
            lasted: None,
            grpc_status: None,
            stopwatch: Stopwatch::start(),
            under_way: gateway.enter(),
            method: method_label(&request.method),
        }
    }

    /// Learns who asks, where that matters.
    ///
    /// # Errors
    /// The client did not show that it may come in, or is a gateway in a loop.
    pub(in super::super) async fn authenticate(
        &mut self,
        gateway: &Arc<Gateway>,
        request: &RequestHeader,
        path: &CanonicalPath,
    ) -> Result<(), AdmissionRefusal> {
        let snapshot = Arc::clone(&self.snapshot);
        let settings = &snapshot.settings;
        let passed = hops(&request.headers);
        if passed >= settings.limits.hops.get() {
            return Err(AdmissionRefusal::Loop { passed });
        }
        let Some(auth) = &settings.auth else { return Ok(()) };
        let takes_items =
            settings.batch_endpoint(path).is_some() || settings.bulk_route(path, &request.method).is_some();
        if !takes_items && !auth.covers(path) {
            return Ok(());
        }
        let asking = Asking {
            gateway,
            snapshot: &snapshot,
            reached: &self.reached,
            request_id: &self.request_id,
            trace: self.trace,
        };
        let mut identity = authenticate(auth, &asking, request).await?;
        // A credential says more than the connection's certificate, which may be a whole department's.
        identity.name = identity.name.or_else(|| self.reached.identity.name.clone());
        self.reached.identity = identity;
        Ok(())
    }

    /// Asks the rate limits about the request.
    ///
    /// # Errors
    /// Says which of them has no room for it.
    pub(in super::super) fn admit(
        &mut self,
        session: &Session,
        route: RouteIndex,
    ) -> Result<(), AdmissionRefusal> {
        let headers = &session.req_header().headers;
        let mut meter = Meter::new(&self.snapshot.limiters, &self.reached, headers);
        let admitted = meter.admit_request(route);
        self.limit_fields = meter.fields();
        admitted
    }

    /// Remembers why the client has no complete reply.
    pub(in super::super) fn broke_off(&mut self, failure: CallFailure) {
        self.reason = Some(problem::failure_reason(failure));
        self.limit = problem::failure_limit(failure);
    }

    /// Records a request that is over; `status` is that of its reply.
    pub(in super::super) fn report(&self, status: Option<StatusCode>) {
        let report = RequestReport {
            route: self.route,
            upstream: self.upstream,
            method: self.method,
            status,
            grpc_status: self.grpc_status,
            elapsed: self.stopwatch.elapsed(),
            reason: self.reason,
            limit: self.limit.clone(),
            lasted: self.lasted,
            request_id: self.request_id.clone(),
            trace: self.trace,
            client: self.reached.client.clone(),
            client_name: self.reached.identity.name.clone(),
        };
        self.under_way.gateway().metrics.record_request(&report, self.snapshot.names());
        report.log(self.snapshot.names());
    }
}
