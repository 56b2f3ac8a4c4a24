//! What is known of one request, from its header to its report.

use std::sync::Arc;

use http::StatusCode;
use http::header::HeaderName;
use pingora::http::RequestHeader;

use crate::admission::{Caller, ConnectionInfo, Meter, authenticate};
use crate::batch::AdmissionRefusal;
use crate::clock::Stopwatch;
use crate::dispatch::CallFailure;
use crate::header::hops;
use crate::problem::{self, Limit};
use crate::route::{CanonicalPath, RouteIndex, UpstreamIndex, method_label};
use crate::serve::auth_service::AuthCall;
use crate::session::Session;
use crate::state::gateway::{Gateway, InFlightGuard};
use crate::state::snapshot::Snapshot;
use crate::telemetry::{GrpcStatus, LongLivedEnd, RequestReport, TraceContext};

/// What is known of one request.
pub(crate) struct Context {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) caller: Caller,
    pub(crate) trace: TraceContext,
    pub(crate) route: Option<RouteIndex>,
    /// The upstream that its route leads to.
    pub(crate) upstream: Option<UpstreamIndex>,
    pub(crate) is_batch: bool,
    pub(crate) reason: Option<&'static str>,
    /// The limit that bit, if that is why.
    pub(crate) limit: Option<Limit>,
    /// What the rate limits say of it in its reply.
    pub(crate) limit_fields: Vec<(HeaderName, String)>,
    /// How it ended, if it stayed open.
    pub(crate) lasted: Option<LongLivedEnd>,
    /// What became of a call of gRPC.
    pub(crate) grpc_status: Option<GrpcStatus>,
    stopwatch: Stopwatch,
    under_way: InFlightGuard,
    method: &'static str,
}

impl Context {
    /// Learns who asks: the first thing that happens to a request.
    pub(crate) fn new(gateway: &Arc<Gateway>, session: &Session) -> Self {
        let request = session.req_header();
        let snapshot = gateway.snapshot();
        let connection = ConnectionInfo {
            peer: session.client_address(),
            is_tls: session.is_tls(),
            certificate_name: session.certificate_name(),
        };
        Self {
            caller: Caller::new(connection, request, &snapshot.settings.trusted_proxies),
            snapshot,
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
    pub(crate) async fn authenticate(
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
        let service = AuthCall { gateway, snapshot: &snapshot, caller: &self.caller, trace: self.trace };
        let identity = authenticate(auth, &self.caller, request, &service).await?;
        self.caller.authenticated(identity);
        Ok(())
    }

    /// Asks the rate limits about the request.
    ///
    /// # Errors
    /// Says which of them has no room for it.
    pub(crate) fn admit(&mut self, session: &Session, route: RouteIndex) -> Result<(), AdmissionRefusal> {
        let headers = &session.req_header().headers;
        let mut meter = Meter::new(&self.snapshot.limiters, &self.caller, headers);
        let admitted = meter.admit_request(route);
        self.limit_fields = meter.fields();
        admitted
    }

    /// Remembers why the client has no complete reply.
    pub(crate) fn broke_off(&mut self, failure: CallFailure) {
        self.reason = Some(problem::failure_reason(failure));
        self.limit = problem::failure_limit(failure);
    }

    /// Records a request that is over; `status` is that of its reply.
    pub(crate) fn report(&self, status: Option<StatusCode>) {
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
            request_id: self.caller.request_id.clone(),
            trace: self.trace,
            client: self.caller.address_text(),
            client_name: self.caller.identity.name.clone(),
        };
        self.under_way.gateway().metrics.record_request(&report, self.snapshot.names());
        report.log(self.snapshot.names());
    }
}
