//! A batch endpoint or a bulk route: the life of one batch, phase by phase. Each phase takes what the one
//! before gave by move; what they learn goes into one report at the end.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::Method;
use http::header::{self, HeaderMap, HeaderName};

use crate::batch::{AdmissionRefusal, BatchRefusal, MultiStatus, Summary};
use crate::clock::{Deadline, Stopwatch};
use crate::dialect::{ExecutionPolicy, InputFormat};
use crate::dispatch::{DispatchLimits, DispatchedItem, dispatch};
use crate::explain::{Audience, ExplainContext, explain};
use crate::format::{
    Accept, EncodedBody, Format, ReadContext, cross_site, decode_batch, is_ndjson, is_postable_cross_site,
    wants_text_xml,
};
use crate::header::retry_after;
use crate::phase::Phase;
use crate::plan::{Plan, Preferences, coalesce};
use crate::problem;
use crate::stitch::ItemReport;
use crate::telemetry::{BatchEnd, BatchReport, FailedItem, PhaseTimes};

use super::asked::Asked;
use super::limits_document::limits_document;
use super::respond::{joined, read_body, write_reply};
use super::stream;
use crate::admission::{Batching, Meter};
use crate::memory::{MemoryExhausted, MemoryReservation};
use crate::session::Session;
use crate::upstream::client::BatchEngine;

const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

pub(crate) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Answers a request to a batch endpoint, of which nothing was read yet.
pub(crate) async fn serve(
    session: &mut Session,
    asked: &Asked<'_>,
    admitted: Result<(), AdmissionRefusal>,
) -> pingora::Result<()> {
    let method = session.req_header().method.clone();
    let is_read = method == Method::GET || method == Method::HEAD;
    if admitted.is_ok() && is_read && asked.source.is_batch() {
        return write_reply(session, asked.head(http::StatusCode::OK), limits_document(asked.endpoint)).await;
    }
    let _in_flight = BatchInFlight::new(&asked.gateway.metrics.batches_in_flight);
    let reservation = MemoryReservation::new(&asked.gateway.memory, asked.caller.client());
    let limiters = &asked.snapshot.limiters;
    let meter = Meter::new(limiters, asked.caller, &session.req_header().headers);
    let mut life =
        BatchHandler { asked, reservation, phases: PhaseTimes::default(), form: None, bytes_in: 0, meter };
    match admitted {
        Ok(()) => life.run(session, &method).await,
        Err(refusal) => life.refuse(session, &BatchRefusal::NotAdmitted(refusal)).await,
    }
}

/// Counts a batch as in flight until it is dropped.
struct BatchInFlight<'metrics>(&'metrics prometheus::IntGauge);

impl<'metrics> BatchInFlight<'metrics> {
    fn new(gauge: &'metrics prometheus::IntGauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for BatchInFlight<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// One batch, from its header to its reply.
pub(crate) struct BatchHandler<'request> {
    pub(crate) asked: &'request Asked<'request>,
    /// What it holds in memory.
    pub(crate) reservation: MemoryReservation<'request>,
    pub(crate) phases: PhaseTimes,
    form: Option<InputFormat>,
    pub(crate) bytes_in: usize,
    pub(crate) meter: Meter,
}

/// A batch that was read and planned.
struct Planned {
    plan: Plan,
    preferences: Preferences,
    form: InputFormat,
    reply_format: Format,
    inherited: HeaderMap,
}

impl BatchHandler<'_> {
    async fn run(&mut self, session: &mut Session, method: &Method) -> pingora::Result<()> {
        if *method == Method::POST && self.is_stream(&session.req_header().headers) {
            self.form = Some(InputFormat::Batch(Format::Ndjson));
            return match stream::serve(session, self).await {
                Ok(sent) => sent,
                Err(refusal) => self.refuse(session, &refusal).await,
            };
        }
        let stopwatch = Stopwatch::start();
        let received = self.receive(session, method).await;
        self.phases.set(Phase::Receive, stopwatch.elapsed());
        match received.and_then(|body| self.parse_and_plan(session, body)) {
            Ok(planned) if planned.preferences.explain => self.explain(session, planned).await,
            Ok(mut planned) => match self.meter.admit_plan(&mut planned.plan, Batching::Whole) {
                Ok(()) => self.answer(session, planned).await,
                Err(refusal) => self.refuse(session, &BatchRefusal::NotAdmitted(refusal)).await,
            },
            Err(refusal) => self.refuse(session, &refusal).await,
        }
    }

