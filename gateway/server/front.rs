//! The front: every request comes in here. Batch endpoints and routes that answer by themselves are
//! served at once; all else is proxied by pingora, with the hooks of `proxied`.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, StatusCode, Version, header};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::ServerSession;
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource};

use crate::batch::Dialect;
use crate::batch::{AdmissionRefusal, ItemRejection};
use crate::dispatch::Sent;
use crate::format::{Bulk, Intake, Written, problem_format};
use crate::route::{CanonicalPath, Respond, RouteAction, Strictness};
use crate::stitch::problem::{self, Verdict};
use crate::telemetry::ConnectionRefusal;

use super::asked::Asked;
use super::batch_endpoint;
use super::cors;
use super::door::ClientConnection;
use super::exchange::{ReplyHead, joined, waits_for_continue, write_reply};
use super::failure;
use super::gateway::Gateway;
use super::proxied::{self, Context, Proxied};
use super::request_check;
use super::time_limit;

/// The front of a gateway.
pub(super) struct Front {
    gateway: Arc<Gateway>,
}

impl Front {
    pub(super) const fn new(gateway: Arc<Gateway>) -> Self {
        Self { gateway }
    }

    /// Serves the request, or says how to proxy it.
    async fn serve(&self, session: &mut Session, context: &mut Context) -> pingora::Result<Option<Proxied>> {
        if let Some(rejection) = request_check::rejection(session) {
            return self.refuse(session, context, &rejection).await;
        }
        if request_check::is_about_the_gateway(session) {
            write_reply(session, ReplyHead::new(StatusCode::NO_CONTENT), Written::of(Bytes::new())).await?;
            return Ok(None);
        }
        let raw = session.req_header().uri.path();
        let Ok(path) = CanonicalPath::parse(raw, Strictness::Proxied) else {
            return self.refuse(session, context, &refused_path()).await;
        };
        let snapshot = Arc::clone(&context.snapshot);
        // Before authentication: a preflight has no credentials (Fetch §3.2.2).
        if snapshot.settings.batch_endpoint(&path).is_some()
            && cors::is_allowed_preflight(&snapshot.settings.cors, session.req_header())
        {
            let fields = cors::preflight_fields(&snapshot.settings.cors, &session.req_header().headers);
            let head = ReplyHead::new(StatusCode::NO_CONTENT).with_all(&fields);
            write_reply(session, head, Written::of(Bytes::new())).await?;
            return Ok(None);
        }
        let admitted = context.authenticate(&self.gateway, session.req_header(), &path).await;
        if self.serve_items(session, context, &path, &admitted).await? {
            return Ok(None);
        }
        if let Err(refusal) = admitted {
            return self.refuse(session, context, &ItemRejection::NotAdmitted(refusal)).await;
        }
        let Some((index, route)) = snapshot.settings.routes.find(&path) else {
            return self.refuse(session, context, &ItemRejection::NoRoute).await;
        };
        context.route = Some(index);
        if !route.methods.allows(&session.req_header().method) {
            let allowed = route.methods.allow_value();
            return self.refuse(session, context, &ItemRejection::MethodNotAllowed { allowed }).await;
        }
        if let Err(refusal) = context.admit(session, index) {
            return self.refuse(session, context, &ItemRejection::NotAdmitted(refusal)).await;
        }
        match &route.action {
            RouteAction::Respond(respond) => {
                respond_by_itself(session, context, respond).await.map(|()| None)
            }
            RouteAction::Forward { upstream, mapping } => {
                match proxied::prepare(session, context, &path, (*upstream, mapping)) {
                    Ok(proxied) => Ok(Some(proxied)),
                    Err(rejection) => self.refuse(session, context, &rejection).await,
                }
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

    async fn refuse<T>(
        &self,
        session: &mut Session,
        context: &mut Context,
        rejection: &ItemRejection,
    ) -> pingora::Result<Option<T>> {
        write_verdict(session, context, problem::of_rejection(rejection)).await?;
        Ok(None)
    }
}

const fn refused_path() -> ItemRejection {
    ItemRejection::ForbiddenUrl { problem: "has a path that servers could read differently" }
}

/// Answers with a route's fixed answer.
async fn respond_by_itself(
    session: &mut Session,
    context: &mut Context,
    respond: &Respond,
) -> pingora::Result<()> {
    if let Some(verdict) = problem::of_fixed_answer(respond) {
        return write_verdict(session, context, verdict).await;
    }
    let content_type = (!respond.body.is_empty()).then(|| respond.content_type.clone());
    let head = ReplyHead::new(respond.status)
        .with(header::CONTENT_TYPE, content_type)
        .with(header::HeaderName::from_static("x-request-id"), Some(context.request_id.as_str().to_owned()))
        .with_all(&context.limit_fields);
    write_reply(session, head, Written::of(respond.body.clone())).await
}

/// Answers with a problem detail.
async fn write_verdict(
    session: &mut Session,
    context: &mut Context,
    verdict: Verdict,
) -> pingora::Result<()> {
    let headers = &session.req_header().headers;
    let accept = joined(headers, &header::ACCEPT);
    let written = problem_format((!accept.is_empty()).then_some(accept.as_str()), None, Dialect::Batchgate)
        .write_problem(&verdict.problem, Dialect::Batchgate);
    context.reason = Some(verdict.reason);
    context.limit.clone_from(&verdict.limit);
    let head = ReplyHead::new(verdict.problem.status)
        .with(header::HeaderName::from_static("x-request-id"), Some(context.request_id.as_str().to_owned()))
        .with(header::ALLOW, verdict.allow.clone())
        .with(header::WWW_AUTHENTICATE, verdict.challenge.clone())
        .with(header::RETRY_AFTER, verdict.retry_after.map(|after| after.as_secs().to_string()))
        .with(header::HeaderName::from_static("proxy-status"), Some(verdict.proxy_status()))
        .with_all(&context.limit_fields);
    write_reply(session, head, written).await
}

#[async_trait]
impl ProxyHttp for Front {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        Context::new(&self.gateway)
    }

    async fn early_request_filter(
        &self,
        session: &mut Session,
        context: &mut Context,
    ) -> pingora::Result<()> {
        context.meet(session);
        let limits = &context.snapshot.settings.limits;
        let downstream = session.as_downstream_mut();
        downstream.set_write_timeout(Some(limits.write_timeout));
        if let ServerSession::H1(http1) = downstream {
            ClientConnection::unwatch(http1.stream());
        }
        // Without it, a client that sends its next request early would be cut off (RFC 9112 §9.3.2).
        downstream.set_pipelining_enabled(true);
        if let ServerSession::H1(http1) = downstream
            && http1.req_header().version == Version::HTTP_10
        {
            // It would take an interim reply for the reply (RFC 9110 §15.2).
            http1.set_ignore_info_resp(true);
        }
        if self.gateway.is_draining() {
            // The client comes back over a new connection: at another gateway, or at this one's successor.
            downstream.set_keepalive(None);
        } else if downstream.get_keepalive().is_some() {
            downstream.set_keepalive(Some(limits.keepalive_timeout.as_secs().max(1)));
        }
        Ok(())
    }

    async fn request_filter(&self, session: &mut Session, context: &mut Context) -> pingora::Result<bool> {
        if let Some(proxied) = self.serve(session, context).await? {
            match proxied::take_turn(context, proxied).await {
                Ok(proxied) => {
                    context.proxied = Some(proxied);
                    proxied::expect_body(session);
                }
                Err(failure) => {
                    let verdict = problem::of_failure(failure, Sent::No, &session.req_header().method);
                    write_verdict(session, context, verdict).await?;
                }
            }
        }
        if context.proxied.is_some() && waits_for_continue(session) {
            // Answered here, at once: upstreams behind a proxy often never do (RFC 9110 §10.1.1).
            session.as_downstream_mut().write_continue_response().await?;
        }
        Ok(context.proxied.is_none())
    }

    async fn request_body_filter(
        &self,
        session: &mut Session,
        _: &mut Option<Bytes>,
        end: bool,
        context: &mut Context,
    ) -> pingora::Result<()> {
        if end {
            proxied::body_is_whole(session);
        }
        context.keep_time()
    }

    async fn upstream_peer(&self, _: &mut Session, context: &mut Context) -> pingora::Result<Box<HttpPeer>> {
        proxied::choose(context).await
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        context: &mut Context,
    ) -> pingora::Result<()> {
        proxied::request(session, request, context)
    }

    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        context: &mut Context,
    ) -> pingora::Result<()> {
        proxied::answered(&self.gateway, session, response, context)
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        context: &mut Context,
    ) -> pingora::Result<()> {
        proxied::response(session, response, context)?;
        proxied::suit_http_1_0(session, response);
        Ok(())
    }

    fn response_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        context: &mut Context,
    ) -> pingora::Result<Option<std::time::Duration>> {
        context.keep_time()?;
        proxied::response_body(body, end, context)?;
        Ok(None)
    }

