//! The client's half of an exchange: takes the request's body as it comes, and hands it to the upstream's writer.
//!
//! Nothing is read while the writer has something left to write. So a slow service slows down its client, and the gateway
//! holds one piece. A client that is slow has to keep to a rate ([`BodyRate`]).

use bytes::Bytes;
use http::HeaderMap;

use crate::format::{CodingError, Pulled};
use crate::session::Session;
use crate::session::body_rate::{BodyRate, TooSlow};

use super::decoding::Decoding;
use super::outcome::Failure;
use super::plan::Job;
use super::upstream::{Framing, RequestWriter};

/// Bytes of a body that are held for the next attempt.
const MAX_REPLAY: usize = 64 << 10;

/// The progress of the request's body.
pub(super) struct Upload {
    /// It has been read to its end.
    pub(super) is_done: bool,
    /// Bytes that are still to come, where the length is known.
    left: Option<u64>,
    /// The most bytes that the route takes.
    most: Option<usize>,
    received: usize,
    /// If its codings are undone on the way.
    pub(super) decoding: Option<Decoding>,
    replay: Replay,
    /// Those behind the body, for another attempt.
    trailers: Option<HeaderMap>,
    /// `None`: no limit.
    rate: Option<BodyRate>,
}

/// What the client did.
pub(super) enum FromClient {
    Piece(Bytes),
    /// The body is complete, and these are its trailers.
    End(Option<HeaderMap>),
    /// The body breaks HTTP's framing, or the client has left in the middle of it.
    Broken(Box<pingora::Error>),
    /// The body came too slowly.
    TooSlow,
    /// The body has more bytes than its route takes, or can't be decoded.
    Wrong(Failure),
    /// The client has left.
    Gone,
}

impl Upload {
    pub(super) fn new(session: &mut Session, job: Job<'_>, decoding: Option<Decoding>) -> Self {
        let Job { context, plan, .. } = job;
        // How long the client may keep the gateway waiting for its body. `None`: no limit.
        let patience = (!plan.is_grpc).then_some(context.snapshot.settings.limits.body_timeout);
        let left = match plan.framing {
            // Over HTTP/2, trailers may follow its last byte.
            Framing::Length(length) if !(plan.passes_trailers && session.is_http2()) => Some(length),
            Framing::Length(_) | Framing::None | Framing::Unknown => None,
        };
        let most = plan.max_body;
        let rate = patience.map(BodyRate::new);
        let is_done = session.is_body_done();
        let replay = Replay::default();
        Self { is_done, left, most, received: 0, decoding, replay, trailers: None, rate }
    }

    /// Whether the body can be sent again from its beginning.
    pub(super) const fn is_held(&self) -> bool {
        !self.replay.is_cut
    }

    /// Gives the writer of a new attempt what has come so far.
    pub(super) fn begin(&self, writer: &mut RequestWriter) {
        self.replay.pieces.iter().cloned().for_each(|piece| writer.push(piece));
        if self.is_done {
            writer.end(self.trailers.as_ref());
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
        loop {
            match self.decoded() {
                Ok(Pulled::Piece(piece)) => return FromClient::Piece(piece),
                Ok(Pulled::Nothing) => {}
                Ok(Pulled::End) => return FromClient::End(session.take_request_trailers()),
                Err(failure) => return FromClient::Wrong(failure),
            }
            let came = self.read(session).await;
            match (came, &mut self.decoding) {
                (FromClient::Piece(piece), Some(decoding)) => decoding.push(piece),
                (FromClient::End(_), Some(decoding)) => decoding.end(),
                (came, _) => return came,
            }
        }
    }

    /// What is there of the decoded body; nothing if it is not decoded here.
    fn decoded(&mut self) -> Result<Pulled, Failure> {
        let Some(decoding) = &mut self.decoding else { return Ok(Pulled::Nothing) };
        let limit = decoding.limit();
        decoding.pull().map_err(|error| match error {
            CodingError::TooLarge => Failure::BodyTooLarge(limit),
            CodingError::Corrupt(coding) => Failure::BodyNotDecodable(coding),
            CodingError::Unsupported => Failure::BodyUnreadable,
        })
    }

    /// Waits for more of the body as the client sends it. Cancel-safe.
    async fn read(&mut self, session: &mut Session) -> FromClient {
        let read = match &mut self.rate {
            Some(rate) => match rate.wait_for(session.read_request_body()).await {
                Ok(read) => read,
                Err(TooSlow) => return FromClient::TooSlow,
            },
            None => session.read_request_body().await,
        };
        match read {
            Ok(Some(piece)) => {
                if let Some(rate) = &mut self.rate {
                    rate.received(piece.len());
                }
                self.received += piece.len();
                match self.most.filter(|most| self.received > *most) {
                    Some(most) => FromClient::Wrong(Failure::BodyTooLarge(most)),
                    None => FromClient::Piece(piece),
                }
            }
            Ok(None) if self.decoding.is_some() => FromClient::End(None),
            Ok(None) => FromClient::End(session.take_request_trailers()),
            Err(error) => FromClient::Broken(error),
        }
    }

    /// Hands on what has come. A body of known length ends with its last byte: the service may answer at once, before
    /// another read has found nothing.
    pub(super) fn take(&mut self, piece: Bytes, writer: &mut RequestWriter) {
        self.replay.add(&piece);
        self.left = self.left.map(|left| left.saturating_sub(piece.len() as u64));
        writer.push(piece);
        if self.left == Some(0) {
            self.end(None, writer);
        }
    }

    /// The client's body is complete. `trailers`: those that its service gets.
    pub(super) fn end(&mut self, trailers: Option<HeaderMap>, writer: &mut RequestWriter) {
        self.is_done = true;
        self.trailers = trailers;
        writer.end(self.trailers.as_ref());
    }
}

/// The part of a request's body that has come, for another attempt.
#[derive(Default)]
struct Replay {
    pieces: Vec<Bytes>,
    bytes: usize,
    is_cut: bool,
}

impl Replay {
    fn add(&mut self, piece: &Bytes) {
        self.bytes += piece.len();
        if self.bytes > MAX_REPLAY {
            self.is_cut = true;
            self.pieces.clear();
        } else {
            self.pieces.push(piece.clone());
        }
    }
}
