//! A channel over HTTP/1.1: one connection of the pool, held for a run of calls and given back at the end. That saves the
//! pool's work between a batch's calls: two system calls for each instead of three.

use std::sync::Arc;

use bytes::BytesMut;
use pingora::protocols::Stream;

use crate::clock::Stopwatch;
use crate::dispatch::{CallFailure, UpstreamReply};
use crate::plan::Call;

use super::context::{Calls, Sending};
use super::exchange::{Exchanged, Request, exchange};
use super::pipe::Seat;
use super::reply::Unanswered;
use super::under_way::CallUnderWay;
use crate::upstream::connections::is_quiet;
use crate::upstream::failover::Failover;
use crate::upstream::lease::Lease;
use crate::upstream::peer::Peer;

/// The channel. The connection is not there before the first call, nor while one is under way, and never over HTTP/2.
pub(super) struct HeldConnection<'batch> {
    pub(super) calls: Calls<'batch>,
    connection: Option<Connection>,
    /// Room for the head of a request.
    pub(super) head: Vec<u8>,
    /// Room for what is read.
    input: BytesMut,
    /// Where requests are sent ahead of the replies, if the upstream wants that.
    pub(super) seat: Option<Seat>,
}

/// An open connection to a target.
pub(super) struct Connection {
    pub(super) peer: Arc<Peer>,
    pub(super) stream: Stream,
    /// When it was opened. `None`: it has carried a call before, so the upstream may have closed it since.
    pub(super) opened: Option<Stopwatch>,
}

impl<'batch> HeldConnection<'batch> {
    /// A channel without a connection.
    pub(super) fn new(calls: Calls<'batch>, seat: Option<Seat>) -> Self {
        Self { calls, connection: None, head: Vec::new(), input: BytesMut::new(), seat }
    }

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
        let Connection { peer, mut stream, opened } = connection;
        let Self { calls, head, input, .. } = self;
        head.clear();
        // If the call is dropped in the middle, what was read goes with it.
        let input = std::mem::take(input);
        calls.write_head(sending, &peer, head).map_err(Unanswered::not_sent)?;
        let request = Request { method: sending.method, head, body: body_of(sending.call) };
        let under_way = CallUnderWay::new(calls.upstream, lease, sending, opened);
        let reservation = calls.behalf.reservation;
        match exchange(&mut stream, input, request, sending.attempt, reservation).await {
            Ok((exchanged, left)) => {
                let is_reusable = exchanged.is_reusable(&left);
                let Exchanged { reply, .. } = exchanged;
                under_way.answered(reply.status);
                if opened.is_none() {
                    peer.state.idle_served();
                }
                self.input = left.input;
                self.connection = is_reusable.then_some(Connection { peer, stream, opened: None });
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

    pub(super) async fn connect(
        &self,
        failover: &mut Failover<'_>,
        sending: Sending<'_>,
    ) -> Result<(Lease, Connection), CallFailure> {
        let upstream = self.calls.upstream;
        let connections = &upstream.connections;
        let idle = |peer: Arc<Peer>| async move {
            let stream =
                connections.idle_http1(&peer, sending.method, |idle| upstream.may_open(idle)).await?;
            Some(Connection { peer, stream, opened: None })
        };
        let open = |peer: Arc<Peer>| async move {
            let stream = connections.new_http1(&peer).await?;
            upstream.connection_opened(&peer);
            Ok(Connection { peer, stream, opened: Some(Stopwatch::start()) })
        };
        failover.connect(sending.attempt.deadline, sending.attempt.progress.connects(), idle, open).await
    }

    fn give_back(&self, Connection { peer, stream, .. }: Connection) {
        self.calls.upstream.connections.keep_http1(stream, &peer);
    }

    /// Gives the connection back to the pool.
    pub(super) fn rest(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.give_back(connection);
        }
        if let Some((peer, stream)) = self.seat.as_ref().and_then(|seat| seat.pipe().take_idle()) {
            self.give_back(Connection { peer, stream, opened: None });
        }
    }
}

pub(super) fn body_of(call: &Call) -> &[u8] {
    call.body.as_deref().unwrap_or_default()
}
