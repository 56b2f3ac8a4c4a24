//! Two connections that have switched to another protocol (RFC 9110 §7.8). Bytes go both ways, independently, until both
//! sides have ended, neither has sent anything for `timeout.idle`, or the gateway drains.
//!
//! A WebSocket is told when the gateway drains: both sides get a close frame that says "going away" (RFC 6455 §7.4.1,
//! 1001), between two of their frames, and have a moment to answer it. Other protocols have until `drain.deadline`.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use pingora::protocols::Stream;
use tokio::io::ReadBuf;

use crate::clock::Deadline;
use crate::session::{BothWays, Session};
use crate::state::gateway::Gateway;
use crate::telemetry::{LongLivedEnd, LongLivedKind};

use super::lasting::{Lasting, Patience, come};
use super::websocket::{Frames, Sender, close_frame};

/// Bytes that are on their way in one direction.
const BUFFER: usize = 16 << 10;
/// For the answer to a close frame.
const FAREWELL: Duration = Duration::from_secs(5);

/// The upstream's side of an upgraded exchange, and what it counts against.
pub(crate) struct Tunnel {
    upstream: Stream,
    early: Vec<Bytes>,
    lasting: Lasting,
    idle: Option<Duration>,
}

impl Tunnel {
    pub(super) const fn new(
        upstream: Stream,
        early: Vec<Bytes>,
        lasting: Lasting,
        idle: Option<Duration>,
    ) -> Self {
        Self { upstream, early, lasting, idle }
    }

    /// Carries bytes both ways until the end. Returns how it ended.
    pub(crate) async fn carry(self, gateway: &Gateway, session: Session) -> LongLivedEnd {
        let Self { upstream, early, lasting, idle } = self;
        let Some((client, from_client)) = session.into_upgraded() else {
            lasting.open.end(LongLivedEnd::Error);
            return LongLivedEnd::Error;
        };
        let mut carrying = Carrying {
            up: Direction::new(Side::ToUpstream, &from_client, lasting.kind),
            down: Direction::new(Side::ToClient, &early, lasting.kind),
            client,
            upstream,
            drains: false,
        };
        let how = carrying.run(gateway, &lasting, idle).await;
        lasting.open.end(how);
        how
    }
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    ToUpstream,
    ToClient,
}

struct Carrying {
    client: Box<dyn BothWays>,
    upstream: Stream,
    up: Direction,
    down: Direction,
    /// The gateway drains, and both sides were told.
    drains: bool,
}

impl Carrying {
    async fn run(&mut self, gateway: &Gateway, lasting: &Lasting, idle: Option<Duration>) -> LongLivedEnd {
        let mut patience = Patience::new(idle);
        let mut farewell = None;
        let is_websocket = self.up.frames.is_some();
        loop {
            let may_drain = is_websocket && !self.drains;
            let moved = std::future::poll_fn(|context| self.poll_move(context));
            let moved = tokio::select! {
                moved = moved => moved,
                () = patience.over() => return LongLivedEnd::Idle,
                () = gateway.ends(), if may_drain => {
                    self.drains = true;
                    farewell = Some(Deadline::after(FAREWELL));
                    self.up.say_goodbye();
                    self.down.say_goodbye();
                    continue;
                }
                () = come(farewell) => return self.broken(),
            };
            let Ok(Moved { to_upstream, to_client }) = moved else {
                return self.broken();
            };
            patience.renew();
            lasting.open.count_to_upstream(to_upstream);
            lasting.open.count_to_client(to_client);
            if let Some(how) = self.end() {
                return if self.drains { LongLivedEnd::Drain } else { how };
            }
            if is_websocket && self.is_half_closed() {
                // Half a WebSocket is of no use. Other protocols may end one direction first.
                farewell = farewell.or_else(|| Some(Deadline::after(FAREWELL)));
            }
        }
    }

    /// Moves bytes in both directions, as many as go.
    fn poll_move(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Moved>> {
        let Self { client, upstream, .. } = self;
        let up = self.up.poll_move(client, upstream, context);
        self.up.was_first = self.up.is_over() && !self.down.is_over();
        let down = self.down.poll_move(upstream, client, context);
        self.down.was_first = self.down.is_over() && !self.up.is_over() || self.down.was_first;
        if up.is_pending() && down.is_pending() {
            return Poll::Pending;
        }
        Poll::Ready(Ok(Moved { to_upstream: count(up)?, to_client: count(down)? }))
    }

    /// A connection broke, or there was no answer to the farewell. If one side had ended before, the other has nothing
    /// more to send.
    fn broken(&self) -> LongLivedEnd {
        match (self.up.has_ended(), self.down.has_ended()) {
            _ if self.drains => LongLivedEnd::Drain,
            (true, _) => LongLivedEnd::Client,
            (_, true) => LongLivedEnd::Upstream,
            (false, false) => LongLivedEnd::Error,
        }
    }

    /// How it ended, once both directions have: by the side that ended first.
    fn end(&self) -> Option<LongLivedEnd> {
        let (up, down) = (&self.up, &self.down);
        (up.is_over() && down.is_over()).then_some(if down.was_first {
            LongLivedEnd::Upstream
        } else {
            LongLivedEnd::Client
        })
    }

    /// Whether one side has ended and the other one goes on.
    const fn is_half_closed(&self) -> bool {
        self.up.is_over() != self.down.is_over()
    }
}

struct Moved {
    to_upstream: usize,
    to_client: usize,
}

fn count(moved: Poll<io::Result<usize>>) -> io::Result<usize> {
    if let Poll::Ready(moved) = moved { moved } else { Ok(0) }
}

/// Bytes on their way in one direction.
struct Direction {
    side: Side,
    buffer: BytesMut,
    /// Of a WebSocket: where its frames begin.
    frames: Option<Frames>,
    goodbye: Goodbye,
    /// Bytes were written and may wait to be sent.
    is_unsent: bool,
    end: End,
    /// It ended before the other direction.
    was_first: bool,
}

/// How far the end of a direction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Open,
    /// Nothing more comes.
    Seen,
    /// The other connection was told.
    HandedOn,
}

