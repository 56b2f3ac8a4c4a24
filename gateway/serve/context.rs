//! Everything that is known about one request, from its head to its record.
//!
//! It is made when the head has been read. The handlers fill it in: who the caller is, what every reply has to say
//! (`cors`, `limit_fields`, `error_format`), and the data to record. [`Context::record`] ends it. Dropping it
//! counts the request as done, which a gateway that drains waits for.

use std::sync::{Arc, OnceLock};

use http::StatusCode;
use http::header::HeaderName;
use http::request::Parts;

use crate::admission::{Caller, ConnectionInfo, Meter, access, authenticate};
use crate::batch::{AdmissionRefusal, ItemResult};
use crate::clock::Stopwatch;
use crate::config::{Access, BatchEndpoint};
use crate::dispatch::CallFailure;
use crate::header::hops;
use crate::problem::{self, ErrorReply, Limit};
use crate::route::{RouteIndex, method_label, without_user_of};
use crate::session::{Compressed, Seen, Session};
use crate::state::gateway::{Gateway, InFlightGuard};
use crate::state::snapshot::Snapshot;
use crate::stitch::ItemReport;
use crate::telemetry::{
    AskedService, BatchEnd, BatchRecord, ConnectionRefusal, ItemRecord, Recorder, RequestRecord, Sender,
    TimingPart, TraceContext,
};

use super::batch_request::Incoming;
use super::cors;
use super::entry_point::EntryPoint;
use super::error_format::ErrorFormat;
use super::grpc::status_of;
use super::target::{Protection, Target};

/// Everything that is known about one request.
pub(crate) struct Context {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) caller: Arc<Caller>,
    pub(crate) trace: TraceContext,
    pub(super) error_format: ErrorFormat,
    /// What a reply says to a page of another origin.
    pub(super) cors: Vec<(HeaderName, String)>,
    /// What the rate limits say of the request in its reply.
    pub(crate) limit_fields: Vec<(HeaderName, String)>,
    /// The record of a batch; a request without one is recorded as a single request.
    pub(super) batch: Option<BatchRecord>,
    /// The record of a single request.
    pub(super) request: RequestRecord,
    /// The call to the service that was asked who the client is.
    pub(super) asked: OnceLock<AskedService>,
    stopwatch: Stopwatch,
    in_flight: InFlightGuard,
    batch_in_flight: Option<BatchInFlight>,
    /// It has been recorded.
    is_recorded: bool,
}

/// Counts a batch as in flight until it is dropped.
struct BatchInFlight(prometheus::IntGauge);

impl Drop for BatchInFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Context {
    /// The context of a request whose head has just been read.
    pub(crate) fn new(gateway: &Arc<Gateway>, session: &Session) -> Self {
        let request = session.req_header();
        let snapshot = gateway.snapshot();
        let connection = ConnectionInfo {
            peer: session.client_address(),
            is_tls: session.is_tls(),
            certificate_name: session.certificate_name(),
        };
        let settings = &snapshot.settings;
        let caller = Caller::new(connection, request, &settings.trusted_proxies, settings.forwarded);
        Self {
            caller: Arc::new(caller),
            trace: TraceContext::from_headers(&request.headers, snapshot.settings.sampler()),
            snapshot,
            error_format: ErrorFormat::of_request(request),
            cors: Vec::new(),
            limit_fields: Vec::new(),
            batch: None,
            request: RequestRecord { method: method_label(&request.method), ..RequestRecord::default() },
            asked: OnceLock::new(),
            stopwatch: Stopwatch::start(),
            in_flight: gateway.enter(),
            batch_in_flight: None,
            is_recorded: false,
        }
    }

    pub(super) const fn gateway(&self) -> &Arc<Gateway> {
        self.in_flight.gateway()
    }

    /// Takes note of where the request goes: a batch endpoint and a bulk route have errors, CORS fields and a record of
    /// their own.
    pub(super) fn goes_to(&mut self, target: &Target<'_>, request: &Parts) {
        let Some(EntryPoint { endpoint, .. }) = target.entry_point() else {
            return self.goes_to_route(target, request);
        };
        let dialect = endpoint.dialect.of_request(&request.headers);
        self.error_format = ErrorFormat::Batch { dialect, reply: endpoint.reply_format, input: None };
        self.cors = cors::reply_fields(&self.snapshot.settings.cors, &request.headers);
        if endpoint.server_timing {
            self.cors.extend(cors::timing_field(&self.snapshot.settings.cors, &request.headers));
        }
        if !matches!(target, Target::LimitsDocument(_)) {
            self.batch_at(endpoint);
            let gauge = self.gateway().metrics.batches_in_flight.clone();
            gauge.inc();
            self.batch_in_flight = Some(BatchInFlight(gauge));
        }
    }

