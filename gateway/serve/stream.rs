//! A batch that is a stream: an item starts when its line arrives, its result leaves when it ends
//! (protocol §2.4). Body, calls and reply all go on in one task.
//!
//! Bounds: no line is taken while `concurrency` items are under way, an item being under way until its
//! result is handed to the client's connection; nothing is read while a taken piece has lines left. So
//! a client that stops reading stops the sending, and a slow upstream stops the reading.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::batch::{Batch, BatchRefusal};
use crate::clock::{Deadline, Stopwatch};
use crate::dispatch::{StreamDispatch, StreamLimits, StreamWork};
use crate::format::ndjson::{Line, Lines, check_start, read_line};
use crate::format::{Format, InputFormat};
use crate::phase::Phase;
use crate::plan::Preferences;
use crate::problem;
use crate::telemetry::BatchEnd;

use super::asked::Asked;
use super::batch::BatchHandler;
use super::stream_reply::{StreamReply, write_lines};
use crate::admission::{Batching, Meter};
use crate::memory::{MemoryExhausted, MemoryReservation};
use crate::session::Session;
use crate::upstream::client::BatchEngine;
use crate::upstream::error;

/// Results that leave together at the most.
const MOST_AT_ONCE: usize = 64;

/// Serves a stream.
///
/// # Errors
/// The stream is refused before anything of it was taken; nothing was written.
pub(crate) async fn serve(
    session: &mut Session,
    life: &mut BatchHandler<'_>,
) -> Result<pingora::Result<()>, BatchRefusal> {
    let stopwatch = Stopwatch::start();
    let asked = life.asked;
    // Silence has a limit of its own here.
    session.set_read_timeout(None);
    life.reservation.admit(1).await.map_err(|MemoryExhausted| BatchRefusal::MemoryFull)?;
    session.let_client_send().await.map_err(|_| BatchRefusal::BodyUnreadable)?;
    let headers = &session.req_header().headers;
    let preferences = Preferences::parse(headers);
    let engine = asked.engine(headers, asked.inherited(headers), &life.reservation);
    let work = StreamWork::new(limits(asked, &preferences));
    let mut reply = StreamReply::new(asked, preferences);
    let engine = &engine;
    let meter = std::mem::take(&mut life.meter);
    let mut stream = Stream::new(asked, meter, (&work, &engine), &life.reservation);
    let left = stream.carry(session, &mut reply).await;
    drop_rest(&mut stream, &mut reply);
    life.bytes_in = stream.bytes_in;
    life.meter = std::mem::take(&mut stream.meter);
    let refusal = stream.refusal.take();
    if let Some(refusal) = refusal.as_ref().filter(|_| reply.summary.items == 0 && left.is_ok()) {
        return Err(refusal.clone());
    }
    let sent = match left {
        Ok(()) => reply.end(session, &life.meter, refusal.as_ref()).await,
        Err(gone) => Err(gone),
    };
    life.phases.set(Phase::Dispatch, stopwatch.elapsed());
    record(life, reply, refusal.as_ref(), sent.is_err());
    Ok(sent)
}

fn limits(asked: &Asked<'_>, preferences: &Preferences) -> StreamLimits {
    let endpoint = asked.endpoint;
    let execution_policy = endpoint.execution_policy(InputFormat::Batch(Format::Ndjson), preferences);
    StreamLimits {
        concurrency: endpoint.concurrency.get(),
        sequential: execution_policy.sequential,
        stop_on_error: execution_policy.stop_on_error,
        patience: preferences.wait.map_or(endpoint.deadline, |wait| wait.min(endpoint.deadline)),
        max_bytes: endpoint.limits.max_body,
        max_item_reply: endpoint.limits.max_item_reply,
        max_reply: endpoint.limits.max_reply,
    }
}

/// Items of a client that left are counted like all others.
fn drop_rest(stream: &mut Stream<'_>, reply: &mut StreamReply<'_>) {
    stream.dispatch.abandon();
    stream.take_results(reply, usize::MAX);
}

fn record(life: &BatchHandler<'_>, reply: StreamReply<'_>, refusal: Option<&BatchRefusal>, gone: bool) {
    let error_reply = refusal.map(problem::of_refusal);
    let end = match &error_reply {
        _ if gone => BatchEnd::ClientGone,
        Some(error_reply) => BatchEnd::Refused(error_reply.reason),
        None => BatchEnd::of_items(reply.summary.items, reply.summary.failed),
    };
    let mut report = life.report(end, life.asked.endpoint.reply_status);
    report.limit = error_reply.and_then(|error_reply| error_reply.limit);
    report.summary = reply.summary;
    report.failures = reply.failures;
    report.bytes_out = reply.bytes_out;
    life.record(&report);
}

/// What is under way between the client's two directions.
struct Stream<'stream> {
    asked: &'stream Asked<'stream>,
    reservation: &'stream MemoryReservation<'stream>,
    /// Bytes of lines that `reservation` has in it.
    counted: usize,
    meter: Meter,
    dispatch: StreamDispatch<'stream, &'stream BatchEngine<'stream>>,
    lines: Lines,
    taken: usize,
    bytes_in: usize,
    body: Body,
    refusal: Option<BatchRefusal>,
    /// When a client that sends nothing, and has nothing under way, has been silent for too long.
    silence: Deadline,
}

