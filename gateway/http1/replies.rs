//! The replies on an upstream's connection, each to the request that was announced before.

use http::{HeaderMap, Method};

use super::fault::{Fault, Flaw};
use super::head::{Head, Step};
use super::reply_framing::{AfterReplyHead, LIMITS, ReplyBody};
use super::syntax::MessageKind;
use super::{Passed, Stop};

#[derive(Debug)]
enum State {
    /// No reply is expected.
    Idle,
    Head,
    Body(ReplyBody),
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
                State::Body(body) => {
                    let followed = body.follow(rest, &mut at, drop);
                    self.place = body.place();
                    match followed {
                        Ok(true) => self.end_message(),
                        Ok(false) => {}
                        Err(fault) => self.state = State::Faulty(fault),
                    }
                }
            }
        }
    }

    fn after_head(&mut self) {
        self.place = self.head.place();
        match AfterReplyHead::new(self.head.facts(), &self.method, self.place) {
            AfterReplyHead::AnotherHead => self.head.restart(),
            AfterReplyHead::OtherProtocol => self.state = State::Opaque,
            AfterReplyHead::End => self.end_message(),
            AfterReplyHead::Body(body) => self.state = State::Body(body),
        }
    }

    fn end_message(&mut self) {
        if let State::Body(body) = std::mem::replace(&mut self.state, State::Idle) {
            self.trailers = body.into_trailers();
        }
    }
}
