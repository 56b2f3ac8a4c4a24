//! From the request's head to the reply's: the body goes out as it comes, interim replies are handed on, and whoever is
//! waited for has its own limit. While the client is the slow one, that is the rate of its body; while the service is,
//! `timeout.item` between two bytes of it; in all, `timeout.request`.

use std::sync::Arc;
use std::time::Duration;

use pingora::http::ResponseHeader;

use crate::clock::Deadline;
use crate::dispatch::CallFailure;
use crate::header::hop::is_interim;

use super::lasting::{Patience, come, grpc_timeout};
use super::upload::FromClient;
use super::upstream::{ReplyReader, RequestWriter};
use super::{Attempted, Ended, Exchange, Lease, Replied, reply};

/// A request whose head was sent.
pub(super) struct Begun {
    pub(super) writer: RequestWriter,
    pub(super) reader: ReplyReader,
    pub(super) lease: Lease,
    /// Its connection has carried a request before.
    pub(super) reused: bool,
    /// Writing it has failed. The reply may say why; if there is none, reading it fails too.
    pub(super) is_writer_broken: bool,
}

/// What came next.
enum Event {
    Flushed(std::io::Result<()>),
    Head(pingora::Result<ResponseHeader>),
    Client(FromClient),
    /// The service has been silent for too long.
    Silence,
    /// Another target may be quicker (`retry.timeout`).
    RetryTimeout,
    /// `timeout.request` is over.
    OverTime,
    /// A call of gRPC has been open for so long that it is a stream.
    Lasts,
}

/// What is waited for, each until its time is over.
struct Waits {
    patience: Patience,
    retry: Option<Deadline>,
    becomes_stream: Option<Deadline>,
}

impl Exchange<'_> {
    /// Sends the request's body as it comes, and waits for the head of the reply.
    pub(super) async fn await_head(&mut self, mut begun: Begun) -> Attempted {
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
                        begun.lease.peer().standing.idle_served();
                    }
                    let Begun { writer, reader, lease, is_writer_broken, .. } = begun;
                    let replied = Replied { head, writer, reader, lease, is_writer_broken };
                    return Attempted::Replied(Box::new(replied));
                }
                Event::Head(Err(error)) => {
                    let (lease, reused) = self.abandon_begun(begun).await;
                    return self.lost(&error, lease, reused, !has_begun);
                }
                Event::Client(from_client) => {
                    if let Some(ended) = self.take_from_client(from_client, &mut begun.writer) {
                        return self.give_up(begun, ended).await;
                    }
                }
                // A head that drips is not silence.
                Event::Silence if std::mem::replace(&mut received, begun.reader.received()) < received => {
                    waits.patience.renew();
                }
                Event::Silence => return self.fail(begun, self.silence()).await,
                Event::RetryTimeout => {
                    waits.retry = None;
                    if let Some(pause) = self.attempts.after_timeout(&self.upload.replay) {
                        self.abandon_begun(begun).await;
                        return Attempted::Again(pause);
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

    fn waits(&self) -> Waits {
        let becomes_stream = (self.plan.is_grpc && self.lasting.is_none())
            .then(|| Deadline::after(self.upstream.settings.timeout.item));
        Waits {
            patience: Patience::new(self.patience_for_head()),
            retry: self.attempts.timeout().filter(|_| !self.plan.is_grpc).map(Deadline::after),
            becomes_stream,
        }
    }

    async fn next_before_head(&mut self, begun: &mut Begun, waits: &Waits) -> Event {
        let has_room = begun.writer.is_drained() && !begun.is_writer_broken;
        let waits_for_upstream = self.upload.is_done() || !has_room;
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

    /// The head of a stream of gRPC may come with its first message, hours later. A client that has a deadline says so.
    fn patience_for_head(&self) -> Option<Duration> {
        let timeout = &self.upstream.settings.timeout;
        if !self.plan.is_grpc {
            return Some(timeout.item);
        }
        let said = grpc_timeout(&self.session.req_header().headers);
        match (said, timeout.idle) {
            (Some(said), Some(idle)) => Some(said.min(idle)),
            (said, idle) => said.or(idle),
        }
    }

    const fn silence(&self) -> CallFailure {
        if self.plan.is_grpc { CallFailure::IdleTimeout } else { CallFailure::ReplyTimeout }
    }

    /// The attempt is over without a reply, and so is the request.
    pub(super) async fn fail(&mut self, begun: Begun, failure: CallFailure) -> Attempted {
        let (mut lease, _) = self.abandon_begun(begun).await;
        self.attempts.was_sent = true;
        if failure != CallFailure::RequestTimeout {
            self.upstream.targets.failed(&mut lease, failure);
        }
        self.failed(failure)
    }

    async fn give_up(&self, begun: Begun, ended: Ended) -> Attempted {
        self.abandon_begun(begun).await;
        Attempted::Ended(ended)
    }

    pub(super) async fn abandon_begun(&self, begun: Begun) -> (Lease, bool) {
        let Begun { mut writer, reader, lease, reused, .. } = begun;
        writer.abandon();
        let peer = Arc::clone(lease.peer());
        reader.abandon(&self.upstream.connections, &peer).await;
        (lease, reused)
    }
}

impl From<Replied> for Begun {
    fn from(replied: Replied) -> Self {
        let Replied { writer, reader, lease, is_writer_broken, .. } = replied;
        Self { writer, reader, lease, reused: false, is_writer_broken }
    }
}
