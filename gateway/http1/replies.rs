//! The replies on an upstream's connection, each to the request that was announced before.

use http::{HeaderMap, Method};

use super::chunked::Body;
use super::fault::{Fault, Flaw};
use super::head::{Facts, Head, Step};
use super::syntax::MessageKind;
use super::{HeadLimits, Passed, Stop};

/// pingora's own limits: it reads at most 1 MiB and 256 fields.
pub(super) const LIMITS: HeadLimits = HeadLimits { bytes: (1 << 20) - 1, fields: 256, target: 0 };

#[derive(Debug)]
enum State {
    /// No reply is expected.
    Idle,
    Head,
    Body(Body),
    /// Another protocol.
    Opaque,
    Faulty(Fault),
}

/// Checks the bytes of an upstream.
#[derive(Debug)]
pub struct ReplyChecker {
    head: Head,
    state: State,
    method: Method,
    place: u64,
    trailers: Option<HeaderMap>,
}

impl Default for ReplyChecker {
    fn default() -> Self {
        Self {
            head: Head::new(MessageKind::Reply, LIMITS),
            state: State::Idle,
            method: Method::GET,
            place: 0,
            trailers: None,
        }
    }
}

impl ReplyChecker {
    /// Announces a request with this method. An earlier reply must be complete.
    pub fn expect(&mut self, method: &Method) {
        self.trailers = None;
        if matches!(self.state, State::Idle) {
            self.method.clone_from(method);
            self.head.restart();
            self.state = State::Head;
        } else if self.fault().is_none() {
            self.state = State::Faulty(Fault::new(Flaw::Unasked, self.place));
        }
    }

    /// The fault of the reply. Bytes after a complete reply are not a fault of the reply, but they make the connection
    /// [unusable](Self::is_usable).
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        if let State::Faulty(fault) = &self.state { Some(*fault) } else { None }
    }

    /// Whether the connection may carry another request.
    #[must_use]
    pub const fn is_usable(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// Takes the trailer fields of the last reply, if there were any.
    pub fn take_trailers(&mut self) -> Option<HeaderMap> {
        self.trailers.take()
    }

    /// Checks a piece.
    pub fn pass(&mut self, piece: &[u8]) -> Passed {
        let (mut at, mut begun) = (0, 0);
        loop {
            let rest = piece.get(at..).unwrap_or_default();
            match &mut self.state {
                State::Faulty(fault) => return Passed { bytes: at, stop: Some(Stop::Fault(*fault)) },
                State::Opaque => return Passed { bytes: piece.len(), stop: None },
                _ if rest.is_empty() => return Passed { bytes: at, stop: None },
                State::Idle => self.state = State::Faulty(Fault::new(Flaw::Unasked, 0)),
                State::Head => match self.head.pass(rest) {
                    Ok((taken, step)) => {
                        at += taken;
                        if step == Step::Complete {
                            self.after_head();
                            begun = at;
                        }
                    }
                    Err(fault) => {
                        at = begun;
                        self.state = State::Faulty(fault);
                    }
                },
                State::Body(body) => match body.follow(rest, &mut at, &mut self.place, drop) {
                    Ok(true) => self.end_message(),
                    Ok(false) => {}
                    Err(fault) => self.state = State::Faulty(fault),
                },
            }
        }
    }

    fn after_head(&mut self) {
        self.place = self.head.place();
        match After::new(self.head.facts(), &self.method) {
            After::AnotherHead => self.head.restart(),
            After::OtherProtocol => self.state = State::Opaque,
            After::End => self.end_message(),
            After::Body(body) => self.state = State::Body(body),
        }
    }

    fn end_message(&mut self) {
        if let State::Body(Body::Chunked(chunked)) = std::mem::replace(&mut self.state, State::Idle) {
            self.trailers = Some(chunked.into_trailers()).filter(|trailers| !trailers.is_empty());
        }
    }
}

/// What follows the head of a reply.
#[derive(Debug)]
pub(super) enum After {
    /// Another head: this one is interim.
    AnotherHead,
    OtherProtocol,
    End,
    Body(Body),
}

impl After {
    /// RFC 9112 §6.3. `method`: of the request.
    pub(super) fn new(facts: &Facts, method: &Method) -> Self {
        match facts.status {
            101 => Self::OtherProtocol,
            100..200 => Self::AnotherHead,
            200..300 if *method == Method::CONNECT => Self::OtherProtocol,
            204 | 304 => Self::End,
            _ if *method == Method::HEAD => Self::End,
            _ => Body::after(facts, LIMITS, MessageKind::Reply).map_or(Self::End, Self::Body),
        }
    }
}