    fn fail_to_connect(
        &self,
        _: &mut Session,
        _: &HttpPeer,
        context: &mut Context,
        error: Box<Error>,
    ) -> Box<Error> {
        proxied::connect_failed(&self.gateway, context, error)
    }

    fn error_while_proxy(
        &self,
        _: &HttpPeer,
        session: &mut Session,
        error: Box<Error>,
        context: &mut Context,
        is_reused: bool,
    ) -> Box<Error> {
        proxied::exchange_failed(&self.gateway, session, context, (error, is_reused))
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        context: &mut Context,
    ) -> FailToProxy {
        let mut code = 0;
        let is_answered = session.response_written().is_some_and(|written| proxied::is_final(written.status));
        let is_over_time = context.is_over_time();
        if is_over_time {
            time_limit::lift();
        }
        if is_answered || *error.esource() == ErrorSource::Downstream && !is_over_time {
            context.broke_off(error);
        } else {
            let verdict = proxied::verdict(session, error, context);
            code = verdict.problem.status.as_u16();
            if write_verdict(session, context, verdict).await.is_err() {
                code = 0;
            }
        }
        FailToProxy { error_code: code, can_reuse_downstream: false }
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, context: &mut Context) {
        if error.is_some_and(failure::is_client_standing_still) {
            self.gateway.metrics.connections.refuse(ConnectionRefusal::WriteTimeout, address_of(session));
        }
        if !context.is_batch {
            context.report(session.response_written().map(|response| response.status));
        }
    }

    fn suppress_error_log(&self, _: &Session, _: &Context, _: &Error) -> bool {
        // The request's own log line says it, with its reason.
        true
    }
}

/// Where a connection comes from; nothing for a Unix socket's.
fn address_of(session: &Session) -> Option<IpAddr> {
    Some(session.client_addr()?.as_inet()?.ip())
}
