//! A lane over HTTP/2: each call is a stream of a connection that many calls share (RFC 9113 §5).

use std::sync::Arc;

use http::Method;
use pingora::protocols::http::client::HttpSession;

use crate::dispatch::{Attempt, CallFailure, UpstreamReply};
use crate::plan::Call;
use crate::stitch::problem::is_idempotent;

use super::super::balance::Peer;
use super::super::failure;
use super::super::memory::Holding;
use super::Failover;
use super::call::Calls;
use super::reply::{Unanswered, collect};
use super::under_way::CallUnderWay;

/// The lane.
pub(super) struct Streams<'engine> {
    calls: Calls<'engine>,
}

impl<'engine> Streams<'engine> {
    pub(super) const fn new(calls: Calls<'engine>) -> Self {
        Self { calls }
    }

    pub(super) async fn call(
        &mut self,
        method: &Method,
        call: &Call,
        attempt: Attempt<'_>,
    ) -> Result<UpstreamReply, CallFailure> {
        match self.exchange(method, call, attempt).await {
            // The connection may have been closed while the call was on its way (GOAWAY).
            Err(Unanswered { nothing_received: true, .. }) if is_idempotent(method) => {
                self.exchange(method, call, attempt).await.map_err(|unanswered| unanswered.failure)
            }
            made => made.map_err(|unanswered| unanswered.failure),
        }
    }

    async fn connect(&self) -> Result<(Arc<Peer>, HttpSession), CallFailure> {
        let Calls { engine, upstream, .. } = self.calls;
        let _seeking = upstream.seeking.acquire().await;
        let mut failover = Failover::new(engine, upstream);
        while let Some(peer) = failover.next() {
            match engine.gateway.connector.get_http_session(&peer.http).await {
                Ok((session, reused)) => {
                    if !reused {
                        upstream.opened.inc();
                    }
                    return Ok((peer, session));
                }
                Err(error) => failover.failed(&error),
            }
        }
        Err(failover.last)
    }

    async fn exchange(
        &self,
        method: &Method,
        call: &Call,
        attempt: Attempt<'_>,
    ) -> Result<UpstreamReply, Unanswered> {
        let Calls { engine, upstream, .. } = self.calls;
        let connector = &engine.gateway.connector;
        let (peer, mut session) = self.connect().await?;
        let header = self.calls.header_h2((method, call), &peer, attempt.deadline)?;
        attempt.progress.mark_sent();
        let under_way = CallUnderWay::new(engine, upstream);
        let reply = send_and_collect(&mut session, header, call, (attempt, engine.holding)).await?;
        under_way.answered(reply.status);
        connector.release_http_session(session, &peer.http, peer.http.options.idle_timeout).await;
        Ok(reply)
    }
}

async fn send_and_collect(
    session: &mut HttpSession,
    header: Box<pingora::http::RequestHeader>,
    call: &Call,
    (attempt, holding): (Attempt<'_>, &Holding<'_>),
) -> Result<UpstreamReply, Unanswered> {
    let lost = |error: Box<pingora::Error>| Unanswered {
        failure: failure::of_exchange(&error),
        nothing_received: true,
    };
    session.write_request_header(header).await.map_err(lost)?;
    match call.body.as_ref().filter(|body| !body.is_empty()) {
        Some(body) => session.write_request_body(body.clone(), true).await.map_err(lost)?,
        None => session.finish_request_body().await.map_err(lost)?,
    }
    collect(session, attempt.budget, holding).await
}
