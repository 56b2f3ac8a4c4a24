//! The front: every request comes in here, with its head read, and leaves with one reply and one report. Batch
//! endpoints and routes that answer by themselves are served at once; all else is forwarded (`proxy`).

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, Version, header};
use pingora::apps::ReusedHttpStream;

use crate::batch::AdmissionRefusal;
use crate::dialect::ItemSource;
use crate::dispatch::CallFailure;
use crate::format::{Accept, Bulk, EncodedBody, write_problem};
use crate::header::retry_after;
use crate::problem::{self, BodyFailure, ErrorReply, Limit, RequestRejection};
use crate::route::{CanonicalPath, Respond, RouteAction, Strictness};
use crate::telemetry::ConnectionRefusal;

use super::asked::Asked;
use super::batch;
use super::context::Context;
use super::cors;
use super::grpc;
use super::proxy::{self, Ended, Failure, ProxyPlan, Tunnel};
use super::respond::{ReplyHead, write_reply};
use super::validate;
use crate::listener::request_handler::RequestHandler;
use crate::session::{ResetReason, Session};
use crate::state::gateway::Gateway;
use crate::upstream::error;

const X_REQUEST_ID: header::HeaderName = header::HeaderName::from_static("x-request-id");
const PROXY_STATUS: header::HeaderName = header::HeaderName::from_static("proxy-status");

/// The front of a gateway.
pub(crate) struct Front {
    gateway: Arc<Gateway>,
}

/// What is left to do after a request was served.
type Served = pingora::Result<Option<Box<Tunnel>>>;

impl RequestHandler for Front {
    async fn handle(&self, mut session: Session) -> Option<ReusedHttpStream> {
        let mut context = Context::new(&self.gateway, &session);
        self.prepare(&mut session, &context);
        match self.answer(&mut session, &mut context).await {
            Ok(None) => {}
            Ok(Some(tunnel)) => {
                let answered = session.answered();
                let (status, lasted) = (answered, tunnel.carry(&self.gateway, session).await);
                context.lasted = Some(lasted);
                context.report(status);
                return None;
            }
            Err(error) => {
                if error::is_client_standing_still(&error) {
                    self.client_stood_still(&session, &mut context);
                }
                context.reason.get_or_insert(problem::failure_reason(CallFailure::ClientGone));
                session.break_off(ResetReason::CANCEL);
            }
        }
        if !context.is_batch {
            context.report(session.answered());
        }
        session.finish().await
    }
}

impl Front {
    pub(crate) const fn new(gateway: Arc<Gateway>) -> Self {
        Self { gateway }
    }

    fn prepare(&self, session: &mut Session, context: &Context) {
        let limits = &context.snapshot.settings.limits;
        session.set_write_timeout(limits.write_timeout);
        if let Some(connection) = session.connection() {
            connection.stop_watching();
        }
        if self.gateway.is_draining() {
            // The client comes back over a new connection: at another gateway, or at this one's successor.
            session.close_after_reply();
        } else {
            session.keep_alive_for(limits.keepalive_timeout);
        }
    }

    async fn answer(&self, session: &mut Session, context: &mut Context) -> Served {
        if let Some(fault) = validate::excess(session, &context.snapshot.settings.limits) {
            write_verdict(session, context, problem::of_fault(fault)).await?;
            return Ok(None);
        }
        if let Some(rejection) = validate::rejection(session) {
            return refuse(session, context, &rejection).await;
        }
        if validate::is_about_the_gateway(session) {
            return reply(session, context, ReplyHead::new(StatusCode::NO_CONTENT), Bytes::new()).await;
        }
        let raw = session.req_header().uri.path();
        let Ok(path) = CanonicalPath::parse(raw, Strictness::Proxied) else {
            return refuse(session, context, &refused_path()).await;
        };
        let snapshot = Arc::clone(&context.snapshot);
        // Before authentication: a preflight has no credentials (Fetch §3.2.2).
        if snapshot.settings.batch_endpoint(&path).is_some()
            && cors::is_allowed_preflight(&snapshot.settings.cors, session.req_header())
        {
            let fields = cors::preflight_fields(&snapshot.settings.cors, &session.req_header().headers);
            let head = ReplyHead::new(StatusCode::NO_CONTENT).with_all(&fields);
            return reply(session, context, head, Bytes::new()).await;
        }
        let admitted = context.authenticate(&self.gateway, session.req_header(), &path).await;
        if self.serve_items(session, context, &path, &admitted).await? {
            return Ok(None);
        }
        if let Err(refusal) = admitted {
            return refuse(session, context, &RequestRejection::NotAdmitted(refusal)).await;
        }
        self.serve_route(session, context, &path).await
    }

