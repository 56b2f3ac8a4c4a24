//! The client's half of an exchange: its request's body, as it comes, on its way to the upstream's writer.
//!
//! Nothing is read while the writer has something left to write, so a service that is slow holds up its client, and
//! the gateway holds one piece. A client that is slow has to keep to a rate ([`Pace`]).

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;

use crate::clock::{Deadline, Stopwatch};
use crate::server::session::Session;

use super::attempts::Replay;
use super::upstream::RequestWriter;

/// A body that comes at this rate may take as long as it likes.
const BYTES_PER_SECOND: u32 = 1024;

/// How far the request's body is.
pub(super) struct Upload {
    is_done: bool,
    trailers: Option<HeaderMap>,
    pub(super) replay: Replay,
    pace: Pace,
}

/// What the client did.
pub(super) enum FromClient {
    Piece(Bytes),
    /// The body is complete.
    End,
    /// The body breaks HTTP's framing, or the client has left in the middle of it.
    Broken(Box<pingora::Error>),
    /// The body came too slowly.
    TooSlow,
    /// The client has left.
    Gone,
}

impl Upload {
    /// `patience`: how long the client may let the gateway wait for its body; `None`: as long as it likes.
    pub(super) fn new(session: &mut Session, patience: Option<Duration>) -> Self {
        Self {
            is_done: session.is_body_done(),
            trailers: None,
            replay: Replay::default(),
            pace: Pace::new(patience.unwrap_or(Duration::MAX)),
        }
    }

    /// Whether the client has sent all of its request.
    pub(super) const fn is_done(&self) -> bool {
        self.is_done
    }

    /// Gives the writer of a new attempt what has come so far.
    pub(super) fn begin(&self, writer: &mut RequestWriter) {
        self.replay.pieces().for_each(|piece| writer.push(piece));
        if self.is_done {
            writer.end(self.trailers.clone());
        }
    }

    /// Waits for what the client does next. Cancel-safe. `has_room`: whether more of the body may be read.
    pub(super) async fn next(&mut self, session: &mut Session, has_room: bool) -> FromClient {
        if self.is_done {
            session.gone().await;
            return FromClient::Gone;
        }
        if !has_room {
            return std::future::pending().await;
        }
        let Some(read) = self.pace.wait(session.read_request_body()).await else {
            return FromClient::TooSlow;
        };
        match read {
            Ok(Some(piece)) => {
                self.pace.received(piece.len());
                FromClient::Piece(piece)
            }
            Ok(None) => FromClient::End,
            Err(error) => FromClient::Broken(error),
        }
    }

    /// Hands on what has come.
    pub(super) fn take(&mut self, piece: Bytes, writer: &mut RequestWriter) {
        self.replay.add(&piece);
        writer.push(piece);
    }

    /// The client's body is complete.
    pub(super) async fn end(&mut self, session: &mut Session, writer: &mut RequestWriter) {
        self.is_done = true;
        self.trailers = session.request_trailers().await;
        writer.end(self.trailers.clone());
    }
}

/// How slowly a body may come: the client may let the gateway wait for `body_timeout` in all, and a second more for
/// each KiB that comes.
#[derive(Debug)]
struct Pace {
    full: Duration,
    left: Duration,
    waits: Option<Stopwatch>,
}

impl Pace {
    const fn new(full: Duration) -> Self {
        Self { full, left: full, waits: None }
    }

    /// What `read` gives; `None` if it does not come in time. The wait counts on where it is dropped and begun again.
    async fn wait<Read: Future>(&mut self, read: Read) -> Option<Read::Output> {
        let waits = *self.waits.get_or_insert_with(Stopwatch::start);
        if self.full == Duration::MAX {
            return Some(read.await);
        }
        Deadline::after(self.left.saturating_sub(waits.elapsed())).race(read).await
    }

    fn received(&mut self, bytes: usize) {
        let waited = self.waits.take().map(Stopwatch::elapsed).unwrap_or_default();
        let earned = Duration::from_secs(1) * u32::try_from(bytes).unwrap_or(u32::MAX) / BYTES_PER_SECOND;
        self.left = (self.left.saturating_sub(waited) + earned).min(self.full);
    }
}
