//! A connection over HTTP/1.1 on which requests are sent ahead of the replies (RFC 9112 §9.3.2), shared by several channels of
//! one batch.
//!
//! **Why.** What a call costs the kernel, on both sides, is a write and a read. Requests that leave together share a write, and
//! their replies mostly share a read.
//!
//! In: the heads of calls, each with a place in line. Out: the reply of the call at the front, which its own channel reads.
//! No task drives the connection: the call at the front does, in both directions, and the calls behind it wait for their turn
//! there. All of them are polled by the task of their batch, so the lock is never waited for.
//!
//! # Invariants
//!
//! - Replies are matched to requests by their order alone. A call that is dropped in line, a reply that is malformed or breaks
//!   off, one that closes the connection, and a byte that answers no request break the pipe: the connection is closed, and
//!   all that have no reply are sent again, two at a time, on connections of their own. So only calls that may be sent twice are
//!   sent here.
//! - No call waits in line for longer than `patience`: then all but the one at the front leave, and the pipe ends with that
//!   call.
//! - Reading never waits for writing, nor writing for reading, so a service that stops reading until its replies are read
//!   can't lock up.

use std::collections::VecDeque;
use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use pingora::protocols::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Sleep;

use crate::clock::Stopwatch;
use crate::config::Pipeline;
use crate::upstream::connections::is_quiet;
use crate::upstream::peer::Peer;

use super::incoming::Buffers;

/// A service that closes or breaks a connection after fewer replies gets no more requests ahead from this batch.
const LEAST_ANSWERED: usize = 8;

/// Calls of a pipe that broke that are sent again at once. Together they could be too many connections for the service.
const AGAIN_AT_ONCE: usize = 2;

/// A connection that calls share.
#[derive(Debug)]
pub(super) struct Pipe {
    state: Mutex<State>,
    patience: Duration,
    /// The channels that share it.
    seats: AtomicUsize,
    again: Semaphore,
}

/// The pipes of a batch to one upstream.
#[derive(Debug, Default)]
pub(super) struct Pipes(Mutex<Vec<Arc<Pipe>>>);

/// A channel's share of a pipe.
#[derive(Debug)]
pub(super) struct Seat(Arc<Pipe>);

impl Pipes {
    /// A seat in a pipe that has fewer channels than its depth.
    pub(super) fn seat(&self, Pipeline { depth, patience }: Pipeline) -> Seat {
        let mut pipes = self.0.lock();
        let has_room = |pipe: &&Arc<Pipe>| pipe.seats.load(Ordering::Relaxed) < depth.get();
        let pipe = pipes.iter().find(has_room).cloned().unwrap_or_else(|| {
            let pipe = Arc::new(Pipe {
                state: Mutex::new(State::new()),
                patience,
                seats: AtomicUsize::new(0),
                again: Semaphore::new(AGAIN_AT_ONCE),
            });
            pipes.push(Arc::clone(&pipe));
            pipe
        });
        pipe.seats.fetch_add(1, Ordering::Relaxed);
        Seat(pipe)
    }
}

