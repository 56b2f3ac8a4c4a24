//! A batch that is a stream: an item starts when its line arrives, and its result leaves when it ends (protocol §2.4). One
//! task reads the body, makes the calls and writes the reply.
//!
//! Bounds: no line is taken while `concurrency` items are in flight; an item stays in flight until its result is handed to
//! the client's connection. Nothing is read while lines of an earlier piece are left. So a client that stops reading
//! stops the sending, and a slow upstream stops the reading.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::batch::BatchRefusal;
use crate::clock::{Deadline, Stopwatch};
use crate::config::BatchEndpoint;
use crate::dispatch::{StreamDispatch, StreamWork};
use crate::format::ndjson::{Line, Lines, check_start, read_line};
use crate::phase::Phase;
use crate::plan::EarlierLines;
use crate::problem::{self, ErrorReply};
use crate::telemetry::BatchEnd;

use super::batch_request::BatchRequest;
use super::context::Context;
use super::entry_point::EntryPoint;
use super::error_format::ErrorFormat;
use super::handled::Handled;
use super::respond::note_gave_way;
use super::runner::Runner;
use super::stream_reply::StreamReply;
use crate::admission::{Batching, Meter, check_routes};
use crate::memory::{MemoryExhausted, MemoryReservation};
use crate::session::Session;
use crate::state::gateway::Gateway;
use crate::upstream::client::BatchEngine;
use crate::upstream::error;

/// At most this many results leave together.
const MOST_AT_ONCE: usize = 64;

/// Serves a stream.
///
/// # Errors
/// The stream is refused before any item was taken. Nothing has been written.
pub(super) async fn serve<'gateway>(
    gateway: &'gateway Gateway,
    session: &mut Session,
    context: &mut Context,
    endpoint: &BatchEndpoint,
) -> Result<Handled<'gateway>, Box<ErrorReply>> {
    let stopwatch = Stopwatch::start();
    let snapshot = Arc::clone(&context.snapshot);
    let incoming = context.incoming(session, &snapshot, EntryPoint::batch(endpoint));
    let request = BatchRequest::stream(&incoming);
    context.error_format = ErrorFormat::Batch {
        dialect: request.dialect,
        reply: endpoint.reply_format,
        input: Some(request.input),
    };
    context.batch_at(endpoint).format = request.input.as_str();
    let memory = MemoryReservation::new(&gateway.memory, request.caller.client());
    let begun = begin(session, &memory).await;
    let runner = begun.and_then(|()| Runner::new(&request, &snapshot));
    let runner = runner.map_err(|refusal| Box::new(problem::of_refusal(&refusal)))?;
    let engine = &runner.engine(&memory);
    let limits = runner.limits(request.execution_policy(runner.entry));
    let work = StreamWork::new(limits, endpoint.limits.stream_window, &runner);
    let meter = Meter::new(&snapshot.limiters, &request.caller, &session.req_header().headers);
    let dispatch = StreamDispatch::new(&work, &engine);
    let mut stream = Stream::new(runner, meter, dispatch, &memory);
    let mut reply = StreamReply::new(runner, context);
    let left = stream.carry(session, &mut reply).await;
    // Items of a client that left are counted like all others.
    stream.dispatch.abandon();
    stream.take_results(&mut reply, usize::MAX);
    let Stream { meter, bytes_in, refusal, .. } = stream;
    reply.record().bytes_in = bytes_in;
    let refusal = refusal.map(|refusal| problem::of_refusal(&refusal));
    if let (Ok(()), 0, Some(error)) = (&left, reply.summary().items, &refusal) {
        reply.context.limit_fields = meter.fields();
        return Err(error.clone().into());
    }
    let sent = match left {
        Ok(()) => reply.end(session, &meter, refusal.as_ref()).await,
        Err(gone) => Err(gone),
    };
    let record = reply.record();
    record.phases.set(Phase::Dispatch, stopwatch.elapsed());
    match refusal {
        _ if sent.is_err() => {}
        Some(error) => record.refuse(&error),
        None => record.end = BatchEnd::of_items(record.summary.items, record.summary.failed),
    }
    Ok(Handled::Streamed(sent))
}

