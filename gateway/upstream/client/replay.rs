//! What the client makes of the bytes of a service, without a network. Only `tests/fuzz` uses it, which is a package of its own and sees
//! only what is public.
//!
//! In: the bytes in pieces, and what was asked. Out: the replies, and what is left of the connection. Each reader runs as it does for
//! calls, over a connection in memory. The next piece comes when the reader waits for it.

#![expect(clippy::expect_used, reason = "only tests call it")]

use std::cell::OnceCell;
use std::num::NonZeroUsize;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use http::{HeaderMap, Method, StatusCode};
use pingora::protocols::Stream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::runtime::{Builder, Runtime};

use crate::clock::{Deadline, Stopwatch};
use crate::config::{self, Pipeline};
use crate::dispatch::{Attempt, CallFailure, Progress, ReplyBudget, UpstreamReply};
use crate::header::hop::is_interim;
use crate::limiter::Client;
use crate::memory::{MemoryBudget, MemoryReservation};
use crate::telemetry::Metrics;
use crate::transport::field_names;
use crate::upstream::connections::is_quiet;
use crate::upstream::discovery::{Discovery, SharedSettings};
use crate::upstream::error;
use crate::upstream::peer::Peer;
use crate::upstream::target_state::TargetState;

use super::exchange::{Request, exchange};
use super::pipe::{Found, Pipes};
use super::pipelined::{Ended, turn};
use super::streamed::StreamedReply;

/// Requests and replies up to this size are under way without being read. A service may send no more in all.
const ROOM: usize = 1 << 16;

/// How often a reader is asked before the next piece comes: it may pause once in favour of others.
const ASKED: usize = 3;

/// Nothing ends because time passes.
const NEVER: Duration = Duration::from_secs(600);

const HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// A service on a connection.
#[derive(Clone, Debug)]
pub struct Service<'bytes> {
    /// What it sends.
    pub pieces: Vec<&'bytes [u8]>,
    /// What it does then.
    pub then: Then,
    /// How many requests it takes of those that are sent ahead, with one byte of the next.
    pub takes: usize,
    /// The most bytes of a reply that are taken, as `max_item_reply`.
    pub max_item_reply: usize,
    /// The most bytes of all replies that are taken, as `max_reply`.
    pub max_reply: usize,
}

/// What a service does when it has sent all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It waits for another request.
    Waits,
    /// It closes the connection.
    Closes,
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// It has its reply.
    Read(UpstreamReply),
    /// It has none.
    Failed(CallFailure),
    /// It is to be sent again.
    SentAway,
    /// It waits for more.
    Waits,
}

/// A call that has a connection to itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Alone {
    /// What became of it.
    pub seen: Seen,
    /// The connection may carry another call.
    pub is_reusable: bool,
    /// The reply says that the connection stays open.
    pub stays_open: bool,
    /// Bytes that came after the reply.
    pub surplus: usize,
    /// Bytes of replies that count as held.
    pub held: usize,
}

/// A reply that is handed on as it comes.
#[derive(Clone, Debug, PartialEq)]
pub struct HandedOn {
    /// What became of the request.
    pub seen: Seen,
    /// The trailers.
    pub trailers: Option<HeaderMap>,
    /// The connection may carry another request.
    pub is_reusable: bool,
}

/// Calls that were sent ahead.
#[derive(Clone, Debug, PartialEq)]
pub struct Ahead {
    /// What became of each.
    pub seen: Vec<Seen>,
    /// The connection takes another call.
    pub is_open: bool,
    /// Bytes of replies that count as held.
    pub held: usize,
}

/// A call with this method, alone on its connection.
#[must_use]
pub fn alone(service: &Service<'_>, method: &Method) -> Alone {
    on_runtime(async {
        let (mut stream, mut far) = connection();
        let (memory, budget, progress) = (memory(), budget_of(service), Progress::new(Stopwatch::start()));
        let reservation = MemoryReservation::new(&memory, Client::default());
        let attempt = Attempt { progress: &progress, budget: &budget, deadline: Deadline::after(NEVER) };
        let request = Request { method, head: HEAD, body: b"" };
        let reading = exchange(&mut stream, BytesMut::new(), request, attempt, &reservation);
        let read = serve(service, &mut far, reading).await;
        let held = service.max_reply - budget.left();
        let without = |seen| Alone { seen, is_reusable: false, stays_open: false, surplus: 0, held };
        match read {
            Some(Ok((exchanged, left))) => {
                let is_quiet = service.then == Then::Waits && is_quiet(&mut stream, &peer());
                // Looking at it has taken a byte.
                let looked_at = usize::from(service.then == Then::Waits && !is_quiet);
                Alone {
                    is_reusable: is_quiet && exchanged.is_reusable(&left),
                    stays_open: exchanged.keeps_connection,
                    surplus: left.unread.len() + looked_at + rest_of(&mut stream),
                    ..without(Seen::Read(exchanged.reply))
                }
            }
            Some(Err(unanswered)) => without(Seen::Failed(unanswered.failure)),
            None => without(Seen::Waits),
        }
    })
}

/// The reader for single requests.
#[must_use]
pub fn handed_on(service: &Service<'_>, method: &Method) -> HandedOn {
    on_runtime(async {
        let (stream, mut far) = connection();
        let mut reading = StreamedReply::new(stream, method.clone());
        let seen = match serve(service, &mut far, handed_on_from(&mut reading)).await {
            Some(Ok(reply)) => Seen::Read(reply),
            Some(Err(failure)) => Seen::Failed(failure),
            None => Seen::Waits,
        };
        let trailers = reading.take_trailers();
        let is_read = matches!(seen, Seen::Read(_)) && service.then == Then::Waits;
        let reusable = reading.into_reusable().filter(|_| is_read);
        let is_reusable = reusable.is_some_and(|mut stream| is_quiet(&mut stream, &peer()));
        HandedOn { seen, trailers, is_reusable }
    })
}

