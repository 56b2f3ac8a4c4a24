//! The requests on a client's connection, one after the other.

use http::HeaderMap;

use super::chunked::Body;
use super::fault::Fault;
use super::head::{Head, Step};
use super::syntax::MessageKind;
use super::{HeadLimits, Passed, Stop};

#[derive(Debug)]
enum State {
    Head,
    /// The field lines of a request whose Host must be replaced by the authority in its target.
    Fields,
    Body(Body),
    /// After a request that asks for another protocol, or has trailers that belong to it alone.
    Undecided,
    /// Another protocol.
    Opaque,
    Faulty(Fault),
}

/// Checks the bytes of a client.
#[derive(Debug)]
pub struct RequestChecker {
    limits: HeadLimits,
    head: Head,
    state: State,
    /// Bytes of the message so far.
    place: u64,
    /// The request's number, from 0.
    number: u64,
    /// Those of the last request.
    trailers: Option<HeaderMap>,
}

impl RequestChecker {
    /// The checker of a new connection.
    #[must_use]
    pub fn new(limits: HeadLimits) -> Self {
        let head = Head::new(MessageKind::Request, limits);
        Self { limits, head, state: State::Head, place: 0, number: 0, trailers: None }
    }

    /// The number of the request that is being read, from 0.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// The fault of the request that is being read.
    #[must_use]
    pub const fn fault(&self) -> Option<Fault> {
        if let State::Faulty(fault) = &self.state { Some(*fault) } else { None }
    }

    /// Whether the fault is in a body. If so, its head has been passed on.
    #[must_use]
    pub const fn is_within_body(&self) -> bool {
        self.place > 0
    }

    /// Takes the trailer fields of the last request, if there were any. The bytes behind it are not checked before the next
    /// request is wanted, so they are there until then.
    pub fn take_trailers(&mut self) -> Option<HeaderMap> {
        self.trailers.take()
    }

    /// Whether it is not known yet to which protocol the next bytes belong, or the trailers before them are still wanted.
    #[must_use]
    pub const fn is_undecided(&self) -> bool {
        matches!(self.state, State::Undecided)
    }

    /// The connection stays with HTTP/1.1: the next bytes are a request.
    pub fn continue_as_http(&mut self) {
        if self.is_undecided() {
            self.trailers = None;
            self.state = State::Head;
        }
    }

    /// From here on, the bytes belong to another protocol and are not checked.
    pub fn become_opaque(&mut self) {
        self.state = State::Opaque;
    }

    /// Checks a piece.
    pub fn pass(&mut self, piece: &[u8]) -> Passed {
        let (mut at, mut begun) = (0, 0);
        loop {
            let rest = piece.get(at..).unwrap_or_default();
            let until = |stop| Passed { bytes: at, stop: Some(stop) };
            match &mut self.state {
                State::Faulty(fault) => return until(Stop::Fault(*fault)),
                State::Opaque => return Passed { bytes: piece.len(), stop: None },
                State::Head if rest.is_empty() && !self.head.is_untouched() => {
                    return Passed { bytes: begun, stop: Some(Stop::HeadIncomplete) };
                }
                _ if rest.is_empty() => return Passed { bytes: at, stop: None },
                State::Undecided => return until(Stop::Undecided),
                State::Fields => return until(Stop::FieldsToRewrite),
                State::Head => match self.head.pass(rest) {
                    Ok((taken, step)) => {
                        at += taken;
                        self.after_head(step);
                    }
                    // None of the head is passed on.
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
            if matches!(self.state, State::Head) && self.head.is_untouched() {
                begun = at;
            }
        }
    }

    /// Takes field lines after [`Stop::FieldsToRewrite`]. Returns how many bytes it took and, once the head is complete,
    /// the bytes to pass on instead: their Host is the authority in the target (RFC 9112 §3.2.2).
    pub fn collect_fields(&mut self, bytes: &[u8]) -> (usize, Option<Vec<u8>>) {
        match self.head.pass(bytes) {
            Ok((taken, Step::Complete)) => {
                let rewritten = self.head.take_rewritten();
                self.after_head(Step::Complete);
                (taken, rewritten)
            }
            Ok((taken, _)) => (taken, None),
            Err(fault) => {
                self.state = State::Faulty(fault);
                (0, None)
            }
        }
    }

    fn after_head(&mut self, step: Step) {
        match step {
            Step::More => {}
            Step::FirstLine => {
                if self.head.facts().authority.is_some() {
                    self.head.rewrite_host();
                    self.state = State::Fields;
                }
            }
            Step::Complete => {
                self.place = self.head.place();
                match Body::after(self.head.facts(), self.limits, MessageKind::Request) {
                    Some(body) => self.state = State::Body(body),
                    None => self.end_message(),
                }
            }
        }
    }

    fn end_message(&mut self) {
        let wants_upgrade = self.head.facts().wants_upgrade && !self.head.facts().is_http_1_0;
        let ended = std::mem::replace(&mut self.state, State::Head);
        self.trailers = if let State::Body(body) = ended { body.into_trailers() } else { None };
        if wants_upgrade || self.trailers.is_some() {
            self.state = State::Undecided;
        }
        self.number += 1;
        self.place = 0;
        self.head.restart();
    }
}
