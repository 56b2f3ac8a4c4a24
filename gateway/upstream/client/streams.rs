//! A lane over HTTP/2: each call is a stream of a connection that many calls share (RFC 9113 §5).

use std::sync::Arc;

use pingora::protocols::http::client::HttpSession;

use crate::dispatch::{CallFailure, UpstreamReply};

use super::call::Calls;
use super::reply::{Unanswered, collect};
use super::retry::Sending;
use super::under_way::CallUnderWay;
use crate::memory::MemoryReservation;
use crate::upstream::error;
use crate::upstream::failover::Failover;
use crate::upstream::lease::Lease;
use crate::upstream::peer::Peer;

/// The lane.
pub(super) struct Streams<'engine> {
    calls: Calls<'engine>,
}

impl<'engine> Streams<'engine> {
    pub(super) const fn new(calls: Calls<'engine>) -> Self {
        Self { calls }
    }

    pub(super) const fn calls(&self) -> Calls<'engine> {
        self.calls
    }

    /// One attempt of a call. The connection may have been closed while the call was on its way (GOAWAY).
    pub(super) async fn attempt(
        &mut self,
        sending: Sending<'_>,
        failover: &mut Failover<'_>,
    ) -> Result<UpstreamReply, Unanswered> {
        let (lease, mut session, reused) =
            self.connect(failover, sending).await.map_err(Unanswered::not_sent)?;
        let peer = Arc::clone(lease.peer());
        let header = self.calls.header_h2(sending, &peer).map_err(Unanswered::not_sent)?;
        let progress = sending.attempt.progress;
        let sent_before = progress.sent();
        progress.mark_sent();
        let under_way = CallUnderWay::new(self.calls, lease, sending.patience);
        match send_and_collect(&mut session, header, sending, self.calls.engine.reservation).await {
            Ok(reply) => {
                under_way.answered(reply.status);
                self.calls.upstream.connections.keep(session, &peer).await;
                Ok(reply)
            }
            Err(unanswered) => {
                let unanswered = Unanswered { stale: reused && unanswered.nothing_received, ..unanswered };
                if !unanswered.sent {
                    progress.take_back(sent_before);
                }
                under_way.unanswered(&unanswered);
                Err(unanswered)
            }
        }
    }

    async fn connect(
        &self,
        failover: &mut Failover<'_>,
        sending: Sending<'_>,
    ) -> Result<(Lease, HttpSession, bool), CallFailure> {
        let upstream = self.calls.upstream;
        let _seeking = upstream.seeking.acquire().await;
        // The pool of HTTP/2 is asked when a session is opened.
        let idle = |_| std::future::ready(None);
        let open = |peer: Arc<Peer>| async move { upstream.connections.session(&peer).await };
        let (lease, (session, reused)) = failover.connect(sending.attempt.deadline, idle, open).await?;
        if !reused {
            upstream.opened.inc();
        }
        Ok((lease, session, reused))
    }
}

async fn send_and_collect(
    session: &mut HttpSession,
    header: Box<pingora::http::RequestHeader>,
    sending: Sending<'_>,
    reservation: &MemoryReservation<'_>,
) -> Result<UpstreamReply, Unanswered> {
    let not_opened = |error: Box<pingora::Error>| Unanswered::not_sent(error::of_opening(&error));
    session.write_request_header(header).await.map_err(not_opened)?;
    let sent = match sending.call.body.as_ref().filter(|body| !body.is_empty()) {
        Some(body) => session.write_request_body(body.clone(), true).await,
        None => session.finish_request_body().await,
    };
    match sent.map_err(|error| error::before_reply(&error)) {
        // No window in time: nothing says that the upstream is about to answer.
        Err(failure @ CallFailure::ReplyTimeout) => Err(failure.into()),
        // A server may answer before it has read all (RFC 9113 §8.1); otherwise its error says whether it processed
        // the call, which the failure to write does not.
        Ok(()) | Err(_) => collect(session, sending.attempt.budget, reservation).await,
    }
}