    async fn serve_route(
        &self,
        session: &mut Session,
        context: &mut Context,
        path: &CanonicalPath,
    ) -> Served {
        let snapshot = Arc::clone(&context.snapshot);
        let Some((index, route)) = snapshot.settings.routes.find(path) else {
            return refuse(session, context, &RequestRejection::NoRoute).await;
        };
        context.route = Some(index);
        if let RouteAction::Forward { upstream, .. } = &route.action {
            context.upstream = Some(*upstream);
        }
        if !route.methods.allows(&session.req_header().method) {
            let allowed = route.methods.allow_value();
            return refuse(session, context, &RequestRejection::MethodNotAllowed { allowed }).await;
        }
        if let Err(refusal) = context.admit(session, index) {
            return refuse(session, context, &RequestRejection::NotAdmitted(refusal)).await;
        }
        match &route.action {
            RouteAction::Respond(respond) => respond_by_itself(session, context, respond).await,
            RouteAction::Forward { upstream, mapping } => {
                match ProxyPlan::new(session, context, path, (*upstream, mapping)) {
                    Ok(plan) => {
                        let outcome = proxy::forward(&self.gateway, session, context, &plan).await;
                        context.lasted = outcome.lasted;
                        context.grpc_status = outcome.grpc_status;
                        self.end(session, context, outcome.ended).await
                    }
                    Err(rejection) => refuse(session, context, &rejection).await,
                }
            }
        }
    }

    /// The client took nothing of its reply for too long.
    fn client_stood_still(&self, session: &Session, context: &mut Context) {
        let address = session.client_address();
        self.gateway.metrics.connections.refuse(ConnectionRefusal::WriteTimeout, address);
        if context.reason.is_none() {
            context.reason = Some(ConnectionRefusal::WriteTimeout.as_str());
            context.limit = Some(Limit::Key("limits.write_timeout"));
        }
    }

    /// What the client gets of an exchange with an upstream that is over.
    async fn end(&self, session: &mut Session, context: &mut Context, ended: Ended) -> Served {
        match ended {
            Ended::Replied => Ok(None),
            Ended::Upgraded(tunnel) => Ok(Some(tunnel)),
            Ended::Failed(failure) => {
                let error_reply = match failure {
                    Failure::Call(failure, sent) => {
                        session.read_short_rest().await;
                        problem::of_failure(failure, sent, &session.req_header().method)
                    }
                    Failure::BodyMalformed(fault) => {
                        session.close_after_reply();
                        problem::of_fault(fault)
                    }
                    Failure::BodyUnreadable => {
                        session.close_after_reply();
                        problem::of_body(BodyFailure::Unreadable)
                    }
                    Failure::BodyTimeout(limit) => {
                        session.close_after_reply();
                        session.linger_for_a_moment();
                        let address = session.client_address();
                        self.gateway.metrics.connections.refuse(ConnectionRefusal::BodyTimeout, address);
                        problem::of_body(BodyFailure::TooSlow(limit.as_secs()))
                    }
                };
                write_verdict(session, context, error_reply).await?;
                Ok(None)
            }
            Ended::BrokeOff(failure, reason) => {
                context.broke_off(failure);
                session.let_out().await;
                session.break_off(reason);
                Ok(None)
            }
            Ended::ClientStalled => {
                self.client_stood_still(session, context);
                session.break_off(ResetReason::CANCEL);
                Ok(None)
            }
            Ended::ClientGone => {
                context.broke_off(CallFailure::ClientGone);
                session.break_off(ResetReason::CANCEL);
                Ok(None)
            }
        }
    }

