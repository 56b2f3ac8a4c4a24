//! A channel over HTTP/1.1: one connection of the pool, held for a run of calls and given back at the end. That saves the
//! pool's work between a batch's calls: two system calls for each instead of three.

use std::sync::Arc;

use bytes::Bytes;
use pingora::protocols::Stream;
use pingora::protocols::http::client::HttpSession;

use crate::clock::Stopwatch;
use crate::dispatch::{CallFailure, UpstreamReply};
use crate::plan::Call;

use super::checked::CheckedStream;
use super::context::{Calls, Sending};
use super::reply::{Unanswered, collect};
use super::under_way::CallUnderWay;
use crate::memory::MemoryReservation;
use crate::upstream::connections::{http1_session, is_quiet};
use crate::upstream::error;
use crate::upstream::failover::Failover;
use crate::upstream::lease::Lease;
use crate::upstream::peer::Peer;

/// The channel. The connection is not there before the first call, nor while one is under way, and never over HTTP/2.
pub(super) struct HeldConnection<'batch> {
    pub(super) calls: Calls<'batch>,
    pub(super) connection: Option<Connection>,
}

/// An open connection to a target.
pub(super) struct Connection {
    peer: Arc<Peer>,
    stream: Stream,
    /// When it was opened. `None`: it has carried a call before, so the upstream may have closed it since.
    opened: Option<Stopwatch>,
}

impl HeldConnection<'_> {
    /// One attempt of a call.
    pub(super) async fn attempt(
        &mut self,
        sending: Sending<'_>,
        failover: &mut Failover<'_>,
    ) -> Result<UpstreamReply, Unanswered> {
        let (lease, connection) = match self.held(failover) {
            Some(held) => held,
            None => self.connect(failover, sending).await.map_err(Unanswered::not_sent)?,
        };
        let (opened, peer) = (connection.opened, Arc::clone(&connection.peer));
        let used = opened.is_none();
        let header = self.calls.header(sending, &peer).map_err(Unanswered::not_sent)?;
        let under_way = CallUnderWay::new(self.calls.upstream, lease, sending, opened);
        CheckedStream::expect_reply(&connection.stream, &header.method);
        if body_of(sending.call).is_some() {
            CheckedStream::expect_body(&connection.stream);
        }
        let mut session = http1_session(connection.stream, &peer);
        match send_and_collect(&mut session, header, sending, self.calls.behalf.reservation).await {
            Ok(reply) => {
                under_way.answered(reply.status);
                if used {
                    peer.state.idle_served();
                }
                if let HttpSession::H1(mut http1) = session {
                    http1.respect_keepalive();
                    let kept = http1.reuse().await.filter(CheckedStream::is_usable);
                    self.connection = kept.map(|stream| Connection { peer, stream, opened: None });
                }
                Ok(reply)
            }
            Err(unanswered) => Err(under_way.unanswered(unanswered)),
        }
    }

    /// The connection from the call before, if this one may go there. Not if the upstream closed it or sent something while
    /// this call waited for its permit: that (a 408 for idleness, say) would be taken for the reply.
    fn held(&mut self, failover: &mut Failover<'_>) -> Option<(Lease, Connection)> {
        let mut held = self.connection.take()?;
        if !is_quiet(&mut held.stream, &held.peer) {
            return None;
        }
        if let Some(lease) = failover.to(&held.peer) {
            return Some((lease, held));
        }
        self.give_back(held);
        None
    }

    async fn connect(
        &self,
        failover: &mut Failover<'_>,
        sending: Sending<'_>,
    ) -> Result<(Lease, Connection), CallFailure> {
        let upstream = self.calls.upstream;
        let connections = &upstream.connections;
        let idle = |peer: Arc<Peer>| async move {
            let stream = connections.idle_http1(&peer, sending.method).await?;
            Some(Connection { peer, stream: CheckedStream::around(stream), opened: None })
        };
        let open = |peer: Arc<Peer>| async move {
            let stream = CheckedStream::around(connections.new_http1(&peer).await?);
            upstream.opened.inc();
            Ok(Connection { peer, stream, opened: Some(Stopwatch::start()) })
        };
        failover.connect(sending.attempt.deadline, idle, open).await
    }

    fn give_back(&self, Connection { peer, stream, .. }: Connection) {
        self.calls.upstream.connections.keep_http1(stream, &peer);
    }

    /// Gives the connection back to the pool.
    pub(super) fn rest(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.give_back(connection);
        }
    }
}

async fn send_and_collect(
    session: &mut HttpSession,
    header: Box<pingora::http::RequestHeader>,
    sending: Sending<'_>,
    reservation: &MemoryReservation<'_>,
) -> Result<UpstreamReply, Unanswered> {
    let sent = send(session, header, sending.call).await;
    // A server may answer and close before it has read all: its answer counts (RFC 9112 §9.6).
    let answer = collect(session, sending.attempt, reservation).await;
    match (sent, answer) {
        (_, Ok(reply)) => Ok(reply),
        (Err(error), Err(Unanswered { nothing_received: true, .. })) => {
            Err(Unanswered { nothing_received: true, ..error::of_exchange(&error).into() })
        }
        (_, Err(unanswered)) => Err(unanswered),
    }
}

async fn send(
    session: &mut HttpSession,
    header: Box<pingora::http::RequestHeader>,
    call: &Call,
) -> pingora::Result<()> {
    session.write_request_header(header).await?;
    if let Some(body) = body_of(call) {
        session.write_request_body(body.clone(), true).await?;
    }
    session.finish_request_body().await
}

fn body_of(call: &Call) -> Option<&Bytes> {
    call.body.as_ref().filter(|body| !body.is_empty())
}
