//! A channel over HTTP/2: each call is a stream of a connection that many channels share (RFC 9113 §5).

use std::sync::Arc;

use pingora::protocols::http::client::HttpSession;

use crate::clock::Stopwatch;
use crate::dispatch::{CallFailure, UpstreamReply};

use super::context::{Calls, Sending};
use super::reply::{Unanswered, collect};
use super::under_way::CallUnderWay;
use crate::memory::MemoryReservation;
use crate::upstream::error;
use crate::upstream::failover::Failover;
use crate::upstream::instance::Upstream;
use crate::upstream::lease::Lease;
use crate::upstream::peer::Peer;

/// One attempt of a call. The connection may have been closed while the call was on its way (GOAWAY). Nothing is held
/// between calls.
pub(super) async fn attempt(
    calls: Calls<'_>,
    sending: Sending<'_>,
    failover: &mut Failover<'_>,
) -> Result<UpstreamReply, Unanswered> {
    let connected = connect(calls.upstream, failover, sending).await;
    let (lease, Connected { mut session, opened }) = connected.map_err(Unanswered::not_sent)?;
    let peer = Arc::clone(lease.peer());
    let header = calls.header_h2(sending, &peer).map_err(Unanswered::not_sent)?;
    let progress = sending.attempt.progress;
    let sent_before = progress.sent();
    let under_way = CallUnderWay::new(calls.upstream, lease, sending, opened);
    match send_and_collect(&mut session, header, sending, calls.behalf.reservation).await {
        Ok(reply) => {
            under_way.answered(reply.status);
            calls.upstream.connections.keep(session, &peer).await;
            Ok(reply)
        }
        Err(unanswered) => {
            if !unanswered.sent {
                progress.take_back(sent_before);
            }
            Err(under_way.unanswered(unanswered))
        }
    }
}

/// A session, and when its connection was opened if it is a new one.
struct Connected {
    session: HttpSession,
    opened: Option<Stopwatch>,
}

async fn connect(
    upstream: &Upstream,
    failover: &mut Failover<'_>,
    sending: Sending<'_>,
) -> Result<(Lease, Connected), CallFailure> {
    let _seeking = upstream.seeking.acquire().await;
    let idle = |peer: Arc<Peer>| async move {
        let session = HttpSession::H2(upstream.connections.new_stream(&peer).await?);
        Some(Connected { session, opened: None })
    };
    let open = |peer: Arc<Peer>| async move {
        let (session, reused) = upstream.connections.session(&peer, |idle| upstream.may_open(idle)).await?;
        let opened = (!reused).then(Stopwatch::start).inspect(|_| upstream.connection_opened(&peer));
        Ok(Connected { session, opened })
    };
    failover.connect(sending.attempt.deadline, sending.attempt.progress.connects(), idle, open).await
}

async fn send_and_collect(
    session: &mut HttpSession,
    header: Box<pingora::http::RequestHeader>,
    sending: Sending<'_>,
    reservation: &MemoryReservation<'_>,
) -> Result<UpstreamReply, Unanswered> {
    let not_opened = |error: Box<pingora::Error>| Unanswered::not_sent(error::of_opening(&error));
    let body = sending.call.body.as_ref().filter(|body| !body.is_empty());
    if let (HttpSession::H2(stream), None) = (&mut *session, body) {
        // The stream ends with the head. A service could take an empty DATA frame for a body.
        stream.write_request_header(header, true).map_err(not_opened)?;
        return collect(session, sending.attempt, reservation).await;
    }
    session.write_request_header(header).await.map_err(not_opened)?;
    let sent = match body {
        Some(body) => session.write_request_body(body.clone(), true).await,
        None => session.finish_request_body().await,
    };
    match sent.map_err(|error| error::before_reply(&error)) {
        // No window in time: nothing says that the upstream is about to answer.
        Err(failure @ CallFailure::ReplyTimeout) => Err(failure.into()),
        // A server may answer before it has read all (RFC 9113 §8.1); otherwise its error says whether it processed
        // the call, which the failure to write does not.
        Ok(()) | Err(_) => collect(session, sending.attempt, reservation).await,
    }
}