/// Lets the client send.
async fn begin(session: &mut Session, memory: &MemoryReservation<'_>) -> Result<(), BatchRefusal> {
    // Silence has a limit of its own here.
    session.set_read_timeout(None);
    memory.admit(1).await.map_err(|MemoryExhausted| BatchRefusal::MemoryFull)?;
    session.let_client_send().await.map_err(|_| BatchRefusal::BodyUnreadable)
}

/// A stream between its body and its reply.
struct Stream<'stream> {
    runner: Runner<'stream>,
    reservation: &'stream MemoryReservation<'stream>,
    /// Bytes of lines that `reservation` holds.
    counted: usize,
    meter: Meter,
    dispatch: StreamDispatch<'stream, &'stream BatchEngine<'stream>>,
    lines: Lines,
    /// The lines that the next one can name.
    earlier: EarlierLines,
    taken: usize,
    bytes_in: usize,
    body: Body,
    refusal: Option<BatchRefusal>,
    /// When a client that sends nothing, and has no item in flight, has been silent for too long.
    silence: Deadline,
}

/// How far the body has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    Open,
    Ended,
    /// No more of it is read.
    Refused,
}

/// What the client is expected to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    /// It sends more of the body.
    Piece,
    /// It goes away.
    End,
    Nothing,
}

/// What happens next.
enum Event {
    Result,
    Piece(pingora::Result<Option<Bytes>>),
    Silence,
    Gone,
}

impl<'stream> Stream<'stream> {
    fn new(
        runner: Runner<'stream>,
        meter: Meter,
        dispatch: StreamDispatch<'stream, &'stream BatchEngine<'stream>>,
        reservation: &'stream MemoryReservation<'stream>,
    ) -> Self {
        Self {
            runner,
            meter,
            reservation,
            counted: 0,
            dispatch,
            lines: Lines::new(runner.entry.endpoint.limits.max_body),
            earlier: EarlierLines::new(runner.entry.endpoint.limits.stream_window.items),
            taken: 0,
            bytes_in: 0,
            body: Body::Open,
            refusal: None,
            silence: Deadline::after(runner.snapshot.settings.limits.body_timeout),
        }
    }

