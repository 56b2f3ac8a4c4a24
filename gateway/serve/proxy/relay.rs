//! Hands the reply on to the client, once its head is settled. The rest of the request's body still goes the other way.
//!
//! A reply that breaks off is never ended, so that its reader does not take it for complete.

use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::HeaderMap;
use pingora::http::ResponseHeader;

use crate::clock::Deadline;
use crate::dispatch::{CallFailure, Sent};
use crate::problem;
use crate::serve::grpc;
use crate::session::{ResetReason, Rest};
use crate::telemetry::{GrpcStatus, LongLivedEnd, LongLivedKind};
use crate::upstream::error;

use super::exchange::{Begun, Exchange, Replied};
use super::lasting::{Patience, come, is_event_stream};
use super::outcome::{Ended, Failure};
use super::reply::{self, Body, MappedBody};
use super::tunnel::Tunnel;
use super::upload::FromClient;
use super::upstream::{ReplyReader, RequestWriter};

/// A gRPC call that is still open this long after the head of its reply is a stream. One with a single message has ended by
/// then.
const ANSWERED_CALL: Duration = Duration::from_secs(1);

/// What came next.
enum Event {
    Flushed(std::io::Result<()>),
    Body(pingora::Result<Option<Bytes>>),
    /// Nothing more of the body is there yet, and an encoder holds back some of what came.
    Quiet,
    Client(FromClient),
    /// No byte in either direction for too long.
    Idle,
    /// `timeout.request` has expired.
    OverTime,
    /// It has been open for so long that it is a stream.
    Lasts,
    /// The gateway drains, and the client comes back by itself.
    Drains,
}

/// Why the client has no complete reply.
enum Broken {
    Client,
    /// The client took nothing of its reply for too long.
    Stalled,
    Upstream(Box<pingora::Error>),
    Call(CallFailure),
    Request(Failure),
}