impl Seat {
    pub(super) const fn pipe(&self) -> &Arc<Pipe> {
        &self.0
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.seats.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct State {
    wire: Option<Wire>,
    /// The calls that wait for their replies, in the order of their requests.
    line: VecDeque<Place>,
    next: u64,
    /// One of the channels is connecting.
    is_connecting: bool,
    /// Those that wait for it.
    waiting: Vec<Waker>,
    /// Why calls were sent away the last time.
    last_end: SentAway,
    /// The service closes or breaks its connections after a few replies, so that sending ahead is of no use.
    is_off: bool,
}

/// A call in line.
#[derive(Debug)]
struct Place {
    number: u64,
    since: Stopwatch,
    waker: Option<Waker>,
}

#[derive(Debug)]
struct Wire {
    peer: Arc<Peer>,
    stream: Stream,
    /// Bytes of requests, and how many of them were written.
    requests: Vec<u8>,
    written: usize,
    /// Where the requests begin of which not a byte was written.
    unwritten: Vec<usize>,
    /// What was read and belongs to a reply that nobody has read yet.
    unread: Bytes,
    input: BytesMut,
    /// It takes no more calls.
    is_ending: bool,
    /// The calls that it has carried.
    answered: usize,
}

/// What a channel finds.
pub(super) enum Found {
    /// The pipe is not to be used.
    Off,
    /// A connection to this target.
    Open(Arc<Peer>),
    /// None. This channel has to connect; the others wait for it.
    None(Connecting),
}

impl Pipe {
    /// Waits while another channel connects, and returns what there is then.
    pub(super) async fn find(self: &Arc<Self>) -> Found {
        std::future::poll_fn(|context| {
            let mut state = self.state.lock();
            if state.is_off {
                return Poll::Ready(Found::Off);
            }
            if state.is_connecting {
                state.waiting.push(context.waker().clone());
                return Poll::Pending;
            }
            state.drop_idle_wire();
            if let Some(wire) = &state.wire {
                return Poll::Ready(Found::Open(Arc::clone(&wire.peer)));
            }
            state.is_connecting = true;
            Poll::Ready(Found::None(Connecting(Arc::clone(self))))
        })
        .await
    }

    /// Takes a place in line for a request. `None`: the connection takes no more.
    pub(super) fn enter(self: &Arc<Self>, head: &[u8], body: &[u8]) -> Option<InLine> {
        let mut state = self.state.lock();
        let wire = state.wire.as_mut().filter(|wire| !wire.is_ending)?;
        wire.unwritten.push(wire.requests.len());
        wire.requests.extend_from_slice(head);
        wire.requests.extend_from_slice(body);
        let number = state.next;
        state.next += 1;
        state.line.push_back(Place { number, since: Stopwatch::start(), waker: None });
        state.wake_front();
        Some(InLine { pipe: Arc::clone(self), number, is_answered: false })
    }

    /// Waits until a call of a pipe that broke may be sent again.
    pub(super) async fn again(&self) -> Option<SemaphorePermit<'_>> {
        self.again.acquire().await.ok()
    }

    /// Takes the connection out, if no call waits for a reply.
    pub(super) fn take_idle(&self) -> Option<(Arc<Peer>, Stream)> {
        let mut state = self.state.lock();
        if !state.line.is_empty() || state.is_connecting {
            return None;
        }
        let wire = state.wire.take().filter(Wire::is_clean)?;
        Some((wire.peer, wire.stream))
    }
}

impl State {
    const fn new() -> Self {
        Self {
            wire: None,
            line: VecDeque::new(),
            next: 0,
            is_connecting: false,
            waiting: Vec::new(),
            last_end: SentAway::Broken,
            is_off: false,
        }
    }

    /// Closes a connection that brought something while no call was in line, or its end.
    fn drop_idle_wire(&mut self) {
        let is_idle = self.line.is_empty();
        let is_gone =
            |wire: &mut Wire| is_idle && !(wire.is_clean() && is_quiet(&mut wire.stream, &wire.peer));
        if self.wire.as_mut().is_some_and(is_gone) {
            self.wire = None;
        }
    }

    fn wake_front(&mut self) {
        if let Some(waker) = self.line.front_mut().and_then(|front| front.waker.take()) {
            waker.wake();
        }
    }

    /// Sends away all calls in line but this one.
    fn send_away(&mut self, except: Option<u64>, why: SentAway) {
        self.last_end = why;
        for place in &mut self.line {
            if Some(place.number) != except
                && let Some(waker) = place.waker.take()
            {
                waker.wake();
            }
        }
        self.line.retain(|place| Some(place.number) == except);
    }

    /// Ends the connection. If it has carried few calls, and not because one of them was slow, the next one would
    /// hardly do better, and have all of its calls sent twice.
    fn break_off(&mut self, why: SentAway) {
        let answered = self.wire.take().map_or(LEAST_ANSWERED, |wire| wire.answered);
        self.is_off |= answered < LEAST_ANSWERED && self.last_end != SentAway::Impatient;
        self.send_away(None, why);
    }
}

impl Wire {
    /// Whether nothing is under way in either direction.
    fn is_clean(&self) -> bool {
        self.unread.is_empty() && self.requests.is_empty() && !self.is_ending
    }

    /// Writes what waits. An error is left to be found by reading: the service may have answered before it closed.
    fn poll_write(&mut self, context: &mut Context<'_>) {
        while let Some(rest) = self.requests.get(self.written..).filter(|rest| !rest.is_empty()) {
            match Pin::new(&mut self.stream).poll_write(context, rest) {
                Poll::Ready(Ok(written)) if written > 0 => {
                    self.written += written;
                    self.unwritten.retain(|begin| *begin >= self.written);
                }
                Poll::Ready(_) => {
                    self.is_ending = true;
                    break;
                }
                Poll::Pending => return,
            }
        }
        self.requests.clear();
        self.written = 0;
        let _ = Pin::new(&mut self.stream).poll_flush(context);
    }
}

/// A channel is connecting. Dropping it lets another one try.
pub(super) struct Connecting(Arc<Pipe>);

impl Connecting {
    /// There is a connection now.
    pub(super) fn done(self, peer: Arc<Peer>, stream: Stream) {
        self.0.state.lock().wire = Some(Wire {
            peer,
            stream,
            requests: Vec::new(),
            written: 0,
            unwritten: Vec::new(),
            unread: Bytes::new(),
            input: BytesMut::new(),
            is_ending: false,
            answered: 0,
        });
    }
}

impl Drop for Connecting {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.is_connecting = false;
        for waker in state.waiting.drain(..) {
            waker.wake();
        }
    }
}