    /// Whether the batch is a stream: lines in and lines out. What is compressed or only explained is
    /// read whole, as the records of a bulk are.
    fn is_stream(&self, headers: &HeaderMap) -> bool {
        let coded = headers.get_all(header::CONTENT_ENCODING).iter().any(|value| value != "identity");
        let dialect = self.asked.endpoint.dialect;
        self.asked.source.is_batch()
            && dialect.formats().contains(&Format::Ndjson)
            && !coded
            && is_ndjson(text(headers, &header::CONTENT_TYPE))
            && dialect.reply_format(&Accept::from_headers(headers), Format::Ndjson) == Ok(Format::Ndjson)
            && !Preferences::parse(headers).explain
    }

    async fn receive(&self, session: &mut Session, method: &Method) -> Result<Bytes, BatchRefusal> {
        if *method != Method::POST && self.asked.source.is_batch() {
            return Err(BatchRefusal::MethodNotAllowed);
        }
        let headers = &session.req_header().headers;
        let settings = &self.asked.snapshot.settings;
        self.asked.endpoint.dialect.check(headers)?;
        // A page of another site has to ask before it may use other methods (Fetch §2.2.1), and GET
        // changes nothing.
        let postable =
            *method == Method::POST && is_postable_cross_site(text(headers, &header::CONTENT_TYPE));
        if postable && cross_site(headers, &self.asked.caller.authority, &settings.cors.allow_origins) {
            return Err(BatchRefusal::CrossSite);
        }
        let max_body = self.asked.endpoint.limits.max_body;
        let read = read_body(session, max_body, settings.limits.body_timeout, &self.reservation);
        self.reservation.at_pace_of_client(read).await.unwrap_or_else(|gave_way| {
            self.asked.note_gave_way(gave_way);
            self.reservation.hold(0);
            Err(BatchRefusal::MemoryFull)
        })
    }

    fn parse_and_plan(&mut self, session: &Session, body: Bytes) -> Result<Planned, BatchRefusal> {
        let stopwatch = Stopwatch::start();
        self.bytes_in = body.len();
        let Asked { endpoint, source, caller, .. } = self.asked;
        let headers = &session.req_header().headers;
        let preferences = Preferences::parse(headers);
        let body = decode_batch(&joined(headers, &header::CONTENT_ENCODING), body, endpoint.limits.max_body)?;
        let decoded = body.len().saturating_sub(self.bytes_in);
        self.reservation.take(decoded).map_err(|MemoryExhausted| BatchRefusal::MemoryFull)?;
        let content_type = text(headers, &header::CONTENT_TYPE);
        let reader = source.recognize(content_type, &body)?;
        let form = reader.format();
        let accept = Accept::from_headers(headers);
        let reply_format = endpoint.dialect.reply_format(&accept, form.usual_reply())?;
        self.form = Some(form);
        let context = ReadContext {
            limits: &endpoint.limits,
            content_type,
            endpoint: endpoint.path.as_str(),
            own_authority: &caller.authority,
        };
        let batch = reader.read(&body, &context)?;
        self.phases.set(Phase::Parse, stopwatch.elapsed());
        let stopwatch = Stopwatch::start();
        let plan = self.asked.plan(batch)?;
        let inherited = self.asked.inherited(headers);
        self.phases.set(Phase::Plan, stopwatch.elapsed());
        Ok(Planned { plan, preferences, form, reply_format, inherited })
    }

