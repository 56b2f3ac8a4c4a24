//! Applies the grammar of HTTP/1.1 to the reads of a client's connection. It decides for each read whether bytes are
//! passed on, have to wait, or end the connection.
//!
//! pingora may read several requests at once. It also reads while a request is served, to notice that the client has
//! left. A fault in a later request must not disturb the one that is served, so only the session of the faulty request
//! gets it. For that we count sessions: each begins one request.

use bytes::{Buf, BytesMut};
use http::HeaderMap;
use tokio::io::ReadBuf;

use crate::http1::{Fault, HeadLimits, RequestChecker, Stop};

/// What a read has to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Read from the socket and check the bytes.
    Read,
    /// Take bytes that were read earlier and check them.
    TakeWaiting,
    /// Take bytes that were checked earlier.
    TakeReady,
    /// Wait: nothing can be read until the next session begins or the protocol changes.
    Wait,
    /// Fail: the request of this session has a fault.
    Fail(Fault),
}

/// The checker of a connection, and the bytes that were not passed on yet.
#[derive(Debug)]
pub(crate) struct Grammar {
    checker: RequestChecker,
    /// Requests that sessions have begun.
    begun: u64,
    /// The part of a head that has arrived, checked.
    head: BytesMut,
    /// Checked.
    ready: BytesMut,
    /// Read but not checked.
    waiting: BytesMut,
}

impl Grammar {
    pub(crate) fn new(limits: HeadLimits) -> Self {
        let checker = RequestChecker::new(limits);
        Self { checker, begun: 0, head: BytesMut::new(), ready: BytesMut::new(), waiting: BytesMut::new() }
    }

    /// Another session begins to read its request.
    pub(crate) fn begin_request(&mut self) {
        self.begun += 1;
    }

    /// Another protocol follows the last request.
    pub(crate) fn become_opaque(&mut self) {
        self.checker.become_opaque();
    }

    /// Takes the trailers of the request that is being served, once it was read to its end.
    pub(crate) fn take_trailers(&mut self) -> Option<HeaderMap> {
        self.checker.take_trailers()
    }

    /// The fault in the request that is being served.
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.checker.fault().filter(|_| self.checker.number() < self.begun)
    }

    /// Whether the fault is in a body. Then its request is being served.
    pub(crate) fn is_within_body(&self) -> bool {
        self.checker.is_within_body()
    }

    pub(crate) fn next(&mut self) -> Next {
        if !self.ready.is_empty() {
            return Next::TakeReady;
        }
        if self.checker.fault().is_some() {
            return self.fault().map_or(Next::Wait, Next::Fail);
        }
        if self.checker.is_undecided() {
            if self.checker.number() < self.begun {
                self.checker.continue_as_http();
            } else if !self.waiting.is_empty() {
                return Next::Wait;
            }
        }
        if self.waiting.is_empty() { Next::Read } else { Next::TakeWaiting }
    }

    pub(crate) fn take_ready(&mut self, buffer: &mut ReadBuf<'_>) {
        take(&mut self.ready, buffer);
    }

    pub(crate) fn take_waiting(&mut self, buffer: &mut ReadBuf<'_>) {
        take(&mut self.waiting, buffer);
    }

    /// Checks bytes. Returns how many of them may be passed on now.
    pub(crate) fn pass(&mut self, bytes: &[u8]) -> usize {
        let passed = self.checker.pass(bytes);
        let (good, rest) = bytes.split_at(passed.bytes.min(bytes.len()));
        let follows_head = !self.head.is_empty() && !good.is_empty();
        if follows_head {
            self.ready.extend_from_slice(&self.head.split());
            self.ready.extend_from_slice(good);
        }
        match passed.stop {
            None | Some(Stop::Fault(_)) => {}
            Some(Stop::HeadIncomplete) => self.head.extend_from_slice(rest),
            Some(Stop::Undecided) => self.wait(rest),
            Some(Stop::FieldsToRewrite) => {
                let (taken, rewritten) = self.checker.collect_fields(rest);
                self.ready.extend_from_slice(&rewritten.unwrap_or_default());
                self.wait(rest.get(taken..).unwrap_or_default());
            }
        }
        if follows_head { 0 } else { good.len() }
    }

    /// Keeps bytes for later, in front of those that wait already.
    pub(crate) fn wait(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let later = std::mem::replace(&mut self.waiting, BytesMut::from(bytes));
        self.waiting.extend_from_slice(&later);
    }
}