/// How far the body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    Open,
    Ended,
    /// No more of it is read.
    Refused,
}

/// What happened next.
enum Event {
    Result,
    Piece(pingora::Result<Option<Bytes>>),
    Silence,
    Gone,
}

impl<'stream> Stream<'stream> {
    fn new(
        asked: &'stream Asked<'stream>,
        meter: Meter,
        (work, engine): (&'stream StreamWork, &'stream &'stream BatchEngine<'stream>),
        reservation: &'stream MemoryReservation<'stream>,
    ) -> Self {
        Self {
            asked,
            meter,
            reservation,
            counted: 0,
            dispatch: StreamDispatch::new(work, engine),
            lines: Lines::new(asked.endpoint.limits.max_body),
            taken: 0,
            bytes_in: 0,
            body: Body::Open,
            refusal: None,
            silence: Deadline::after(asked.snapshot.settings.limits.body_timeout),
        }
    }

    /// Returns once the body is over, all that was taken has ended, and its results are written. An
    /// error: the client has left.
    ///
    /// Boxed, so that the compiler need not see through the whole dispatch to know that it is `Send`.
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
        self.asked.snapshot.settings.limits.body_timeout
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

    /// The body can't be read on: its framing is broken, or the client has left.
    fn take_end_of_reading(&mut self, session: &mut Session, error: pingora::BError) -> pingora::Result<()> {
        if !error::breaks_framing(&error) {
            return Err(error.into_down());
        }
        // Where this request ends is not known: what follows can't be taken for the next one.
        session.close_after_reply();
        self.refuse(BatchRefusal::BodyUnreadable);
        Ok(())
    }

    /// Starts the items of the lines that have arrived, as far as there is room.
    fn take_lines(&mut self) {
        while self.body != Body::Refused && self.dispatch.has_room() {
            let Some(line) = self.lines.next_line() else { return };
            if let Err(refusal) = self.take_line(line) {
                self.refuse(refusal);
            }
        }
    }

    /// Brings what is held for lines up to date. Their bytes are there already, and bounded for each stream;
    /// where memory is short, it is their calls that wait.
    fn count_lines(&mut self) {
        let now = self.lines.bytes() + self.dispatch.bytes_under_way();
        if now != self.counted {
            self.reservation.change(self.counted, now);
            self.counted = now;
        }
    }

    fn take_line(&mut self, line: Line) -> Result<(), BatchRefusal> {
        check_start(&line)?;
        let limits = &self.asked.endpoint.limits;
        if self.taken == limits.max_stream_items {
            return Err(BatchRefusal::StreamTooLong { limit: limits.max_stream_items });
        }
        self.taken += 1;
        let (position, bytes) = (line.number, line.content.as_ref().map_or(0, Bytes::len));
        let batch = Batch { items: vec![read_line(line, limits)], ..Batch::default() };
        let mut plan = self.asked.plan(batch)?;
        // One item, so that it is let in or rejected.
        self.meter.admit_plan(&mut plan, Batching::Streamed).map_err(BatchRefusal::NotAdmitted)?;
        for item in plan.items {
            self.dispatch.start(position, item, bytes);
        }
        Ok(())
    }

    /// Takes results that are ready, and says how many.
    fn take_results(&mut self, reply: &mut StreamReply<'_>, most: usize) -> usize {
        let ended: Vec<_> = std::iter::from_fn(|| self.dispatch.take()).take(most).collect();
        let count = ended.len();
        if count > 0 {
            reply.add(ended);
        }
        count
    }

    /// Writes what is ready; meanwhile the calls go on.
    async fn write(&mut self, session: &mut Session, reply: &mut StreamReply<'_>) -> pingora::Result<()> {
        let (head, chunks) = (reply.begin(&self.meter), reply.take());
        let write = self.reservation.at_pace_of_client(write_lines(session, head, chunks));
        match self.dispatch.beside(write).await {
            Ok(written) => written?,
            Err(gave_way) => {
                self.asked.note_gave_way(gave_way);
                return Err(pingora::Error::new_down(pingora::ErrorType::ConnectionClosed));
            }
        }
        self.reservation.give_back(reply.take_held());
        self.silence = Deadline::after(self.patience());
        Ok(())
    }

    async fn next_event(&mut self, session: &mut Session) -> Event {
        let busy = self.dispatch.under_way() > 0;
        let reads = self.body == Body::Open && self.lines.is_empty();
        let Self { dispatch, silence, body, .. } = self;
        tokio::select! {
            () = dispatch.ready(), if busy => Event::Result,
            event = client_event(session, reads, *body) => event,
            _ = silence.race(std::future::pending::<()>()), if reads && !busy => Event::Silence,
        }
    }
}

/// What the client does next. Dropping the future loses nothing.
async fn client_event(session: &mut Session, reads: bool, body: Body) -> Event {
    if reads {
        return Event::Piece(session.read_request_body().await);
    }
    match body {
        Body::Ended => {
            session.gone().await;
            Event::Gone
        }
        // Lines wait, so that nothing is read; whether the client is there shows with the next result.
        Body::Open | Body::Refused => std::future::pending().await,
    }
}