    /// Says what would happen, and sends nothing (`Prefer: handling=explain`).
    async fn explain(&self, session: &mut Session, planned: Planned) -> pingora::Result<()> {
        let Asked { snapshot, endpoint, caller, .. } = self.asked;
        let context = ExplainContext {
            settings: &snapshot.settings,
            endpoint,
            preferences: planned.preferences,
            inherited: &planned.inherited,
            hop: &caller.forwarded_by(&session.req_header().headers),
            audience: Audience::Client,
        };
        let document = explain(planned.plan, planned.form, &context).to_json();
        let written = EncodedBody { content_type: "application/json".into(), chunks: vec![document.into()] };
        let head = self
            .asked
            .head(http::StatusCode::OK)
            .with(PREFERENCE_APPLIED, planned.preferences.applied(endpoint.deadline));
        let mut report = self.report(BatchEnd::Explained, head.status);
        report.bytes_out = written.length();
        self.record(&report);
        write_reply(session, head, written).await
    }

    async fn answer(&mut self, session: &mut Session, planned: Planned) -> pingora::Result<()> {
        let Planned { mut plan, preferences, form, reply_format, inherited } = planned;
        let endpoint = self.asked.endpoint;
        let mut execution_policy = endpoint.execution_policy(form, &preferences);
        execution_policy.sequential |= plan.sequential;
        if !execution_policy.sequential {
            coalesce(&mut plan, &self.asked.snapshot.settings.routes);
        }
        let stopwatch = Stopwatch::start();
        let (items, gone) = self.dispatch(session, plan, (&preferences, execution_policy), inherited).await;
        self.phases.set(Phase::Dispatch, stopwatch.elapsed());
        let stopwatch = Stopwatch::start();
        let (results, reports) = self.asked.stitch(items, &preferences);
        let summary = results.summary();
        let failures = noted_failures(&results, &reports);
        let coalesced = reports.iter().filter(|report| report.coalesced).count();
        self.record_items(&reports);
        let results =
            if execution_policy.leaves_out_unstarted { started(results, &reports) } else { results };
        let head = self
            .asked
            .head(endpoint.reply_status)
            .with_all(&endpoint.dialect.reply_fields(&session.req_header().headers))
            .with(header::RETRY_AFTER, results.retry_after().map(retry_after::write))
            .with(PREFERENCE_APPLIED, preferences.applied(endpoint.deadline))
            .with_all(&self.meter.fields());
        let mut written = endpoint.dialect.write(reply_format, results);
        let accept = Accept::from_headers(&session.req_header().headers);
        if reply_format == Format::Xml && wants_text_xml(&accept) {
            written.content_type = "text/xml; charset=utf-8".into();
        }
        self.reservation.hold(written.length());
        self.phases.set(Phase::Stitch, stopwatch.elapsed());
        let mut report = self.report(BatchEnd::of_items(summary.items, summary.failed), head.status);
        report.summary = summary;
        report.failures = failures;
        report.coalesced = coalesced;
        report.bytes_out = written.length();
        let stopwatch = Stopwatch::start();
        let sent = if gone { Ok(()) } else { self.send(write_reply(session, head, written)).await };
        report.phases.set(Phase::Send, stopwatch.elapsed());
        if gone || sent.is_err() {
            report.end = BatchEnd::ClientGone;
        }
        self.record(&report);
        sent
    }

    /// Writes to the client, unless it stands still while others wait for memory. Then the connection closes.
    async fn send(&self, write: impl Future<Output = pingora::Result<()>>) -> pingora::Result<()> {
        self.reservation.at_pace_of_client(write).await.unwrap_or_else(|gave_way| {
            self.asked.note_gave_way(gave_way);
            Err(pingora::Error::new_down(pingora::ErrorType::ConnectionClosed))
        })
    }

    /// Gives the items, and whether the client has left meanwhile.
    async fn dispatch(
        &self,
        session: &mut Session,
        plan: Plan,
        (preferences, execution_policy): (&Preferences, ExecutionPolicy),
        inherited: HeaderMap,
    ) -> (Vec<DispatchedItem>, bool) {
        let endpoint = self.asked.endpoint;
        let engine = self.asked.engine(&session.req_header().headers, inherited, &self.reservation);
        let patience = preferences.wait.map_or(endpoint.deadline, |wait| wait.min(endpoint.deadline));
        let limits = DispatchLimits {
            concurrency: endpoint.concurrency.get(),
            sequential: execution_policy.sequential,
            stop_on_error: execution_policy.stop_on_error,
            deadline: Deadline::after(patience),
            max_item_reply: endpoint.limits.max_item_reply,
            max_reply: endpoint.limits.max_reply,
        };
        let mut left = false;
        let gone = async {
            session.gone().await;
            left = true;
        };
        self.reservation.stand_in_line();
        let items = make_calls(plan, &engine, limits, Box::pin(gone)).await;
        self.reservation.leave_line();
        (items, left)
    }

