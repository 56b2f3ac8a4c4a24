//! What is known of one request, from its header to its report.

use std::sync::Arc;

use http::StatusCode;
use http::header::HeaderName;
use pingora::http::RequestHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorSource, ErrorType};

use crate::batch::AdmissionRefusal;
use crate::clock::{Deadline, Stopwatch};
use crate::dispatch::CallFailure;
use crate::route::{CanonicalPath, RouteIndex, method_label};
use crate::stitch::problem::{self, Limit};
use crate::telemetry::{RequestId, RequestReport, TraceContext};

use super::super::admission::{Asking, Meter, authenticate};
use super::super::failure;
use super::super::forwarding::{Reached, hops};
use super::super::gateway::{Gateway, UnderWay};
use super::super::snapshot::Snapshot;
use super::Proxied;

/// What is known of one request.
pub(in super::super) struct Context {
    pub(in super::super) snapshot: Arc<Snapshot>,
    pub(in super::super) reached: Reached,
    pub(in super::super) request_id: RequestId,
    pub(in super::super) trace: TraceContext,
    pub(in super::super) route: Option<RouteIndex>,
    pub(in super::super) is_batch: bool,
    pub(in super::super) proxied: Option<Proxied>,
    pub(in super::super) reason: Option<&'static str>,
    /// The limit that bit, if that is why.
    pub(in super::super) limit: Option<Limit>,
    /// What the rate limits say of it in its reply.
    pub(in super::super) limit_fields: Vec<(HeaderName, String)>,
    stopwatch: Stopwatch,
    under_way: UnderWay,
    method: &'static str,
    /// The status that the client got.
    pub(super) answered: Option<StatusCode>,
    is_reported: bool,
}

impl Context {
    pub(in super::super) fn new(gateway: &Arc<Gateway>) -> Self {
        Self {
            snapshot: gateway.snapshot(),
            reached: Reached::default(),
            request_id: RequestId::default(),
            trace: TraceContext::default(),
            route: None,
            is_batch: false,
            proxied: None,
            reason: None,
            limit: None,
            limit_fields: Vec::new(),
            stopwatch: Stopwatch::start(),
            under_way: gateway.enter(),
            method: "",
            answered: None,
            is_reported: false,
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

    /// Learns who asks: the first thing that happens to a request.
    pub(in super::super) fn meet(&mut self, session: &Session) {
        let headers = &session.req_header().headers;
        self.reached = Reached::of(session, &self.snapshot.settings.trusted_proxies);
        self.request_id = RequestId::of(headers);
        self.trace = TraceContext::of(headers);
        self.stopwatch = Stopwatch::start();
        self.method = method_label(&session.req_header().method);
    }

    /// Whether the request has taken longer than `timeout.request`.
    pub(in super::super) fn is_over_time(&self) -> bool {
        self.proxied.as_ref().and_then(|proxied| proxied.ends).is_some_and(Deadline::is_over)
    }

    /// Looks at the time with each piece of a body.
    ///
    /// # Errors
    /// The request has taken longer than `timeout.request`.
    pub(in super::super) fn keep_time(&self) -> pingora::Result<()> {
        if self.is_over_time() {
            return Error::e_explain(ErrorType::InternalError, "timeout.request is over");
        }
        Ok(())
    }

    /// Remembers why the client has no whole reply.
    pub(in super::super) fn broke_off(&mut self, error: &Error) {
        let failure = if self.is_over_time() {
            CallFailure::RequestTimeout
        } else if *error.esource() == ErrorSource::Downstream {
            CallFailure::ClientGone
        } else {
            failure::of_exchange(error)
        };
        self.failed(failure);
    }

    fn failed(&mut self, failure: CallFailure) {
        self.reason = Some(problem::failure_reason(failure));
        self.limit = problem::failure_limit(failure);
    }

    /// Records a request that is over; `status` is that of its reply.
    pub(in super::super) fn report(&mut self, status: Option<StatusCode>) {
        let tried = self.proxied.as_ref().filter(|proxied| proxied.is_tried);
        let report = RequestReport {
            route: self.route,
            upstream: tried.map(|proxied| proxied.upstream),
            method: self.method,
            status,
            grpc_status: None,
            elapsed: self.stopwatch.elapsed(),
            reason: self.reason,
            limit: self.limit.clone(),
            request_id: self.request_id.clone(),
            trace: self.trace,
            client: self.reached.client.clone(),
            client_name: self.reached.identity.name.clone(),
        };
        self.under_way.gateway().metrics.record_request(&report, self.snapshot.names());
        report.log(self.snapshot.names());
        self.is_reported = true;
    }
}

impl Drop for Context {
    /// A request that was given up because its time was over (`time_limit`) has no other end.
    fn drop(&mut self) {
        if !self.is_reported && self.is_over_time() {
            self.failed(CallFailure::RequestTimeout);
            self.report(self.answered);
        }
    }
}
