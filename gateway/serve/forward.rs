//! A request for a route: checks that the route takes it, and either answers it or has the proxy forward it.
//!
//! In: a [`RouteTarget`] whose caller is authenticated. Out: what was done, or the error that the client gets. How an
//! exchange with an upstream ends is decided here: whether the client gets an error of ours, or its reply breaks off.

use crate::dispatch::CallFailure;
use crate::format::EncodedBody;
use crate::problem::{self, BodyFailure, ErrorReply, RequestRejection};
use crate::route::{NotRouted, Respond, Route, RouteAction};
use crate::session::{ResetReason, Session, StreamKind, announced_length};
use crate::telemetry::ConnectionRefusal;

use super::context::Context;
use super::handled::Handled;
use super::proxy::{self, Ended, Failure, ProxyPlan, Way};
use super::reply::Reply;
use super::target::RouteTarget;
use super::validate::NO_WEBSOCKET;

/// Serves a request for a route.
///
/// # Errors
/// No route takes it, a rate limit refuses it, or its upstream gives no reply.
pub(super) async fn serve<'gateway>(
    session: &mut Session,
    context: &mut Context,
    target: RouteTarget<'_>,
) -> Result<Handled<'gateway>, Box<ErrorReply>> {
    let refuse = |rejection| Box::new(problem::of_request(&rejection));
    let (index, route) = target.route.map_err(|why| refuse(not_routed(why)))?;
    context.request.route = Some(index);
    if let RouteAction::Forward { upstream, .. } = &route.action {
        context.request.upstream = Some(*upstream);
    }
    if !route.methods.allows(&session.req_header().method) {
        let allowed = route.methods.allow_value();
        return Err(refuse(RequestRejection::MethodNotAllowed { allowed }));
    }
    context.admit(session, index).map_err(|refusal| refuse(RequestRejection::NotAdmitted(refusal)))?;
    check_length(session, route).map_err(refuse)?;
    match &route.action {
        RouteAction::Respond(respond) if opens_websocket(session, respond) => Err(refuse(NO_WEBSOCKET)),
        RouteAction::Respond(respond) => fixed_answer(respond).map(Handled::Reply),
        RouteAction::Redirect(redirect) => {
            let uri = &session.req_header().uri;
            let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
            let answer = fixed_answer(&redirect.respond(uri.path(), &query))?;
            Ok(Handled::Reply(answer.same_for_all()))
        }
        RouteAction::Forward { upstream, mapping } => {
            let way = Way { index, route, upstream: *upstream, mapping };
            let plan = ProxyPlan::new(session, context, &target.path, way).map_err(refuse)?;
            let gateway = std::sync::Arc::clone(context.gateway());
            let outcome = proxy::forward(&gateway, session, context, &plan).await;
            context.request.timeline = outcome.timeline;
            context.request.lasted = outcome.lasted;
            context.request.grpc_status = outcome.grpc_status;
            end(session, context, outcome.ended).await
        }
    }
}

/// Refuses a body that says it is larger than the route takes.
fn check_length(session: &Session, route: &Route) -> Result<(), RequestRejection> {
    let length = announced_length(&session.req_header().headers);
    match (route.max_body, length) {
        (Some(limit), Some(length)) if length > limit as u64 => Err(RequestRejection::BodyTooLarge { limit }),
        (Some(_) | None, _) => Ok(()),
    }
}

fn not_routed(why: NotRouted) -> RequestRejection {
    match why {
        NotRouted::NoRoute => RequestRejection::NoRoute,
        NotRouted::Method { allowed } => RequestRejection::MethodNotAllowed { allowed },
    }
}

/// Whether a client over HTTP/2 would take a fixed answer for the beginning of its WebSocket (RFC 8441 §5).
fn opens_websocket(session: &Session, respond: &Respond) -> bool {
    session.kind() == StreamKind::WebSocket && respond.status.is_success()
}

/// The answer of a route that answers by itself.
fn fixed_answer<'gateway>(respond: &Respond) -> Result<Reply<'gateway>, Box<ErrorReply>> {
    if let Some(error) = problem::of_fixed_answer(respond) {
        return Err(error.into());
    }
    let mut reply = Reply::new(respond.status, EncodedBody::from_bytes(respond.body.clone()));
    reply.fields.extend(respond.fields());
    Ok(reply)
}

/// The client's result of a finished exchange with an upstream.
async fn end<'gateway>(
    session: &mut Session,
    context: &mut Context,
    ended: Ended,
) -> Result<Handled<'gateway>, Box<ErrorReply>> {
    match ended {
        Ended::Replied => Ok(Handled::Forwarded),
        Ended::Upgraded(tunnel) => Ok(Handled::Upgraded(tunnel)),
        Ended::Failed(failure) => Err(error_reply(session, context, failure).await.into()),
        Ended::BrokeOff(failure, reason) => {
            context.broke_off(failure);
            session.let_out().await;
            session.break_off(reason);
            Ok(Handled::BrokenOff)
        }
        Ended::ClientStalled => {
            context.client_stood_still(session);
            session.break_off(ResetReason::CANCEL);
            Ok(Handled::BrokenOff)
        }
        Ended::ClientGone => {
            context.broke_off(CallFailure::ClientGone);
            session.break_off(ResetReason::CANCEL);
            Ok(Handled::BrokenOff)
        }
    }
}

/// The reply in place of the upstream's.
async fn error_reply(session: &mut Session, context: &Context, failure: Failure) -> ErrorReply {
    let is_body_broken = !matches!(failure, Failure::Call(..) | Failure::NoMemory);
    if is_body_broken {
        session.close_after_reply();
    }
    match failure {
        Failure::Call(failure, sent) => {
            session.read_short_rest().await;
            problem::of_failure(failure, sent, &session.req_header().method)
        }
        Failure::BodyMalformed(fault) => problem::of_fault(fault),
        Failure::BodyUnreadable => problem::of_body(BodyFailure::Unreadable),
        Failure::BodyTooLarge(limit) => problem::of_body(BodyFailure::TooLarge(limit)),
        Failure::BodyNotDecodable(coding) => problem::of_body(BodyFailure::NotDecodable(coding)),
        Failure::NoMemory => {
            session.read_short_rest().await;
            problem::of_body(BodyFailure::NoMemory)
        }
        Failure::BodyTimeout(limit) => {
            session.linger_for_a_moment();
            let address = session.client_address();
            context.gateway().metrics.connections.refuse(ConnectionRefusal::BodyTimeout, address);
            problem::of_body(BodyFailure::TooSlow(limit.as_secs()))
        }
    }
}
