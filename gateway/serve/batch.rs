//! A batch, or a bulk request whose records become one: the life of a batch, phase by phase. Each phase takes by move what
//! the one before returned; what they learn goes into the batch's record.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::Method;
use http::StatusCode;
use http::header::{self, HeaderMap};

use crate::batch::{BatchRefusal, Dialect, MultiStatus};
use crate::clock::{Deadline, Stopwatch};
use crate::config::{BatchEndpoint, BulkRoute, ExecutionPolicy};
use crate::dispatch::{DispatchLimits, DispatchedItem, dispatch};
use crate::explain::{Audience, ExplainContext, explain};
use crate::format::{
    BodyKind, Bulk, EncodedBody, Format, InputFormat, ReadContext, cross_site, decode_batch,
    is_postable_cross_site, odata_version, reply_format, wants_text_xml,
};
use crate::header::retry_after;
use crate::phase::Phase;
use crate::plan::{Plan, Preferences, coalesce};
use crate::problem::{self, ErrorReply};
use crate::stitch::ItemReport;
use crate::telemetry::BatchEnd;

use super::asked::Asked;
use super::body::read_body;
use super::context::Context;
use super::error_format::{ErrorFormat, ODATA_VERSION, content_type};
use super::reply::{Handled, PREFERENCE_APPLIED, Reply, joined};
use super::respond::note_gave_way;
use crate::admission::{Batching, Meter};
use crate::memory::{MemoryExhausted, MemoryReservation};
use crate::route::RouteIndex;
use crate::session::Session;
use crate::state::gateway::Gateway;
use crate::upstream::client::BatchEngine;

/// Serves a request to a batch endpoint. Its body has not been read yet.
///
/// # Errors
/// The batch is refused.
pub(super) async fn serve<'gateway>(
    gateway: &'gateway Arc<Gateway>,
    session: &mut Session,
    context: &mut Context,
    endpoint: &BatchEndpoint,
) -> Result<Handled<'gateway>, Box<ErrorReply>> {
    let served = run(gateway, session, context, (endpoint, BodyKind::Batch, None)).await;
    served.map_err(|refusal| problem::of_refusal(&refusal).into())
}

/// Serves a request to a bulk route. Its body has not been read yet.
///
/// # Errors
/// The request is refused.
pub(super) async fn serve_bulk<'gateway>(
    gateway: &'gateway Arc<Gateway>,
    session: &mut Session,
    context: &mut Context,
    bulk: &BulkRoute,
) -> Result<Handled<'gateway>, Box<ErrorReply>> {
    let method = session.req_header().method.clone();
    let query = session.req_header().uri.query().unwrap_or_default().to_owned();
    let kind = BodyKind::Bulk(Bulk { each: &bulk.each, method: &method, query: &query });
    let served = run(gateway, session, context, (&bulk.endpoint, kind, Some(bulk.route))).await;
    served.map_err(|refusal| problem::of_refusal(&refusal).into())
}

async fn run<'gateway>(
    gateway: &'gateway Arc<Gateway>,
    session: &mut Session,
    context: &mut Context,
    (endpoint, intake, only_route): (&BatchEndpoint, BodyKind<'_>, Option<RouteIndex>),
) -> Result<Handled<'gateway>, BatchRefusal> {
    let snapshot = Arc::clone(&context.snapshot);
    let memory = MemoryReservation::new(&gateway.memory, context.reached.client());
    let asked = Asked {
        snapshot: &snapshot,
        endpoint,
        intake,
        only_route,
        reached: context.reached.clone(),
        request_id: context.request_id.clone(),
        trace: context.trace,
    };
    let handler = BatchHandler { asked: &asked };
    let stopwatch = Stopwatch::start();
    let received = handler.receive(session, context, &memory).await;
    context.batch_at(endpoint).phases.set(Phase::Receive, stopwatch.elapsed());
    let headers = &session.req_header().headers;
    let mut planned = handler.parse_and_plan(headers, context, received?, &memory)?;
    if planned.preferences.explain {
        context.batch_at(endpoint).end = BatchEnd::Explained;
        return Ok(Handled::Reply(handler.explain(headers, planned)));
    }
    let mut meter = Meter::new(&snapshot.limiters, &asked.reached, headers);
    let admitted = meter.admit_plan(&mut planned.plan, Batching::Whole);
    context.limit_fields = meter.fields();
    admitted.map_err(BatchRefusal::NotAdmitted)?;
    Ok(handler.answer(session, context, planned, memory).await)
}

