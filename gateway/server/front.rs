//! The front: every request comes in here, with its head read, and leaves with one reply and one report. Batch
//! endpoints and routes that answer by themselves are served at once; all else is forwarded (`proxy`).

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, Version, header};
use pingora::apps::ReusedHttpStream;

use crate::batch::{AdmissionRefusal, Dialect, ItemRejection};
use crate::dispatch::CallFailure;
use crate::format::{Bulk, Intake, Written, problem_format};
use crate::route::{CanonicalPath, Respond, RouteAction, Strictness};
use crate::stitch::problem::{self, BodyFailure, Limit, Verdict};
use crate::telemetry::ConnectionRefusal;

use super::asked::Asked;
use super::batch_endpoint;
use super::cors;
use super::door::ClientConnection;
use super::exchange::{ReplyHead, joined, write_reply};
use super::failure;
use super::gateway::Gateway;
use super::grpc;
use super::proxy::{self, Context, Ended, Failure, ProxyPlan, Tunnel};
use super::request_check;
use super::session::{ResetReason, Session};

const X_REQUEST_ID: header::HeaderName = header::HeaderName::from_static("x-request-id");
const PROXY_STATUS: header::HeaderName = header::HeaderName::from_static("proxy-status");

/// The front of a gateway.
pub(super) struct Front {
    gateway: Arc<Gateway>,
}

/// What is left to do after a request was served.
type Served = pingora::Result<Option<Box<Tunnel>>>;

impl Front {
    pub(super) const fn new(gateway: Arc<Gateway>) -> Self {
        Self { gateway }
    }

    /// Serves a request. Gives the connection where it can be used again.
    pub(super) async fn serve(&self, mut session: Session) -> Option<ReusedHttpStream> {
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
                if failure::is_client_standing_still(&error) {
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

    fn prepare(&self, session: &mut Session, context: &Context) {
        let limits = &context.snapshot.settings.limits;
        session.set_write_timeout(limits.write_timeout);
        if let Some(stream) = session.http1_stream() {
            ClientConnection::unwatch(stream);
        }
        if self.gateway.is_draining() {
            // The client comes back over a new connection: at another gateway, or at this one's successor.
            session.close_after_reply();
        } else {
            session.keep_alive_for(limits.keepalive_timeout);
        }
    }

    async fn answer(&self, session: &mut Session, context: &mut Context) -> Served {
        if let Some(fault) = request_check::excess(session, &context.snapshot.settings.limits) {
            write_verdict(session, context, problem::of_fault(fault)).await?;
            return Ok(None);
        }
        if let Some(rejection) = request_check::rejection(session) {
            return refuse(session, context, &rejection).await;
        }
        if request_check::is_about_the_gateway(session) {
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
            return refuse(session, context, &ItemRejection::NotAdmitted(refusal)).await;
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
            return refuse(session, context, &ItemRejection::NoRoute).await;
        };
        context.route = Some(index);
        if let RouteAction::Forward { upstream, .. } = &route.action {
            context.upstream = Some(*upstream);
        }
        if !route.methods.allows(&session.req_header().method) {
            let allowed = route.methods.allow_value();
            return refuse(session, context, &ItemRejection::MethodNotAllowed { allowed }).await;
        }
        if let Err(refusal) = context.admit(session, index) {
            return refuse(session, context, &ItemRejection::NotAdmitted(refusal)).await;
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
                let verdict = match failure {
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
                write_verdict(session, context, verdict).await?;
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
        let (endpoint, intake, only_route) = if let Some(endpoint) = snapshot.settings.batch_endpoint(path) {
            context.is_batch = !matches!(method, Method::GET | Method::HEAD);
            (endpoint, Intake::Batch, None)
        } else if let Some(route) = snapshot.settings.bulk_route(path, &method) {
            let bulk = Bulk { each: &route.each, method: &method, query: &query };
            if !bulk.is_meant() {
                return Ok(false);
            }
            context.is_batch = true;
            (&route.endpoint, Intake::Bulk(bulk), Some(route.route))
        } else {
            return Ok(false);
        };
        let asked = Asked {
            gateway: &self.gateway,
            snapshot: &snapshot,
            endpoint,
            intake,
            only_route,
            reached: &context.reached,
            request_id: &context.request_id,
            trace: context.trace,
            cors: cors::reply_fields(&snapshot.settings.cors, &session.req_header().headers),
        };
        batch_endpoint::serve(session, &asked, admitted.clone()).await?;
        Ok(true)
    }
}

const fn refused_path() -> ItemRejection {
    ItemRejection::ForbiddenUrl { problem: "has a path that servers could read differently" }
}

/// Writes a reply of the gateway's own.
async fn reply(session: &mut Session, context: &Context, head: ReplyHead, body: Bytes) -> Served {
    let head = head.with(X_REQUEST_ID, Some(context.request_id.as_str().to_owned()));
    write_reply(session, head, Written::of(body)).await?;
    Ok(None)
}

async fn refuse(session: &mut Session, context: &mut Context, rejection: &ItemRejection) -> Served {
    write_verdict(session, context, problem::of_request(rejection)).await?;
    Ok(None)
}

/// Answers with a route's fixed answer.
async fn respond_by_itself(session: &mut Session, context: &mut Context, respond: &Respond) -> Served {
    if let Some(verdict) = problem::of_fixed_answer(respond) {
        write_verdict(session, context, verdict).await?;
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
    verdict: Verdict,
) -> pingora::Result<()> {
    let headers = &session.req_header().headers;
    let is_grpc = session.req_header().version == Version::HTTP_2 && proxy::is_grpc(headers);
    let accept = joined(headers, &header::ACCEPT);
    let written = if is_grpc {
        Written::of(Bytes::new())
    } else {
        problem_format((!accept.is_empty()).then_some(accept.as_str()), None, Dialect::Batchgate)
            .write_problem(&verdict.problem, Dialect::Batchgate)
    };
    context.reason = Some(verdict.reason);
    context.limit.clone_from(&verdict.limit);
    let status = if is_grpc { StatusCode::OK } else { verdict.problem.status };
    let mut head = ReplyHead::new(status)
        .with(X_REQUEST_ID, Some(context.request_id.as_str().to_owned()))
        .with(header::ALLOW, verdict.allow.clone())
        .with(header::WWW_AUTHENTICATE, verdict.challenge.clone())
        .with(header::RETRY_AFTER, verdict.retry_after.map(|after| after.as_secs().to_string()))
        .with(PROXY_STATUS, Some(verdict.proxy_status()))
        .with_all(&context.limit_fields);
    if is_grpc {
        context.grpc_status = Some(grpc::status_of(verdict.problem.status));
        let value = HeaderValue::from_static("application/grpc");
        head.fields.push((header::CONTENT_TYPE, value));
        head.fields.extend(grpc::refusal(verdict.problem.status, &verdict.problem.detail));
    }
    write_reply(session, head, written).await
}
