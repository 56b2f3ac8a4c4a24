//! The reply to a batch, and the client that waits for it.
//!
//! A reply that is ready at once leaves in one write, with its length. If its first results have to wait for others, it
//! begins with them ([`PACE`]), and goes on in the order of the request while later items are under way. Its head says
//! what is known then: not the length, and no Retry-After of an item that has not ended.
//!
//! **When a reply never begins early.** The endpoint says so; the client speaks HTTP/1.0, where a reply without a length
//! looks the same if it breaks off; the format writes nothing before the last result; or the batch may still be refused.
//!
//! **Bounds.** While a piece is written, the calls go on as far as there is memory for their replies. What a piece held is
//! given back once the client's connection has taken it. A client that has left, or stands still for too long, ends the
//! batch.

use std::time::Duration;

use bytes::Bytes;
use http::header;
use http::{Method, Version};

use crate::batch::BatchRefusal;
use crate::clock::Stopwatch;
use crate::config::ReplyMode;
use crate::dispatch::{Client, DispatchedItem, Engine, InOrder, Next, Pace};
use crate::format::EncodedBody;
use crate::header::retry_after;
use crate::memory::MemoryReservation;
use crate::phase::Phase;
use crate::session::Session;
use crate::stitch::retry_after_of;
use crate::telemetry::{BatchEnd, BatchRecord, TimingPart};

use super::context::Context;
use super::handled::Handled;
use super::piece::{Piece, end_reply, head_without_length};
use super::reply::{PREFERENCE_APPLIED, Reply, SERVER_TIMING};
use super::respond::note_gave_way;
use super::results::Results;
use super::runner::Runner;

/// When a piece of the reply leaves. Both limits are above what a small or fast batch takes: that one has its reply at
/// once.
const PACE: Pace = Pace { bytes: 256 << 10, wait: Duration::from_millis(100) };

/// The reply to a batch.
pub(super) struct BatchReply<'reply, 'gateway> {
    runner: Runner<'reply>,
    session: &'reply mut Session,
    context: &'reply mut Context,
    memory: &'reply MemoryReservation<'gateway>,
    results: Results<'reply>,
    mode: ReplyMode,
    /// Why the batch is refused if none of its items runs.
    refusal: Option<BatchRefusal>,
    /// The largest Retry-After of the items that had ended when it began, and were not taken then.
    retry_after: Option<Duration>,
    /// Its head was handed to the connection.
    has_begun: bool,
    /// Why nothing more is written.
    gone: Option<pingora::BError>,
    stopwatch: Stopwatch,
}

impl<'reply, 'gateway> BatchReply<'reply, 'gateway> {
    /// Nothing is written yet. `refusal`: why the batch is refused if none of its items runs.
    pub(super) fn new(
        results: Results<'reply>,
        refusal: Option<BatchRefusal>,
        session: &'reply mut Session,
        context: &'reply mut Context,
        memory: &'reply MemoryReservation<'gateway>,
    ) -> Self {
        let runner = results.runner;
        let request = session.req_header();
        let is_early = refusal.is_none()
            && results.writer.can_leave_early()
            && request.version != Version::HTTP_10
            && request.method != Method::HEAD;
        let mode = if is_early { runner.entry.endpoint.reply } else { ReplyMode::Whole };
        Self {
            runner,
            session,
            context,
            memory,
            results,
            mode,
            refusal,
            retry_after: None,
            has_begun: false,
            gone: None,
            stopwatch: Stopwatch::start(),
        }
    }

    fn record(&mut self) -> &mut BatchRecord {
        self.context.batch_at(self.runner.entry.endpoint)
    }

    /// Writes what is ready until the calls are over. Fails if the client has left.
    async fn carry<E: Engine>(&mut self, batch: &InOrder<'_, E>) -> pingora::Result<()> {
        while self.next(batch).await? == Next::Piece {
            let piece = batch.take();
            self.results.add(piece.items, self.context).await;
            if !self.has_begun {
                batch.look_ahead(&mut |outcome, method| {
                    self.retry_after = self.retry_after.max(retry_after_of(outcome, method));
                });
            }
            // While its client has to read, another batch is the one that goes on in any case.
            self.memory.leave_line();
            self.write(piece.held).await?;
            self.memory.stand_in_line();
        }
        Ok(())
    }