    /// Returns once the body is over, all items have ended, and their results are written. Fails if the client has left.
    ///
    /// Boxed, so that the compiler need not see through all of the dispatch to know that it is `Send`.
    fn carry<'carry>(
        &'carry mut self,
        session: &'carry mut Session,
        reply: &'carry mut StreamReply<'_>,
    ) -> BoxFuture<'carry, pingora::Result<()>> {
        Box::pin(async move {
            loop {
                self.take_lines();
                self.count_lines();
                if self.take_results(reply, MOST_AT_ONCE) > 0 {
                    self.write(session, reply).await?;
                    continue;
                }
                if self.is_over() {
                    return Ok(());
                }
                match self.next_event(session).await {
                    Event::Result => {}
                    Event::Piece(Ok(piece)) => self.take_piece(piece),
                    Event::Piece(Err(error)) => self.take_end_of_reading(session, error)?,
                    Event::Silence => {
                        self.refuse(BatchRefusal::BodyTimeout { seconds: self.patience().as_secs() });
                    }
                    Event::Gone => {
                        return Err(pingora::Error::new_down(pingora::ErrorType::ConnectionClosed));
                    }
                }
            }
        })
    }

    fn is_over(&mut self) -> bool {
        let no_more_lines = match self.body {
            Body::Open => false,
            Body::Ended => self.lines.is_empty(),
            Body::Refused => true,
        };
        no_more_lines && self.dispatch.under_way() == 0
    }

    fn patience(&self) -> Duration {
        self.runner.snapshot.settings.limits.body_timeout
    }

    fn refuse(&mut self, refusal: BatchRefusal) {
        self.refusal = Some(refusal);
        self.body = Body::Refused;
    }

    fn take_piece(&mut self, piece: Option<Bytes>) {
        self.silence = Deadline::after(self.patience());
        if let Some(piece) = piece {
            self.bytes_in += piece.len();
            self.lines.push(piece);
        } else {
            self.body = Body::Ended;
            self.lines.end();
        }
    }

    /// Nothing more of the body can be read: its framing is broken, or the client has left.
    fn take_end_of_reading(&mut self, session: &mut Session, error: pingora::BError) -> pingora::Result<()> {
        if !error::breaks_framing(&error) {
            return Err(error.into_down());
        }
        // The end of this request is unknown, so the bytes that follow can't be read as the next one.
        session.close_after_reply();
        self.refuse(BatchRefusal::BodyUnreadable);
        Ok(())
    }

    /// Starts the items of the lines that have arrived, while there is room.
    fn take_lines(&mut self) {
        while self.body != Body::Refused && self.dispatch.has_room() {
            let Some(line) = self.lines.next_line() else { return };
            if let Err(refusal) = self.take_line(line) {
                self.refuse(refusal);
            }
        }
    }

    /// Updates the memory held for lines. Their bytes are there already, and bounded for each stream; if memory is short, their
    /// calls wait, and results are not kept.
    fn count_lines(&mut self) {
        self.dispatch.keep_at_most(self.reservation.may_keep());
        self.reservation.keep(self.dispatch.kept_bytes());
        let now = self.lines.bytes() + self.dispatch.bytes_under_way();
        if now != self.counted {
            self.reservation.change(self.counted, now);
            self.reservation.note_body(now);
            self.counted = now;
        }
    }

    fn take_line(&mut self, line: Line) -> Result<(), BatchRefusal> {
        check_start(&line)?;
        let Runner { request, snapshot, entry } = self.runner;
        let limits = &entry.endpoint.limits;
        if self.taken == limits.max_stream_items {
            return Err(BatchRefusal::StreamTooLong { limit: limits.max_stream_items });
        }
        self.taken += 1;
        let (position, bytes) = (line.number, line.content.as_ref().map_or(0, Bytes::len));
        let item = read_line(line, limits);
        let mut line = request.plan_line(item, &mut self.earlier, &snapshot.settings, entry);
        // A single item is admitted or rejected.
        let items = std::slice::from_mut(&mut line.item);
        check_routes(items, &snapshot.settings, &request.caller);
        let admitted = self.meter.admit_items(items, Batching::Streamed);
        admitted.map_err(BatchRefusal::NotAdmitted)?;
        self.dispatch.start(position, line, bytes);
        Ok(())
    }

    /// Takes results that are ready, and returns how many.
    fn take_results(&mut self, reply: &mut StreamReply<'_>, most: usize) -> usize {
        let ended: Vec<_> = std::iter::from_fn(|| self.dispatch.take()).take(most).collect();
        let count = ended.len();
        if count > 0 {
            reply.add(ended);
        }
        count
    }

    /// Writes the results that are ready. The calls go on meanwhile.
    async fn write(&mut self, session: &mut Session, reply: &mut StreamReply<'_>) -> pingora::Result<()> {
        let ready = reply.take(&self.meter)?;
        let write = self.reservation.at_pace_of_client(ready.write(session));
        match self.dispatch.alongside(write).await {
            Ok(written) => written?,
            Err(gave_way) => {
                note_gave_way(reply.context, gave_way);
                return Err(pingora::Error::new_down(pingora::ErrorType::ConnectionClosed));
            }
        }
        self.reservation.give_back(reply.take_held());
        self.silence = Deadline::after(self.patience());
        Ok(())
    }

    async fn next_event(&mut self, session: &mut Session) -> Event {
        let busy = self.dispatch.under_way() > 0;
        let awaited = match self.body {
            Body::Open if self.lines.is_empty() => Awaited::Piece,
            Body::Ended => Awaited::End,
            // Lines wait, so nothing is read. Whether the client is still there shows with the next result.
            Body::Open | Body::Refused => Awaited::Nothing,
        };
        let reads = awaited == Awaited::Piece;
        let Self { dispatch, silence, .. } = self;
        tokio::select! {
            () = dispatch.ready(), if busy => Event::Result,
            event = client_event(session, awaited) => event,
            _ = silence.race(std::future::pending::<()>()), if reads && !busy => Event::Silence,
        }
    }
}

/// What the client does next. Cancel-safe: dropping the future loses nothing.
async fn client_event(session: &mut Session, awaited: Awaited) -> Event {
    match awaited {
        Awaited::Piece => Event::Piece(session.read_request_body().await),
        Awaited::End => {
            session.gone().await;
            Event::Gone
        }
        Awaited::Nothing => std::future::pending().await,
    }
}