    /// A preflight says what it has to say by itself.
    fn goes_to_route(&mut self, target: &Target<'_>, request: &Parts) {
        let snapshot = Arc::clone(&self.snapshot);
        let policy = target.policy(&snapshot.settings);
        let cors = policy.and_then(|policy| policy.cors.as_ref()).filter(|_| !target.is_preflight());
        self.cors = cors.map_or(Vec::new(), |cors| cors::reply_fields(cors, &request.headers));
    }

    /// The request at an entry point.
    pub(super) fn incoming<'request>(
        &'request self,
        session: &'request Session,
        snapshot: &'request Snapshot,
        entry: EntryPoint<'request>,
    ) -> Incoming<'request> {
        let (caller, trace) = (&self.caller, self.trace);
        let head = session.req_header();
        Incoming { settings: &snapshot.settings, entry, caller, trace, head, as_sent: Some(head) }
    }

    /// The record of the batch at this endpoint.
    pub(super) fn batch_at(&mut self, endpoint: &BatchEndpoint) -> &mut BatchRecord {
        let (settings, began, trace) = (&self.snapshot.settings, self.stopwatch, self.trace);
        self.batch.get_or_insert_with(|| BatchRecord::new(endpoint, settings, began, trace))
    }

    /// Finds out who the caller is, where the target is protected.
    ///
    /// # Errors
    /// The client has no valid credential, or the request goes round in a loop of gateways.
    pub(super) async fn authenticate(
        &mut self,
        request: &Parts,
        target: &Target<'_>,
    ) -> Result<(), AdmissionRefusal> {
        let snapshot = Arc::clone(&self.snapshot);
        let settings = &snapshot.settings;
        let protection = target.protection();
        if protection == Protection::Open {
            return Ok(());
        }
        let passed = hops(&request.headers);
        if passed >= settings.limits.hops.get() {
            return Err(AdmissionRefusal::Loop { passed });
        }
        let Some(auth) = &settings.auth else { return Ok(()) };
        let of_route = target.policy(settings).and_then(|policy| policy.auth.as_ref());
        let said = of_route.or_else(|| target.entry_point()?.endpoint.auth.as_ref());
        let wanted = match protection {
            Protection::ByPath(path) => access(said, || auth.covers(path)),
            Protection::Always | Protection::Open => said,
        };
        if matches!(protection, Protection::ByPath(_)) && wanted == Some(&Access::Everybody) {
            return Ok(());
        }
        let identity = authenticate(auth, wanted, &self.caller, request, self).await?;
        Arc::make_mut(&mut self.caller).authenticated(identity);
        Ok(())
    }

    /// Counts a single request against the rate limits.
    ///
    /// # Errors
    /// A limit has no room for it.
    pub(super) fn admit(&mut self, session: &Session, route: RouteIndex) -> Result<(), AdmissionRefusal> {
        let headers = &session.req_header().headers;
        let mut meter = Meter::new(&self.snapshot.limiters, &self.caller, headers);
        let admitted = meter.admit_request(route);
        self.limit_fields = meter.fields();
        admitted
    }

    /// Takes note of why the client gets an error.
    pub(super) fn refused(&mut self, error: &ErrorReply) {
        if let Some(batch) = &mut self.batch {
            return batch.refuse(error);
        }
        self.request.reason = Some(error.reason);
        self.request.limit.clone_from(&error.limit);
        if self.error_format == ErrorFormat::Grpc {
            self.request.grpc_status = Some(status_of(error.problem.status));
        }
    }

    /// Takes note of why the client has no complete reply.
    pub(super) fn broke_off(&mut self, failure: CallFailure) {
        self.request.reason = Some(problem::failure_reason(failure));
        self.request.limit = problem::failure_limit(failure);
    }

    /// The client has left, unless something else is known to be why it has no complete reply.
    pub(super) fn client_left(&mut self) {
        match &mut self.batch {
            Some(batch) if matches!(batch.end, BatchEnd::Refused(_)) => {}
            Some(batch) => batch.end = BatchEnd::ClientGone,
            None => {
                self.request.reason.get_or_insert(problem::failure_reason(CallFailure::ClientGone));
            }
        }
    }

    /// The client took nothing of its reply for too long.
    pub(super) fn client_stood_still(&mut self, session: &Session) {
        let address = session.client_address();
        self.gateway().metrics.connections.refuse(ConnectionRefusal::WriteTimeout, address);
        if self.request.reason.is_none() {
            self.request.reason = Some(ConnectionRefusal::WriteTimeout.as_str());
            self.request.limit = Some(Limit::Key("limits.write_timeout"));
        }
    }

    /// What this part of the reply to a batch says about its time, if its endpoint wants that.
    pub(super) fn server_timing(&self, part: TimingPart) -> Option<String> {
        let batch = self.batch.as_ref()?;
        batch.timing.as_ref()?.field(part, batch.phases.iter(), self.stopwatch.elapsed())
    }

    /// When its head had been read.
    pub(super) const fn began(&self) -> Stopwatch {
        self.stopwatch
    }

    fn count_compression(&self, seen: &Seen<'_>) {
        let metrics = &self.gateway().metrics;
        match seen.compressed {
            Some(Compressed::From(coding, before)) => {
                metrics.record_compressed(coding, before, seen.bytes_out);
            }
            Some(Compressed::NoRoom) => metrics.compression_skipped.inc(),
            None => {}
        }
    }

    fn recorder(&self) -> Recorder<'_> {
        let gateway = self.gateway();
        let Gateway { metrics, access, recent, traces, .. } = &**gateway;
        Recorder::new(metrics, access, recent, traces, self.snapshot.names())
    }

    /// Records items of the batch at this endpoint, which have ended: their 1-based positions, results and reports.
    pub(super) fn record_items(
        &mut self,
        endpoint: &BatchEndpoint,
        positions: impl Iterator<Item = usize> + Clone,
        results: &[ItemResult],
        reports: &[ItemReport],
    ) {
        let snapshot = Arc::clone(&self.snapshot);
        let record = self.batch_at(endpoint);
        for ((position, result), report) in positions.clone().zip(results).zip(reports) {
            record.add(position, result, report, snapshot.names());
        }
        self.recorder().items(reports);
        let access = &self.gateway().access;
        if access.takes_all_items() {
            for ((position, result), report) in positions.zip(results).zip(reports) {
                let item = ItemRecord::new(position, result, report, snapshot.names());
                access.log_item(&self.caller.request_id, self.trace, &item);
            }
        }
    }

    /// Records a batch of which no item was sent, before its reply is written: nothing changes about it any more, so a
    /// client that has the reply finds the batch counted.
    pub(super) fn record_unsent_batch(&mut self, session: &Session, status: StatusCode, bytes_out: usize) {
        if let Some(batch) = &self.batch
            && matches!(batch.end, BatchEnd::Refused(_) | BatchEnd::Explained)
            // How long it is, compressed, shows when it is written.
            && !session.may_compress()
        {
            let bytes_out = bytes_out as u64;
            self.record(&Seen { answered: Some(status), bytes_out, ..session.seen() });
        }
    }

    /// Records the finished request, once.
    pub(super) fn record(&mut self, seen: &Seen<'_>) {
        if std::mem::replace(&mut self.is_recorded, true) {
            return;
        }
        self.batch_in_flight = None;
        let batch = self.batch.take();
        let client = self.caller.address_text();
        let sender = Sender {
            request_id: &self.caller.request_id,
            trace: self.trace,
            client: &client,
            client_name: self.caller.identity.name.as_deref(),
            scheme: self.caller.scheme(),
            host: without_user_of(&self.caller.authority),
            head: &seen.head,
            asked: self.asked.get(),
        };
        self.count_compression(seen);
        if let Some(mut batch) = batch {
            batch.bytes_out = seen.bytes_out;
            batch.status = seen.answered.unwrap_or(batch.status);
            return self.recorder().batch(&sender, batch);
        }
        self.request.status = seen.answered;
        (self.request.bytes_in, self.request.bytes_out) = (seen.bytes_in, seen.bytes_out);
        self.request.elapsed = self.stopwatch.elapsed();
        self.recorder().request(&sender, &self.request);
    }
}