async fn handed_on_from(reading: &mut StreamedReply<Stream>) -> Result<UpstreamReply, CallFailure> {
    let head = loop {
        let head = reading.head().await.map_err(|failure| error::of_exchange(&failure))?;
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(CallFailure::ReplyMalformed);
        }
        if !is_interim(head.status) {
            break head;
        }
    };
    let mut body = BytesMut::new();
    while let Some(bytes) = reading.body().await.map_err(|failure| error::of_exchange(&failure))? {
        body.extend_from_slice(&bytes);
    }
    let spellings = field_names::of_reply(&head);
    let reply =
        UpstreamReply { status: head.status, headers: head.headers.clone(), spellings, body: Bytes::new() };
    Ok(UpstreamReply { body: body.freeze(), ..reply })
}

/// Calls with these methods, all of them sent before the first reply comes.
#[must_use]
pub fn ahead(service: &Service<'_>, methods: &[Method]) -> Ahead {
    on_runtime(async {
        let (mut stream, mut far) = connection();
        let takes = (service.takes.min(methods.len()) * HEAD.len() + 1).min(ROOM);
        let _ = stream.write_all(&vec![0; ROOM - takes]).await;
        let (memory, budget) = (memory(), budget_of(service));
        let reservation = &MemoryReservation::new(&memory, Client::default());
        let depth = NonZeroUsize::MIN.saturating_add(methods.len());
        let pipes = Pipes::default();
        let seat = pipes.seat(Pipeline { depth, patience: NEVER });
        if let Found::None(connecting) = seat.pipe().find().await {
            connecting.done(peer(), stream);
        }
        let ended: Vec<_> = methods.iter().map(|_| OnceCell::new()).collect();
        let calls = methods.iter().zip(&ended).map(|(method, ended)| {
            let in_line = seat.pipe().enter(HEAD, b"");
            let (progress, budget) = (Progress::new(Stopwatch::start()), &budget);
            async move {
                let attempt = Attempt { progress: &progress, budget, deadline: Deadline::after(NEVER) };
                if let Some(in_line) = in_line {
                    let _ = ended.set(seen_of(turn(in_line, method, attempt, reservation).await));
                }
            }
        });
        serve(service, &mut far, join_all(calls)).await;
        let is_open = matches!(seat.pipe().find().now_or_never(), Some(Found::Open(_)));
        let seen = ended.into_iter().map(|ended| ended.into_inner().unwrap_or(Seen::Waits)).collect();
        Ahead { seen, is_open, held: service.max_reply - budget.left() }
    })
}

fn seen_of(ended: Ended) -> Seen {
    match ended {
        Ended::Made(Ok(reply)) => Seen::Read(reply),
        Ended::Made(Err(unanswered)) => Seen::Failed(unanswered.failure),
        Ended::Again(_) => Seen::SentAway,
    }
}

fn connection() -> (Stream, DuplexStream) {
    let (near, far) = duplex(ROOM);
    (Box::new(near), far)
}

fn memory() -> MemoryBudget {
    MemoryBudget::new(64 << 20)
}

const fn budget_of(service: &Service<'_>) -> ReplyBudget {
    ReplyBudget::new(service.max_reply, service.max_item_reply)
}

/// `None`: it waits for more. What it didn't wait for has come, too.
async fn serve<T>(
    service: &Service<'_>,
    far: &mut DuplexStream,
    reading: impl Future<Output = T>,
) -> Option<T> {
    let mut reading = pin!(reading);
    let mut read = ask(reading.as_mut());
    for piece in &service.pieces {
        // An error: the reader has closed the connection.
        let _ = far.write_all(piece).await;
        read = read.or_else(|| ask(reading.as_mut()));
    }
    if service.then == Then::Closes {
        let _ = far.shutdown().await;
        read = read.or_else(|| ask(reading.as_mut()));
    }
    read
}

/// Lets a reader read what has come.
fn ask<T>(mut reading: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    let mut context = Context::from_waker(Waker::noop());
    (0..ASKED).find_map(|_| match reading.as_mut().poll(&mut context) {
        Poll::Ready(read) => Some(read),
        Poll::Pending => None,
    })
}

/// How many bytes nobody has read.
fn rest_of(stream: &mut Stream) -> usize {
    let (mut rest, mut room) = (0, [0; 1024]);
    while let Some(Ok(count @ 1..)) = stream.read(&mut room).now_or_never() {
        rest += count;
    }
    rest
}

/// The target that the connection leads to.
fn peer() -> Arc<Peer> {
    thread_local! {
        static PEER: Arc<Peer> = make_peer().expect("settings that are known to be right");
    }
    PEER.with(Arc::clone)
}

fn make_peer() -> Option<Arc<Peer>> {
    let text = "listen: 127.0.0.1:1\nupstreams: { a: { targets: [http://127.0.0.1:1] } }\nroutes: [{ path: /, upstream: a }]\n";
    let settings = config::parse(text, "replay.yaml", "".as_ref(), &|_| None).ok()?.settings;
    let shared = SharedSettings { idle_timeout: NEVER, name_servers: &[] };
    let counts = Metrics::new("0").ok()?.targets.of("a", "a");
    let state = Arc::new(TargetState::new(Arc::default(), counts));
    Discovery::new(settings.upstreams.first()?, shared, None).peers(|_, _| Arc::clone(&state)).pop()
}

/// Runs to its end without a pause.
fn on_runtime<T>(work: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: Runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
    }
    RUNTIME.with(|runtime| runtime.block_on(tokio::task::unconstrained(work)))
}