    async fn refuse(&self, session: &mut Session, refusal: &BatchRefusal) -> pingora::Result<()> {
        let error_reply = problem::of_refusal(refusal);
        let headers = &session.req_header().headers;
        // A batch whose format was found is refused in that format, whatever its Content-Type said.
        let found = self.form.map(|form| form.usual_reply().media_type());
        let content_type = found.or(text(headers, &header::CONTENT_TYPE));
        let dialect = self.asked.endpoint.dialect;
        let accept = Accept::from_headers(headers);
        let written = dialect.write_problem(&accept, content_type, &error_reply.problem);
        let mut report = self.report(BatchEnd::Refused(error_reply.reason), error_reply.problem.status);
        report.limit.clone_from(&error_reply.limit);
        report.bytes_out = written.length();
        let head = self
            .asked
            .head(error_reply.problem.status)
            .with(PROXY_STATUS, Some(error_reply.proxy_status()))
            .with(header::ALLOW, error_reply.allow)
            .with_all(&dialect.reply_fields(headers))
            .with(header::WWW_AUTHENTICATE, error_reply.challenge)
            .with(header::RETRY_AFTER, error_reply.retry_after.map(retry_after::write))
            .with_all(&self.meter.fields());
        self.record(&report);
        write_reply(session, head, written).await
    }

    /// The word for the form of the items; empty where none was found.
    fn format(&self) -> &'static str {
        self.form.map_or("", InputFormat::as_str)
    }

    pub(crate) fn report(&self, end: BatchEnd, status: http::StatusCode) -> BatchReport {
        BatchReport {
            endpoint: self.asked.endpoint.path.as_str().to_owned(),
            format: self.format(),
            end,
            limit: None,
            status,
            summary: Summary { items: 0, failed: 0 },
            failures: Vec::new(),
            coalesced: 0,
            phases: self.phases,
            bytes_in: self.bytes_in,
            bytes_out: 0,
            request_id: self.asked.caller.request_id.clone(),
            trace: self.asked.trace,
            client: self.asked.caller.address_text(),
            client_name: self.asked.caller.identity.name.clone(),
        }
    }

    pub(crate) fn record_items(&self, reports: &[ItemReport]) {
        self.asked.gateway.metrics.record_items(reports, self.asked.snapshot.names());
    }

    pub(crate) fn record(&self, report: &BatchReport) {
        let names = self.asked.snapshot.names();
        self.asked.gateway.metrics.record_batch(report);
        report.log(names);
    }
}

/// Boxed, so that the compiler need not see through the whole dispatch to know that it is `Send`.
fn make_calls<'call>(
    plan: Plan,
    engine: &'call BatchEngine<'call>,
    limits: DispatchLimits,
    gone: BoxFuture<'call, ()>,
) -> BoxFuture<'call, Vec<DispatchedItem>> {
    Box::pin(async move { dispatch(plan, &engine, limits, gone).await })
}

fn noted_failures(results: &MultiStatus, reports: &[ItemReport]) -> Vec<FailedItem> {
    let mut failures = Vec::new();
    for (index, (result, report)) in results.results.iter().zip(reports).enumerate() {
        if result.is_failed() {
            BatchReport::note_failure(&mut failures, index + 1, result.subject.id.as_str(), report);
        }
    }
    failures
}

/// The results but those of items that were never started because the batch stopped before them.
fn started(results: MultiStatus, reports: &[ItemReport]) -> MultiStatus {
    let kept = results.results.into_iter().zip(reports);
    let kept = kept.filter(|(_, report)| report.reason != Some(problem::BATCH_STOPPED));
    MultiStatus { results: kept.map(|(result, _)| result).collect() }
}

/// A field's value. What is no text is no absent field either.
fn text<'headers>(headers: &'headers HeaderMap, name: &HeaderName) -> Option<&'headers str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}