impl Exchange<'_> {
    /// Hands on a reply.
    pub(super) async fn relay(&mut self, replied: Replied) -> Ended {
        let Replied { mut head, mut begun } = replied;
        if head.status == http::StatusCode::SWITCHING_PROTOCOLS {
            return self.switch(head, begun).await;
        }
        // An upgrade that the upstream did not agree to is an ordinary request.
        if let Some(lasting) = self.lasting.take() {
            lasting.open.end(LongLivedEnd::Upstream);
        }
        if self.job.plan.handshake.is_some() && head.status.is_success() {
            // Its client would take the page for the beginning of a WebSocket (RFC 8441 §5).
            self.abandon(begun).await;
            return Ended::Failed(Failure::Call(CallFailure::ReplyMalformed, Sent::Maybe));
        }
        // A stream of events lasts from its head on.
        if is_event_stream(&head.headers)
            && let Err(failure) = self.begin_lasting(LongLivedKind::Sse)
        {
            self.abandon(begun).await;
            return Ended::Failed(Failure::Call(failure, Sent::Maybe));
        }
        let prepared = begun.reader.is_done().and_then(|is_done| {
            let rest = if is_done { Rest::Nothing } else { Rest::Follows };
            let body = reply::final_head(self.session, &mut head, self.job, rest)?;
            Ok((body, rest))
        });
        let (body, rest) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                self.abandon(begun).await;
                self.was_sent();
                return self.failed(error::of_exchange(&error));
            }
        };
        if !self.upload.is_done {
            // The client may never send the rest.
            self.session.close_after_reply();
        }
        let (status, fields) = (head.status, self.job.plan.is_grpc.then(|| head.headers.clone()));
        let mut relay = Relay { begun, mapped: None, trailers: None };
        let sent = self.send(&mut relay, head, body, rest).await;
        if let (Some(fields), Ok(())) = (fields, &sent) {
            self.grpc_status = Some(GrpcStatus::of_reply(status, &fields, relay.trailers.as_ref()));
        }
        self.close(sent, relay.begun).await
    }

    /// Sends the head, then the body. `rest`: whether the upstream sends anything after its head.
    async fn send(
        &mut self,
        relay: &mut Relay,
        head: ResponseHeader,
        body: Body,
        rest: Rest,
    ) -> Result<(), Broken> {
        let (mut kept_back, mut first) = (Some(Box::new(head)), None);
        if body == Body::Mapped {
            relay.mapped = Some(MappedBody::default());
        } else if let Some(head) = kept_back.take() {
            let to_client = if body == Body::None { Rest::Nothing } else { Rest::Follows };
            if to_client == Rest::Follows && rest == Rest::Follows {
                first = at_hand(&mut relay.begun.reader);
            }
            if matches!(&first, Some(Event::Body(Ok(Some(piece)))) if !piece.is_empty()) {
                self.session.hold_head();
            }
            self.session.write_response_header(head, to_client).await.map_err(broken)?;
        }
        if rest == Rest::Follows {
            self.pump(relay, &body, first).await?;
        }
        if let (Some(mapped), Some(head)) = (relay.mapped.take(), kept_back) {
            self.session.write_response_header(head, Rest::Follows).await.map_err(broken)?;
            let written = self.session.write_response_body(mapped.map(self.job), Rest::Nothing).await;
            return written.map_err(broken);
        }
        if body == Body::None { Ok(()) } else { self.end_reply(relay).await }
    }

    async fn end_reply(&mut self, relay: &mut Relay) -> Result<(), Broken> {
        let trailers = relay.trailers.clone().filter(|trailers| !trailers.is_empty());
        let written = match trailers.filter(|_| self.session.takes_trailers()) {
            Some(trailers) => self.session.write_trailers(trailers).await,
            None => self.session.end_reply().await,
        };
        match written {
            Err(_) if self.session.is_answered_in_full() => Ok(()),
            written => written.map_err(broken),
        }
    }

    /// Carries both bodies on until the reply's has come to its end. `first`: what has come of it with its head.
    async fn pump(&mut self, relay: &mut Relay, body: &Body, mut first: Option<Event>) -> Result<(), Broken> {
        let mut patience = Patience::new(self.patience_for_body(body));
        let mut becomes_stream = self.becomes_stream(body);
        loop {
            let event = match first.take() {
                Some(event) => event,
                None => self.next_event(relay, patience, becomes_stream).await,
            };
            match event {
                Event::Flushed(flushed) => {
                    patience.renew();
                    relay.begun.is_writer_broken = flushed.is_err();
                }
                Event::Body(Ok(Some(piece))) => {
                    patience.renew();
                    self.take_piece(relay, piece, &mut becomes_stream).await?;
                    patience.renew();
                }
                Event::Quiet => self.write(None, &mut becomes_stream).await?,
                Event::Body(Ok(None)) => {
                    relay.trailers = relay.begun.reader.trailers().await.map_err(Broken::Upstream)?;
                    return Ok(());
                }
                Event::Body(Err(error)) => return Err(Broken::Upstream(error)),
                // It left after the last byte.
                Event::Client(FromClient::Gone | FromClient::Broken(_))
                    if self.session.is_answered_in_full() =>
                {
                    return Ok(());
                }
                Event::Client(from_client) => {
                    patience.renew();
                    self.take_from_client_too(from_client, &mut relay.begun.writer)?;
                }
                Event::Idle if self.streams(body) => return Err(Broken::Call(CallFailure::IdleTimeout)),
                Event::Idle => return Err(Broken::Call(CallFailure::ReplyTimeout)),
                Event::OverTime => return Err(Broken::Call(CallFailure::RequestTimeout)),
                Event::Lasts => {
                    becomes_stream = None;
                    if self.begin_stream() {
                        patience = Patience::new(self.job.plan.timeout.idle);
                    }
                }
                Event::Drains => {
                    self.end_lasting(LongLivedEnd::Drain);
                    return Ok(());
                }
            }
        }
    }

    async fn next_event(
        &mut self,
        relay: &mut Relay,
        patience: Patience,
        becomes_stream: Option<Deadline>,
    ) -> Event {
        let Begun { writer, reader, is_writer_broken, .. } = &mut relay.begun;
        let has_room = writer.is_drained() && !*is_writer_broken;
        let limit = self.limit_in_all();
        // While an ordinary request waits for its client's body, the service is not the slow one.
        let waits_for_upstream = self.lasting.is_some() || self.upload.is_done || !has_room;
        let is_events = self.lasting.as_ref().is_some_and(|lasting| lasting.kind == LongLivedKind::Sse);
        let Self { session, upload, job, .. } = self;
        let holds_back = session.holds_back();
        tokio::select! {
            flushed = writer.flush(), if !writer.is_drained() && !*is_writer_broken => Event::Flushed(flushed),
            body = reader.body() => Event::Body(body),
            // Not ready at once, so what is there of the body comes first.
            () = tokio::task::yield_now(), if holds_back => Event::Quiet,
            from_client = upload.next(session, has_room) => Event::Client(from_client),
            () = patience.over(), if waits_for_upstream => Event::Idle,
            () = come(becomes_stream) => Event::Lasts,
            () = come(limit) => Event::OverTime,
            () = job.gateway.ends(), if is_events => Event::Drains,
        }
    }

    async fn take_piece(
        &mut self,
        relay: &mut Relay,
        piece: Bytes,
        becomes_stream: &mut Option<Deadline>,
    ) -> Result<(), Broken> {
        if let Some(mapped) = &mut relay.mapped {
            return mapped.push(&piece).map_err(|_| Broken::Call(CallFailure::MappedBodyTooLarge));
        }
        if let Some(lasting) = &self.lasting {
            lasting.open.count_to_client(piece.len());
        }
        if piece.is_empty() {
            return Ok(());
        }
        self.write(Some(piece), becomes_stream).await
    }

    /// Writes a piece, or what an encoder has held back. While a client is slow to take it, the permit may be given back and `timeout.request` still counts.
    async fn write(
        &mut self,
        piece: Option<Bytes>,
        becomes_stream: &mut Option<Deadline>,
    ) -> Result<(), Broken> {
        let limit = self.limit_in_all();
        let Self { session, permit, .. } = self;
        let mut write = std::pin::pin!(async {
            match piece {
                Some(piece) => session.write_response_part(piece).await,
                None => session.flush_reply().await,
            }
        });
        loop {
            tokio::select! {
                biased;
                written = &mut write => return written.map_err(broken),
                () = come(limit) => return Err(Broken::Call(CallFailure::RequestTimeout)),
                // It is counted as a stream once it goes on.
                () = come(*becomes_stream), if permit.is_some() => drop(permit.take()),
            }
        }
    }

    fn take_from_client_too(
        &mut self,
        from_client: FromClient,
        writer: &mut RequestWriter,
    ) -> Result<(), Broken> {
        match self.take_from_client(from_client, writer) {
            None => Ok(()),
            Some(Ended::Failed(failure)) => Err(Broken::Request(failure)),
            Some(_) => Err(Broken::Client),
        }
    }

    /// The limit between two pieces of the body.
    fn patience_for_body(&self, body: &Body) -> Option<Duration> {
        let timeout = &self.job.plan.timeout;
        if self.streams(body) { timeout.idle } else { Some(timeout.item) }
    }

    fn streams(&self, body: &Body) -> bool {
        self.lasting.is_some() || self.job.plan.is_grpc || *body == Body::Unsized
    }

    /// When a reply without an end in sight is a stream.
    fn becomes_stream(&self, body: &Body) -> Option<Deadline> {
        let after = match body {
            _ if self.lasting.is_some() => return None,
            _ if self.job.plan.is_grpc => ANSWERED_CALL,
            Body::Unsized => self.job.plan.timeout.item,
            Body::None | Body::Sized | Body::Mapped => return None,
        };
        Some(Deadline::after(after))
    }

    fn end_lasting(&mut self, how: LongLivedEnd) {
        if let Some(lasting) = self.lasting.take() {
            lasting.open.end(how);
            self.lasted = Some(how);
        }
    }

    /// Ends the exchange. Its connection is kept if it can be used again.
    async fn close(&mut self, sent: Result<(), Broken>, mut begun: Begun) -> Ended {
        if let Err(broken) = sent {
            self.abandon(begun).await;
            return self.broke_off(broken).await;
        }
        self.end_lasting(LongLivedEnd::Upstream);
        let is_read = begun.reader.is_done().unwrap_or(false);
        if is_read && begun.writer.finished && self.upload.is_done {
            drop(begun.writer);
            begun.reader.release(&self.job.upstream.connections, begun.lease.peer()).await;
        } else {
            self.abandon(begun).await;
        }
        self.permit = None;
        self.session.linger().await;
        Ended::Replied
    }

    async fn broke_off(&mut self, broken: Broken) -> Ended {
        let (failure, reason) = match broken {
            Broken::Client | Broken::Stalled | Broken::Request(_) => {
                self.end_lasting(LongLivedEnd::Client);
                if matches!(broken, Broken::Stalled) {
                    return Ended::ClientStalled;
                }
                if let Broken::Request(failure) = broken
                    && self.session.answered().is_none()
                {
                    return Ended::Failed(failure);
                }
                return Ended::ClientGone;
            }
            Broken::Upstream(error) => {
                self.end_lasting(LongLivedEnd::Error);
                (error::of_exchange(&error), error::reset_reason(&error))
            }
            Broken::Call(failure) => {
                let is_idle = failure == CallFailure::IdleTimeout;
                self.end_lasting(if is_idle { LongLivedEnd::Idle } else { LongLivedEnd::Error });
                (failure, ResetReason::INTERNAL_ERROR)
            }
        };
        if self.session.answered().is_none() {
            return Ended::Failed(Failure::Call(failure, Sent::Maybe));
        }
        if self.job.plan.is_grpc && self.session.is_http2() {
            // Most clients read a reset as CANCELLED, which they don't retry.
            let error_reply = problem::of_failure(failure, Sent::Maybe, &self.session.req_header().method);
            self.grpc_status = Some(grpc::status_of(error_reply.problem.status));
            let trailers = grpc::trailers(error_reply.problem.status, &error_reply.problem.detail);
            let _ = self.session.write_trailers(trailers).await;
        }
        Ended::BrokeOff(failure, reason)
    }

    /// Both sides switch to another protocol.
    async fn switch(&mut self, mut head: ResponseHeader, begun: Begun) -> Ended {
        let Some(lasting) = self.lasting.take() else {
            return Ended::Failed(Failure::not_sent(CallFailure::Internal));
        };
        drop(begun.writer);
        let Some((stream, early)) = begun.reader.into_upgraded() else {
            return Ended::Failed(Failure::Call(CallFailure::Internal, Sent::Maybe));
        };
        reply::switching(&mut head, self.job.plan.upgrade.as_ref());
        if let Some(connection) = self.session.connection() {
            connection.become_opaque();
        }
        if self.session.write_switch(Box::new(head)).await.is_err() {
            lasting.open.end(LongLivedEnd::Client);
            return Ended::ClientGone;
        }
        self.permit = None;
        let idle = self.job.plan.timeout.idle;
        Ended::Upgraded(Box::new(Tunnel::new(stream, vec![early], lasting, idle)))
    }
}

/// What has come of the body with its head, so that both leave in one write.
fn at_hand(reader: &mut ReplyReader) -> Option<Event> {
    tokio::task::unconstrained(reader.body()).now_or_never().map(Event::Body)
}

/// Writing to the client has failed.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn broken(error: Box<pingora::Error>) -> Broken {
    if error::is_client_stalled(&error) { Broken::Stalled } else { Broken::Client }
}

/// A reply on its way.
struct Relay {
    begun: Begun,
    mapped: Option<MappedBody>,
    trailers: Option<HeaderMap>,
}