    async fn next<E: Engine>(&mut self, batch: &InOrder<'_, E>) -> pingora::Result<Next> {
        let mode = self.mode;
        let next = async {
            match mode {
                ReplyMode::Stream => batch.next(PACE).await,
                ReplyMode::Whole => {
                    batch.end().await;
                    Next::End
                }
            }
        };
        tokio::select! {
            biased;
            next = next => Ok(next),
            () = self.session.gone() => {
                Err(pingora::Error::new_down(pingora::ErrorType::ConnectionClosed))
            }
        }
    }

    /// Writes the results so far, for which `held` bytes of memory were taken.
    async fn write(&mut self, held: usize) -> pingora::Result<()> {
        let begins = !std::mem::replace(&mut self.has_begun, true);
        let piece = Piece {
            head: if begins { Some(self.head()?) } else { None },
            chunks: self.results.writer.take(),
        };
        let length = piece.length();
        self.memory.change(held, length);
        match self.memory.at_pace_of_client(piece.write(self.session)).await {
            Ok(written) => written?,
            Err(gave_way) => {
                note_gave_way(self.context, gave_way);
                return Err(pingora::Error::new_down(pingora::ErrorType::ConnectionClosed));
            }
        }
        self.memory.give_back(length);
        Ok(())
    }

    fn head(&mut self) -> pingora::Result<pingora::http::ResponseHeader> {
        self.session.close_if_unread();
        let Reply { status, fields, body, .. } = self.reply(Vec::new());
        head_without_length(self.context, status, &body.content_type, fields)
    }

    /// The reply with this body, and with what the head says about the results so far.
    fn reply<'held>(&self, chunks: Vec<Bytes>) -> Reply<'held> {
        let Runner { request, entry, .. } = self.runner;
        let body = EncodedBody { content_type: self.results.content_type(), chunks };
        let after = self.results.writer.retry_after().max(self.retry_after);
        let mut reply = Reply::new(entry.endpoint.reply_status, body)
            .with(header::RETRY_AFTER, after.map(retry_after::write))
            .with(PREFERENCE_APPLIED, request.preferences.applied(entry.endpoint.deadline));
        reply.fields.extend(request.reply_fields.iter().cloned());
        reply
    }

    /// Ends the reply with the results of all items that were not taken yet. One that has not begun is returned.
    ///
    /// # Errors
    /// The batch is refused.
    pub(super) async fn end(mut self, rest: Vec<DispatchedItem>) -> Result<Handled<'gateway>, BatchRefusal> {
        let took = self.stopwatch.elapsed();
        self.record().phases.set(Phase::Dispatch, took);
        let stopwatch = Stopwatch::start();
        let held = rest.iter().map(DispatchedItem::reply_bytes).sum();
        self.results.add(rest, self.context).await;
        let record = self.record();
        record.end = BatchEnd::of_items(record.summary.items, record.summary.failed);
        if let Some(gone) = self.gone.take() {
            if self.has_begun {
                return Ok(Handled::Streamed(Err(gone)));
            }
            self.context.client_left();
            return Ok(Handled::BrokenOff);
        }
        if let Some(refusal) = self.refusal.take().filter(|_| !self.results.has_run) {
            return Err(refusal);
        }
        self.results.writer.end();
        self.record().phases.set(Phase::Stitch, stopwatch.elapsed());
        if self.has_begun {
            return Ok(Handled::Streamed(self.write_end(held).await));
        }
        let body = self.results.writer.take();
        let timing = self.context.server_timing(TimingPart::All);
        Ok(Handled::Reply(self.reply(body).with(SERVER_TIMING, timing)))
    }

    /// Writes the last piece, for which `held` bytes of memory were taken.
    async fn write_end(&mut self, held: usize) -> pingora::Result<()> {
        let stopwatch = Stopwatch::start();
        self.write(held).await?;
        let ended = end_reply(self.session, self.context).await;
        self.record().phases.set(Phase::Send, stopwatch.elapsed());
        ended
    }
}

impl Client for BatchReply<'_, '_> {
    async fn attend<E: Engine>(&mut self, batch: &InOrder<'_, E>) {
        self.gone = self.carry(batch).await.err();
    }
}