/// One batch, from its header to its reply.
struct BatchHandler<'request> {
    asked: &'request Asked<'request>,
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
    /// The version in which the reply is, where OData is spoken.
    fn odata_version(&self, headers: &HeaderMap) -> Result<Option<String>, BatchRefusal> {
        let is_odata = self.asked.endpoint.dialect == Dialect::Odata;
        is_odata.then(|| odata_version(headers).map(str::to_owned)).transpose()
    }

    async fn receive(
        &self,
        session: &mut Session,
        context: &Context,
        memory: &MemoryReservation<'_>,
    ) -> Result<Bytes, BatchRefusal> {
        let is_post = session.req_header().method == Method::POST;
        if !is_post && matches!(self.asked.intake, BodyKind::Batch) {
            return Err(BatchRefusal::MethodNotAllowed);
        }
        let headers = &session.req_header().headers;
        let settings = &self.asked.snapshot.settings;
        self.odata_version(headers)?;
        // A page of another site has to ask before it may use other methods (Fetch §2.2.1), and GET
        // changes nothing.
        let postable = is_post && is_postable_cross_site(content_type(headers));
        if postable && cross_site(headers, &self.asked.reached.authority, &settings.cors.allow_origins) {
            return Err(BatchRefusal::CrossSite);
        }
        let max_body = self.asked.endpoint.limits.max_body;
        let read = read_body(session, max_body, settings.limits.body_timeout, memory);
        memory.at_pace_of_client(read).await.unwrap_or_else(|gave_way| {
            note_gave_way(context, gave_way);
            memory.hold(0);
            Err(BatchRefusal::MemoryFull)
        })
    }

    fn parse_and_plan(
        &self,
        headers: &HeaderMap,
        context: &mut Context,
        body: Bytes,
        memory: &MemoryReservation<'_>,
    ) -> Result<Planned, BatchRefusal> {
        let stopwatch = Stopwatch::start();
        let Asked { endpoint, intake, reached, .. } = self.asked;
        let bytes_in = body.len();
        context.batch_at(endpoint).bytes_in = bytes_in;
        let preferences = Preferences::parse(headers);
        let body = decode_batch(&joined(headers, &header::CONTENT_ENCODING), body, endpoint.limits.max_body)?;
        let decoded = body.len().saturating_sub(bytes_in);
        memory.take(decoded).map_err(|MemoryExhausted| BatchRefusal::MemoryFull)?;
        let content_type = content_type(headers);
        let form = intake.form(content_type, &body, endpoint.dialect)?;
        let accept = joined(headers, &header::ACCEPT);
        let reply_format = reply_format(Some(&accept), form.usual_reply(), endpoint.dialect)?;
        context.error_format = ErrorFormat::Batch { dialect: endpoint.dialect, input: Some(form) };
        context.batch_at(endpoint).format = form.as_str();
        let reading = ReadContext {
            limits: &endpoint.limits,
            content_type,
            endpoint: endpoint.path.as_str(),
            own_authority: &caller.authority,
            dialect: endpoint.dialect,
        };
        let batch = intake.read(form, &body, &reading)?;
        context.batch_at(endpoint).phases.set(Phase::Parse, stopwatch.elapsed());
        let stopwatch = Stopwatch::start();
        let plan = self.asked.plan(batch)?;
        let inherited = self.asked.inherited(headers);
        context.batch_at(endpoint).phases.set(Phase::Plan, stopwatch.elapsed());
        Ok(Planned { plan, preferences, form, reply_format, inherited })
    }

    /// Says what would happen, and sends nothing (`Prefer: handling=explain`).
    fn explain<'gateway>(&self, headers: &HeaderMap, planned: Planned) -> Reply<'gateway> {
        let Asked { snapshot, endpoint, reached, request_id, .. } = self.asked;
        let context = ExplainContext {
            settings: &snapshot.settings,
            endpoint,
            preferences: planned.preferences,
            inherited: &planned.inherited,
            hop: &reached.forwarded_by(headers, request_id),
            audience: Audience::Client,
        };
        let document = explain(planned.plan, planned.form, &context).to_json();
        let body = EncodedBody { content_type: "application/json".into(), chunks: vec![document.into()] };
        let applied = planned.preferences.applied(endpoint.deadline);
        Reply::new(StatusCode::OK, body).with(PREFERENCE_APPLIED, applied)
    }

    async fn answer<'gateway>(
        &self,
        session: &mut Session,
        context: &mut Context,
        planned: Planned,
        memory: MemoryReservation<'gateway>,
    ) -> Handled<'gateway> {
        let Planned { mut plan, preferences, form, reply_format, inherited } = planned;
        let endpoint = self.asked.endpoint;
        let mut execution_policy = endpoint.execution_policy(form, &preferences);
        execution_policy.sequential |= plan.sequential;
        if !execution_policy.sequential {
            coalesce(&mut plan, &self.asked.snapshot.settings.routes);
        }
        let stopwatch = Stopwatch::start();
        let engine = self.asked.engine(&session.req_header().headers, inherited, &memory);
        let (items, gone) = self.dispatch(session, plan, &engine, (&preferences, execution_policy)).await;
        context.batch_at(endpoint).phases.set(Phase::Dispatch, stopwatch.elapsed());
        let stopwatch = Stopwatch::start();
        let (results, reports) = self.asked.stitch(items, &preferences);
        let record = context.batch_at(endpoint);
        for (number, (result, report)) in results.results.iter().zip(&reports).enumerate() {
            record.add(number + 1, result, report);
        }
        record.end = BatchEnd::of_items(record.summary.items, record.summary.failed);
        context.recorder().items(&reports);
        if gone {
            context.client_left();
            return Handled::BrokenOff;
        }
        let results =
            if execution_policy.leaves_out_unstarted { started(results, &reports) } else { results };
        let headers = &session.req_header().headers;
        let retry_after = results.retry_after().map(retry_after::write);
        let mut body = reply_format.write(results, endpoint.dialect);
        if reply_format == Format::Xml && wants_text_xml(Some(&joined(headers, &header::ACCEPT))) {
            body.content_type = "text/xml; charset=utf-8".into();
        }
        memory.hold(body.length());
        context.batch_at(endpoint).phases.set(Phase::Stitch, stopwatch.elapsed());
        let reply = Reply::new(endpoint.reply_status, body)
            .with(ODATA_VERSION, self.odata_version(headers).ok().flatten())
            .with(header::RETRY_AFTER, retry_after)
            .with(PREFERENCE_APPLIED, preferences.applied(endpoint.deadline))
            .holding(memory);
        Handled::Reply(reply)
    }

    /// Returns the items, and whether the client has left meanwhile.
    async fn dispatch(
        &self,
        session: &mut Session,
        plan: Plan,
        engine: &BatchEngine<'_>,
        (preferences, execution_policy): (&Preferences, ExecutionPolicy),
    ) -> (Vec<DispatchedItem>, bool) {
        let endpoint = self.asked.endpoint;
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
        engine.reservation.stand_in_line();
        let items = make_calls(plan, engine, limits, Box::pin(gone)).await;
        engine.reservation.leave_line();
        (items, left)
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

/// The results but those of items that were never started because the batch stopped before them.
fn started(results: MultiStatus, reports: &[ItemReport]) -> MultiStatus {
    let kept = results.results.into_iter().zip(reports);
    let kept = kept.filter(|(_, report)| report.reason != Some(problem::BATCH_STOPPED));
    MultiStatus { results: kept.map(|(result, _)| result).collect() }
}
