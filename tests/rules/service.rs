//! The service behind the gateway, in either version of HTTP, which answers as the row under test says.

use std::sync::{Arc, Mutex, PoisonError};

use h2::Reason;

use super::path::Http;
use crate::harness::http2::{Http2Answer, Http2Upstream};
use crate::harness::upstream::Recorded;
use crate::harness::{Answer, Upstream};

/// What the service does with a call.
#[derive(Clone, Debug)]
pub(super) enum Says {
    /// It replies.
    Reply { status: u16, fields: Vec<(&'static str, &'static str)>, body: &'static str },
    /// It ends the connection, or the stream, without a word.
    Nothing,
    /// It resets the connection, or the stream, without a word.
    Reset,
    /// It ends the connection in the middle of its header. HTTP/1.1 only.
    HalfAHeader,
    /// It ends the connection in the middle of its body. HTTP/1.1 only.
    HalfABody,
    /// It says that it has not processed the call. HTTP/2 only.
    NotProcessed,
    /// It never answers.
    Silence,
}

impl Says {
    /// A reply without fields.
    pub(super) fn status(status: u16) -> Self {
        Self::Reply { status, fields: Vec::new(), body: "said" }
    }

    fn over_http1(&self) -> Answer {
        match self {
            Self::Reply { status, fields, body } => {
                let is_type = |name: &str| name.eq_ignore_ascii_case("Content-Type");
                let content_type = fields.iter().find(|(name, _)| is_type(name));
                let answer = Answer::of(*status, content_type.map_or("text/plain", |(_, value)| value), body);
                let others = fields.iter().filter(|(name, _)| !is_type(name));
                others.fold(answer, |answer, (name, value)| answer.header(name, value))
            }
            Self::Nothing | Self::NotProcessed => Answer::close(),
            Self::Reset => Answer::reset(),
            Self::HalfAHeader => Answer::raw("HTTP/1.1 200 OK\r\nContent-Len"),
            Self::HalfABody => Answer::text(200, "half").claiming(8),
            Self::Silence => Answer::hang(),
        }
    }

    fn over_http2(&self) -> Http2Answer {
        match self {
            Self::Reply { status, fields, body } => {
                let with = |answer: Http2Answer, (name, value): &(&str, &str)| answer.header(name, value);
                fields.iter().fold(Http2Answer::of(*status, body), with)
            }
            Self::NotProcessed => Http2Answer::reset(Reason::REFUSED_STREAM),
            Self::Nothing | Self::Reset | Self::HalfAHeader | Self::HalfABody | Self::Silence => {
                Http2Answer::reset(Reason::INTERNAL_ERROR)
            }
        }
    }
}

/// What the service says, call by call; the last over and over.
type Script = Arc<Mutex<Vec<Says>>>;

fn next(script: &Script) -> Says {
    let mut script = script.lock().unwrap_or_else(PoisonError::into_inner);
    if script.len() > 1 { script.remove(0) } else { script[0].clone() }
}

/// The service.
pub(super) struct Service {
    server: Server,
    script: Script,
}

enum Server {
    One(Upstream),
    Two(Http2Upstream),
}

impl Service {
    /// Starts one that speaks this version.
    pub(super) fn start(speaks: Http) -> Self {
        let script = Script::new(Mutex::new(vec![Says::status(200)]));
        let own = Arc::clone(&script);
        let server = match speaks {
            Http::One => Server::One(Upstream::answering(move |_| next(&own).over_http1())),
            Http::Two => Server::Two(Http2Upstream::answering(move |_| next(&own).over_http2())),
        };
        Self { server, script }
    }

    /// Has it say this from now on, and forget what it was asked.
    pub(super) fn says(&self, script: &[Says]) {
        script.clone_into(&mut self.script.lock().unwrap_or_else(PoisonError::into_inner));
        self.calls();
    }

    /// The calls since then, which it forgets.
    pub(super) fn calls(&self) -> Vec<Recorded> {
        match &self.server {
            Server::One(upstream) => upstream.take_requests(),
            Server::Two(upstream) => upstream.take_requests(),
        }
    }

    /// Its url.
    pub(super) fn url(&self) -> String {
        match &self.server {
            Server::One(upstream) => upstream.url(),
            Server::Two(upstream) => upstream.url(),
        }
    }
}