    /// Serves a request to a batch endpoint, or a bulk. Whether it was one.
    async fn serve_items(
        &self,
        session: &mut Session,
        context: &mut Context,
        path: &CanonicalPath,
        admitted: &Result<(), AdmissionRefusal>,
    ) -> pingora::Result<bool> {
        let snapshot = Arc::clone(&context.snapshot);
        let method = session.req_header().method.clone();
        let query = session.req_header().uri.query().unwrap_or_default().to_owned();
        let (endpoint, source, only_route) = if let Some(endpoint) = snapshot.settings.batch_endpoint(path) {
            context.is_batch = !matches!(method, Method::GET | Method::HEAD);
            (endpoint, ItemSource::Batch(endpoint.dialect), None)
        } else if let Some(route) = snapshot.settings.bulk_route(path, &method) {
            let bulk = Bulk { each: &route.each, method: &method, query: &query };
            if !bulk.is_meant() {
                return Ok(false);
            }
            context.is_batch = true;
            (&route.endpoint, ItemSource::Records(bulk), Some(route.route))
        } else {
            return Ok(false);
        };
        let asked = Asked {
            gateway: &self.gateway,
            snapshot: &snapshot,
            endpoint,
            source,
            only_route,
            caller: &context.caller,
            trace: context.trace,
            cors: cors::reply_fields(&snapshot.settings.cors, &session.req_header().headers),
        };
        batch::serve(session, &asked, admitted.clone()).await?;
        Ok(true)
    }
}

const fn refused_path() -> RequestRejection {
    RequestRejection::ForbiddenUrl { problem: "has a path that servers could read differently" }
}

/// Writes a reply of the gateway's own.
async fn reply(session: &mut Session, context: &Context, head: ReplyHead, body: Bytes) -> Served {
    let head = head.with(X_REQUEST_ID, Some(context.caller.request_id.as_str().to_owned()));
    write_reply(session, head, EncodedBody::from_bytes(body)).await?;
    Ok(None)
}

async fn refuse(session: &mut Session, context: &mut Context, rejection: &RequestRejection) -> Served {
    write_verdict(session, context, problem::of_request(rejection)).await?;
    Ok(None)
}

/// Answers with a route's fixed answer.
async fn respond_by_itself(session: &mut Session, context: &mut Context, respond: &Respond) -> Served {
    if let Some(error_reply) = problem::of_fixed_answer(respond) {
        write_verdict(session, context, error_reply).await?;
        return Ok(None);
    }
    let content_type = (!respond.body.is_empty()).then(|| respond.content_type.clone());
    let head = ReplyHead::new(respond.status)
        .with(header::CONTENT_TYPE, content_type)
        .with_all(&context.limit_fields);
    reply(session, context, head, respond.body.clone()).await
}

/// Answers with a problem detail; a call of gRPC with a status of its own.
async fn write_verdict(
    session: &mut Session,
    context: &mut Context,
    error_reply: ErrorReply,
) -> pingora::Result<()> {
    let headers = &session.req_header().headers;
    let is_grpc = session.req_header().version == Version::HTTP_2 && proxy::is_grpc(headers);
    let written = if is_grpc {
        EncodedBody::from_bytes(Bytes::new())
    } else {
        write_problem(&Accept::from_headers(headers), None, &error_reply.problem)
    };
    context.reason = Some(error_reply.reason);
    context.limit.clone_from(&error_reply.limit);
    let status = if is_grpc { StatusCode::OK } else { error_reply.problem.status };
    let mut head = ReplyHead::new(status)
        .with(X_REQUEST_ID, Some(context.caller.request_id.as_str().to_owned()))
        .with(header::ALLOW, error_reply.allow.clone())
        .with(header::WWW_AUTHENTICATE, error_reply.challenge.clone())
        .with(header::RETRY_AFTER, error_reply.retry_after.map(retry_after::write))
        .with(PROXY_STATUS, Some(error_reply.proxy_status()))
        .with_all(&context.limit_fields);
    if is_grpc {
        context.grpc_status = Some(grpc::status_of(error_reply.problem.status));
        let value = HeaderValue::from_static("application/grpc");
        head.fields.push((header::CONTENT_TYPE, value));
        head.fields.extend(grpc::refusal(error_reply.problem.status, &error_reply.problem.detail));
    }
    write_reply(session, head, written).await
}
