//! From the request's head to the reply's: the body goes out as it comes, and interim replies are passed on.
//!
//! Each side has its own limit while the gateway waits for it: the client the rate of its body, the service `timeout.item`
//! between two of its bytes. The limit for both together is `timeout.request`.

use std::time::Duration;

use futures_util::FutureExt as _;
use pingora::http::ResponseHeader;

use crate::clock::Deadline;
use crate::dispatch::CallFailure;
use crate::header::hop::is_interim;
use crate::upstream::error;

use super::exchange::{Attempted, Begun, Exchange, Replied};
use super::lasting::{Patience, come, grpc_timeout};
use super::outcome::Ended;
use super::reply;
use super::upload::FromClient;
use super::upstream::RequestWriter;

/// What came next.
enum Event {
    Flushed(std::io::Result<()>),
    Head(pingora::Result<ResponseHeader>),
    Client(FromClient),
    /// The service has been silent for too long.
    Silence,
    /// Another target may be quicker (`retry.timeout`).
    RetryTimeout,
    /// `timeout.request` has expired.
    OverTime,
    /// A gRPC call has been open for so long that it is a stream.
    Lasts,
}

/// The time limits.
struct Waits {
    patience: Patience,
    retry: Option<Deadline>,
    becomes_stream: Option<Deadline>,
}

impl Exchange<'_> {
    /// Sends the request's body as it comes, and waits for the head of the reply.
    pub(super) async fn await_head(&mut self, mut begun: Begun) -> Attempted {
        if let Some(ended) = self.take_what_is_at_hand(&mut begun.writer) {
            return self.give_up(begun, ended).await;
        }
        let (mut has_begun, mut received) = (false, 0);
        let mut waits = self.waits();
        loop {
            let event = self.next_before_head(&mut begun, &waits).await;
            if !matches!(event, Event::Silence | Event::RetryTimeout | Event::Lasts) {
                waits.patience.renew();
            }
            match event {
                Event::Flushed(flushed) => begun.is_writer_broken = flushed.is_err(),
                Event::Head(Ok(head)) if is_interim(head.status) => {
                    has_begun = true;
                    if let Some(head) = reply::interim(head)
                        && self.session.write_interim(head).await.is_err()
                    {
                        return self.give_up(begun, Ended::ClientGone).await;
                    }
                }
                Event::Head(Ok(head)) => {
                    if begun.reused {
                        begun.lease.peer().state.idle_served();
                    }
                    return Attempted::Replied(Box::new(Replied { head, begun }));
                }
                Event::Head(Err(error)) => {
                    let was_idle = begun.reused && !has_begun;
                    let lease = self.abandon(begun).await;
                    let failure =
                        if has_begun { error::of_exchange(&error) } else { error::before_reply(&error) };
                    return self.lost(lease, failure, was_idle);
                }
                Event::Client(from_client) => {
                    if let Some(ended) = self.take_from_client(from_client, &mut begun.writer) {
                        return self.give_up(begun, ended).await;
                    }
                }
                // A head that comes slowly is not silence.
                Event::Silence if std::mem::replace(&mut received, begun.reader.received()) < received => {
                    waits.patience.renew();
                }
                Event::Silence => return self.fail(begun, self.silence()).await,
                Event::RetryTimeout => {
                    waits.retry = None;
                    if let Some(again) = self.after_timeout() {
                        self.abandon(begun).await;
                        return again;
                    }
                }
                Event::OverTime => return self.fail(begun, CallFailure::RequestTimeout).await,
                Event::Lasts => {
                    waits.becomes_stream = None;
                    self.begin_stream();
                }
            }
        }
    }

    /// Takes the part of the body that has come with its head, so that both go on in one write.
    fn take_what_is_at_hand(&mut self, writer: &mut RequestWriter) -> Option<Ended> {
        if self.upload.is_done {
            return None;
        }
        let Self { session, upload, .. } = self;
        let at_hand = tokio::task::unconstrained(upload.next(session, true)).now_or_never()?;
        self.take_from_client(at_hand, writer)
    }

    fn waits(&self) -> Waits {
        let becomes_stream = (self.job.plan.is_grpc && self.lasting.is_none())
            .then(|| Deadline::after(self.job.plan.timeout.item));
        Waits {
            patience: Patience::new(self.patience_for_head()),
            retry: self.retries.attempt_limit().filter(|_| !self.job.plan.is_grpc).map(Deadline::after),
            becomes_stream,
        }
    }

    async fn next_before_head(&mut self, begun: &mut Begun, waits: &Waits) -> Event {
        let has_room = begun.writer.is_drained() && !begun.is_writer_broken;
        let waits_for_upstream = self.upload.is_done || !has_room;
        let limit = self.limit_in_all();
        let Begun { writer, reader, is_writer_broken, .. } = begun;
        let Self { session, upload, .. } = self;
        tokio::select! {
            flushed = writer.flush(), if !writer.is_drained() && !*is_writer_broken => Event::Flushed(flushed),
            head = reader.head() => Event::Head(head),
            from_client = upload.next(session, has_room) => Event::Client(from_client),
            () = waits.patience.over(), if waits_for_upstream => Event::Silence,
            () = come(waits.retry), if waits_for_upstream => Event::RetryTimeout,
            () = come(limit) => Event::OverTime,
            () = come(waits.becomes_stream) => Event::Lasts,
        }
    }

    /// The head of a gRPC stream may come with its first message, hours later. A client that has a deadline says so.
    fn patience_for_head(&self) -> Option<Duration> {
        let timeout = &self.job.plan.timeout;
        if !self.job.plan.is_grpc {
            return Some(timeout.item);
        }
        let said = grpc_timeout(&self.session.req_header().headers);
        match (said, timeout.idle) {
            (Some(said), Some(idle)) => Some(said.min(idle)),
            (said, idle) => said.or(idle),
        }
    }

    const fn silence(&self) -> CallFailure {
        if self.job.plan.is_grpc { CallFailure::IdleTimeout } else { CallFailure::ReplyTimeout }
    }

    /// The attempt ended without a reply, and so did the request.
    pub(super) async fn fail(&mut self, begun: Begun, failure: CallFailure) -> Attempted {
        let mut lease = self.abandon(begun).await;
        self.was_sent();
        if failure != CallFailure::RequestTimeout {
            self.job.upstream.targets.failed(&mut lease, failure);
        }
        Attempted::Ended(self.failed(failure))
    }

    async fn give_up(&self, begun: Begun, ended: Ended) -> Attempted {
        self.abandon(begun).await;
        Attempted::Ended(ended)
    }
}