/// How far the close frame of a drain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goodbye {
    NotWanted,
    /// At the end of the frame that is under way.
    Wanted,
    /// Nothing follows it: what still comes is dropped.
    Said,
}

impl Direction {
    fn new(side: Side, early: &[Bytes], kind: LongLivedKind) -> Self {
        let mut direction = Self {
            side,
            buffer: BytesMut::new(),
            frames: (kind == LongLivedKind::Websocket).then(Frames::default),
            goodbye: Goodbye::NotWanted,
            is_unsent: false,
            end: End::Open,
            was_first: false,
        };
        for bytes in early {
            direction.take(bytes);
        }
        direction
    }

    const fn is_over(&self) -> bool {
        matches!(self.end, End::HandedOn)
    }

    const fn has_ended(&self) -> bool {
        !matches!(self.end, End::Open)
    }

    /// Takes bytes that have come.
    fn take(&mut self, bytes: &[u8]) {
        let Some(frames) = &mut self.frames else {
            self.buffer.extend_from_slice(bytes);
            return;
        };
        match self.goodbye {
            Goodbye::Said => {}
            Goodbye::NotWanted => {
                frames.pass(bytes);
                self.buffer.extend_from_slice(bytes);
            }
            Goodbye::Wanted => {
                let rest = frames.pass_to_boundary(bytes);
                self.buffer.extend_from_slice(bytes.get(..rest).unwrap_or(bytes));
                self.close_at_boundary();
            }
        }
    }

    /// A close frame goes out as soon as no frame is under way.
    fn say_goodbye(&mut self) {
        if self.goodbye == Goodbye::NotWanted {
            self.goodbye = Goodbye::Wanted;
            self.close_at_boundary();
        }
    }

    fn close_at_boundary(&mut self) {
        if self.frames.as_ref().is_some_and(Frames::is_at_boundary) {
            let sender = match self.side {
                Side::ToUpstream => Sender::Client,
                Side::ToClient => Sender::Server,
            };
            self.buffer.extend_from_slice(&close_frame(sender));
            self.goodbye = Goodbye::Said;
        }
    }

    /// Moves as many bytes as it can at once, and returns how many. Also ready once the end has been passed on.
    fn poll_move(
        &mut self,
        from: &mut impl BothWays,
        to: &mut impl BothWays,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut moved = 0;
        loop {
            match self.poll_step(from, to, context) {
                Poll::Ready(Ok(Step::Moved(count))) if moved + count < 4 * BUFFER => moved += count,
                Poll::Ready(Ok(Step::Moved(count))) => return Poll::Ready(Ok(moved + count)),
                Poll::Ready(Ok(Step::Over)) => return Poll::Ready(Ok(moved)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending if moved > 0 => return Poll::Ready(Ok(moved)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn poll_step(
        &mut self,
        from: &mut impl BothWays,
        to: &mut impl BothWays,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<Step>> {
        if self.is_over() {
            return Poll::Pending;
        }
        if !self.buffer.is_empty() {
            let count = ready!(Pin::new(&mut *to).poll_write(context, &self.buffer))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.buffer.advance(count);
            self.is_unsent = true;
            return Poll::Ready(Ok(Step::Moved(count)));
        }
        if self.is_unsent {
            ready!(Pin::new(&mut *to).poll_flush(context))?;
            self.is_unsent = false;
        }
        if self.end == End::Seen {
            ready!(Pin::new(&mut *to).poll_shutdown(context))?;
            self.end = End::HandedOn;
            return Poll::Ready(Ok(Step::Over));
        }
        let mut space = [std::mem::MaybeUninit::uninit(); BUFFER];
        let mut read = ReadBuf::uninit(&mut space);
        ready!(Pin::new(from).poll_read(context, &mut read))?;
        if read.filled().is_empty() {
            self.end = End::Seen;
        }
        self.take(read.filled());
        Poll::Ready(Ok(Step::Moved(0)))
    }
}

/// What a direction has done.
enum Step {
    Moved(usize),
    Over,
}