fn take(bytes: &mut BytesMut, buffer: &mut ReadBuf<'_>) {
    let count = bytes.len().min(buffer.remaining());
    buffer.put_slice(bytes.get(..count).unwrap_or_default());
    bytes.advance(count);
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HeadLimits = HeadLimits { bytes: 1000, fields: 10, target: 100 };
    const GOOD: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const BAD: &[u8] = b"GET / HTTP/1.1\nHost: a\r\n\r\n";

    #[test]
    fn only_the_session_of_a_faulty_request_gets_the_fault() {
        let mut grammar = Grammar::new(LIMITS);
        grammar.begin_request();
        assert_eq!(grammar.pass(&[GOOD, BAD].concat()), GOOD.len());
        assert_eq!((grammar.next(), grammar.fault()), (Next::Wait, None));
        grammar.begin_request();
        assert!(matches!(grammar.next(), Next::Fail(_)));
        assert!(!grammar.is_within_body());
    }

    fn wants_upgrade() -> (Grammar, Vec<u8>) {
        let mut grammar = Grammar::new(LIMITS);
        grammar.begin_request();
        let head = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\n\r\n";
        assert_eq!(grammar.pass(&[head, BAD].concat()), head.len());
        assert_eq!(grammar.next(), Next::Wait);
        let bytes = vec![0; 100];
        (grammar, bytes)
    }

    #[test]
    fn bytes_after_an_upgrade_wait_until_it_is_known_what_they_are() {
        let (mut grammar, mut bytes) = wants_upgrade();
        grammar.become_opaque();
        assert_eq!(grammar.next(), Next::TakeWaiting);
        let mut buffer = ReadBuf::new(&mut bytes);
        grammar.take_waiting(&mut buffer);
        assert_eq!(buffer.filled(), BAD);
        assert_eq!(grammar.pass(BAD), BAD.len());
        assert_eq!(grammar.next(), Next::Read);

        let (mut grammar, mut bytes) = wants_upgrade();
        grammar.begin_request();
        assert_eq!(grammar.next(), Next::TakeWaiting);
        let mut buffer = ReadBuf::new(&mut bytes);
        grammar.take_waiting(&mut buffer);
        assert_eq!(grammar.pass(buffer.filled()), 0);
        assert!(matches!(grammar.next(), Next::Fail(_)));
    }

    #[test]
    fn a_head_whose_host_changes_is_handed_on_in_order() {
        let mut grammar = Grammar::new(LIMITS);
        grammar.begin_request();
        let bytes = b"POST http://b/ HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxyGET";
        let (mut handed_on, mut space) = (Vec::new(), [0; 7]);
        for piece in bytes.chunks(9) {
            handed_on.extend_from_slice(&piece[..grammar.pass(piece)]);
            while grammar.next() != Next::Read {
                let mut buffer = ReadBuf::new(&mut space);
                if grammar.next() == Next::TakeReady {
                    grammar.take_ready(&mut buffer);
                    handed_on.extend_from_slice(buffer.filled());
                } else {
                    grammar.take_waiting(&mut buffer);
                    let passed = grammar.pass(buffer.filled());
                    handed_on.extend_from_slice(&buffer.filled()[..passed]);
                }
            }
        }
        // The next head is not complete.
        let expected = "POST http://b/ HTTP/1.1\r\nHost: b\r\nContent-Length: 2\r\n\r\nxy";
        assert_eq!(String::from_utf8_lossy(&handed_on), expected);
    }

    #[test]
    fn a_head_is_handed_on_once_it_is_complete() {
        let mut grammar = Grammar::new(LIMITS);
        grammar.begin_request();
        for byte in &GOOD[..GOOD.len() - 1] {
            assert_eq!((grammar.pass(&[*byte]), grammar.next()), (0, Next::Read));
        }
        assert_eq!((grammar.pass(b"\nG"), grammar.next()), (0, Next::TakeReady));
        let mut space = [0; 100];
        let mut buffer = ReadBuf::new(&mut space);
        grammar.take_ready(&mut buffer);
        assert_eq!(buffer.filled(), GOOD);
        assert_eq!(grammar.next(), Next::Read);
    }
}