/// A call in line. Dropping it before its reply was read breaks the pipe.
pub(super) struct InLine {
    pipe: Arc<Pipe>,
    number: u64,
    is_answered: bool,
}

/// Why a call left the line without a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SentAway {
    /// The service closed the connection after the reply to another call, as it said it would.
    Closed,
    /// The connection broke, or the call at the front was dropped.
    Broken,
    /// The call had waited for too long.
    Impatient,
}

impl SentAway {
    /// The word in `batchgate_upstream_retries_total`.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "pipe_closed",
            Self::Broken => "pipe_broken",
            Self::Impatient => "pipe_patience",
        }
    }
}

impl InLine {
    /// Waits until the call is at the front.
    pub(super) async fn front(&self) -> Result<Buffers, SentAway> {
        std::future::poll_fn(|context| {
            let mut state = self.pipe.state.lock();
            let State { wire, line, .. } = &mut *state;
            let place = line.iter_mut().enumerate().find(|(_, place)| place.number == self.number);
            Poll::Ready(match (place, wire) {
                (Some((0, _)), Some(wire)) => Ok(Buffers {
                    unread: std::mem::take(&mut wire.unread),
                    input: std::mem::take(&mut wire.input),
                }),
                (Some((_, place)), Some(_)) => {
                    place.waker = Some(context.waker().clone());
                    return Poll::Pending;
                }
                (Some(_), None) | (None, _) => Err(state.last_end),
            })
        })
        .await
    }

    /// The connection, for the call at the front.
    pub(super) fn wire(&self) -> FrontWire<'_> {
        FrontWire { call: self, stall: None, has_gathered: false }
    }

    /// The reply was read. `left`: what was read behind it; `None`: the service closes the connection.
    pub(super) fn answered(mut self, left: Option<Buffers>) {
        self.is_answered = true;
        let mut state = self.pipe.state.lock();
        state.line.pop_front();
        let behind = state.line.len();
        match state.wire.as_mut().zip(left) {
            Some((wire, left))
                if !wire.is_ending && (left.unread.is_empty() || behind > wire.unwritten.len()) =>
            {
                wire.answered += 1;
                (wire.unread, wire.input) = (left.unread, left.input);
            }
            // There are bytes that no request has asked for, or nothing more can be written.
            Some(_) => state.break_off(SentAway::Broken),
            None => state.break_off(SentAway::Closed),
        }
        state.wake_front();
    }
}

impl Drop for InLine {
    fn drop(&mut self) {
        if !self.is_answered {
            let mut state = self.pipe.state.lock();
            if state.line.iter().any(|place| place.number == self.number) {
                state.break_off(SentAway::Broken);
            }
        }
    }
}

/// The connection as the call at the front reads it. It writes the requests of all calls, too.
pub(super) struct FrontWire<'call> {
    call: &'call InLine,
    /// When those behind have waited for long enough.
    stall: Option<Pin<Box<Sleep>>>,
    /// The others had their chance to add a request.
    has_gathered: bool,
}

impl AsyncRead for FrontWire<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { call, stall, has_gathered } = self.get_mut();
        let mut state = call.pipe.state.lock();
        let State { wire: Some(wire), line, .. } = &mut *state else {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        };
        if let Some(front) = line.front_mut() {
            front.waker = Some(context.waker().clone());
        }
        if !std::mem::replace(has_gathered, true) && !wire.requests.is_empty() {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        wire.poll_write(context);
        let before = buffer.filled().len();
        let read = Pin::new(&mut wire.stream).poll_read(context, buffer);
        if buffer.filled().len() > before && !wire.is_ending && wire.unwritten.len() >= line.len() {
            // The call at the front has not asked yet.
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        if read.is_pending()
            && let Some(behind) = line.get(1)
        {
            let left = || call.pipe.patience.saturating_sub(behind.since.elapsed());
            let stall = stall.get_or_insert_with(|| Box::pin(tokio::time::sleep(left())));
            if stall.as_mut().poll(context).is_ready() {
                wire.is_ending = true;
                state.send_away(Some(call.number), SentAway::Impatient);
            }
        }
        read
    }
}
