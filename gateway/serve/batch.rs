//! A batch, or a bulk request, phase by phase: its body is read, its items are planned, sent and stitched, and the results
//! are written. Each phase takes by move what the one before returned; what they learn goes into the batch's record.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;

use crate::admission::{Batching, Meter, check_routes};
use crate::batch::BatchRefusal;
use crate::clock::Stopwatch;
use crate::explain::{Audience, ExplainContext, explain};
use crate::format::EncodedBody;
use crate::memory::{MemoryExhausted, MemoryReservation};
use crate::phase::Phase;
use crate::plan::{Plan, coalesce};
use crate::problem::{self, ErrorReply};
use crate::session::Session;
use crate::state::gateway::Gateway;
use crate::telemetry::{After, BatchEnd};

use super::batch_reply::BatchReply;
use super::batch_request::BatchRequest;
use super::body::read_body;
use super::context::Context;
use super::entry_point::EntryPoint;
use super::error_format::ErrorFormat;
use super::handled::Handled;
use super::reply::{PREFERENCE_APPLIED, Reply};
use super::respond::note_gave_way;
use super::results::Results;
use super::runner::Runner;

/// Serves a request to an entry point. Its body has not been read yet.
///
/// # Errors
/// The batch is refused.
pub(super) async fn serve<'gateway>(
    gateway: &'gateway Gateway,
    session: &mut Session,
    context: &mut Context,
    entry: EntryPoint<'_>,
) -> Result<Handled<'gateway>, Box<ErrorReply>> {
    let memory = MemoryReservation::new(&gateway.memory, context.caller.client());
    let served = run(session, context, entry, memory).await;
    served.map_err(|refusal| problem::of_refusal(&refusal).into())
}

async fn run<'gateway>(
    session: &mut Session,
    context: &mut Context,
    entry: EntryPoint<'_>,
    memory: MemoryReservation<'gateway>,
) -> Result<Handled<'gateway>, BatchRefusal> {
    let snapshot = Arc::clone(&context.snapshot);
    let stopwatch = Stopwatch::start();
    let received = receive(session, context, entry, &memory).await;
    context.batch_at(entry.endpoint).phases.set(Phase::Receive, stopwatch.elapsed());
    let body = received?;
    let record = context.batch_at(entry.endpoint);
    record.bytes_in = body.len();
    let request = BatchRequest::new(&context.incoming(session, &snapshot, entry), body)?;
    let decoded = request.body_length().saturating_sub(context.batch_at(entry.endpoint).bytes_in);
    context.error_format = ErrorFormat::Batch {
        dialect: request.dialect,
        reply: entry.endpoint.reply_format,
        input: Some(request.input),
    };
    memory.take(decoded).map_err(|MemoryExhausted| BatchRefusal::MemoryFull)?;
    memory.note_body(request.body_length());
    let record = context.batch_at(entry.endpoint);
    record.format = request.input.as_str();
    let runner = Runner::new(&request, &snapshot)?;
    if request.preferences.explain {
        let mut plan = request.plan_to_explain(&snapshot.settings, entry, &mut record.phases)?;
        check_routes(&mut plan.items, &snapshot.settings, &request.caller);
        record.end = BatchEnd::Explained;
        return Ok(Handled::Reply(explained(runner, plan)));
    }
    let mut plan = request.plan(&snapshot.settings, entry, &mut record.phases)?;
    record.independent = plan.independent_members();
    record.after = After::from_dependencies(&plan.dependencies);
    let mut meter = Meter::new(&snapshot.limiters, &request.caller, &session.req_header().headers);
    check_routes(&mut plan.items, &snapshot.settings, &request.caller);
    let admitted = meter.admit_items(&mut plan.items, Batching::Whole);
    context.limit_fields = meter.fields();
    admitted.map_err(BatchRefusal::NotAdmitted)?;
    answer(session, context, runner, plan, memory).await
}

async fn receive(
    session: &mut Session,
    context: &Context,
    entry: EntryPoint<'_>,
    memory: &MemoryReservation<'_>,
) -> Result<Bytes, BatchRefusal> {
    context.incoming(session, &context.snapshot, entry).check()?;
    let timeout = context.snapshot.settings.limits.body_timeout;
    let read = read_body(session, entry.endpoint.limits.max_body, timeout, memory);
    memory.at_pace_of_client(read).await.unwrap_or_else(|gave_way| {
        note_gave_way(context, gave_way);
        memory.hold(0);
        Err(BatchRefusal::MemoryFull)
    })
}

/// Says what would happen. Nothing is sent (`Prefer: handling=explain`).
fn explained<'gateway>(runner: Runner<'_>, plan: Plan) -> Reply<'gateway> {
    let Runner { request, snapshot, entry } = runner;
    let context = ExplainContext {
        settings: &snapshot.settings,
        endpoint: entry.endpoint,
        dialect: request.dialect,
        authority: &request.caller.authority,
        query: &request.query,
        arrival: request.arrival(),
        preferences: request.preferences,
        inherited: &request.inherited,
        hop: &request.hop,
        variables: request.caller.variables(),
        audience: Audience::Client,
    };
    let document = explain(plan, request.input, &context).to_json();
    let body = EncodedBody { content_type: "application/json".into(), chunks: vec![document.into()] };
    let applied = request.preferences.applied(entry.endpoint.deadline);
    Reply::new(StatusCode::OK, body).with(PREFERENCE_APPLIED, applied)
}

async fn answer<'gateway>(
    session: &mut Session,
    context: &mut Context,
    runner: Runner<'_>,
    mut plan: Plan,
    memory: MemoryReservation<'gateway>,
) -> Result<Handled<'gateway>, BatchRefusal> {
    let Runner { request, snapshot, entry } = runner;
    let mut policy = request.execution_policy(entry);
    policy.sequential |= plan.sequential;
    if !policy.sequential {
        coalesce(&mut plan, &snapshot.settings.routes);
    }
    let refusal = plan.group_refusal();
    let mut reply = BatchReply::new(Results::new(runner, policy), refusal, session, context, &memory);
    let rest = runner.dispatch(plan, policy, &memory, &mut reply).await;
    let handled = reply.end(rest).await?;
    let Handled::Reply(reply) = handled else { return Ok(handled) };
    memory.note_body(0);
    memory.hold(reply.body.length());
    Ok(Handled::Reply(reply.holding(memory)))
}
