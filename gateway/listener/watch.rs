//! How long a client may take for a head and for a body, over all reads together. Over HTTP/1.1 the session says which
//! [`Stage`] a connection is in, over HTTP/2 its frames do.

use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Sleep;

use crate::session::body_rate::BodyRate;
use crate::telemetry::ConnectionRefusal;

use super::http2_frames::Frames;

/// What a connection is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Stage {
    /// The beginning of a request.
    Idle,
    /// The rest of a header.
    Header,
    /// A body with a minimum rate.
    Body,
    /// Something that is watched elsewhere: the body of a batch, or the client's end.
    Free,
}

/// Limits how long the client may take.
#[derive(Debug)]
pub(crate) struct Watch {
    stage: AtomicU8,
    header_timeout: Duration,
    body_rate: BodyRate,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Watch {
    pub(crate) fn new(header_timeout: Duration, body_timeout: Duration) -> Self {
        let body_rate = BodyRate::new(body_timeout);
        Self { stage: AtomicU8::new(Stage::Idle as u8), header_timeout, body_rate, timer: None }
    }

    pub(crate) fn enter(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Relaxed);
    }

    /// Bytes have arrived over HTTP/2.
    pub(crate) fn received_frames(&mut self, frames: &Frames) {
        if frames.within_header() {
            self.enter(Stage::Header);
        } else {
            self.enter(Stage::Idle);
            self.timer = None;
        }
    }

    fn is_in(&self, stage: Stage) -> bool {
        self.stage.load(Ordering::Relaxed) == stage as u8
    }

    /// Bytes have arrived over HTTP/1.1.
    pub(crate) fn received(&mut self, bytes: usize) {
        if self.is_in(Stage::Idle) {
            self.enter(Stage::Header);
            self.timer = None;
            self.body_rate.restart();
        } else if self.is_in(Stage::Body) {
            self.body_rate.received(bytes);
            self.timer = None;
        }
    }

    /// A read has to wait. Ready once it has waited too long, with the limit that was exceeded.
    pub(crate) fn poll_patience(&mut self, context: &mut Context<'_>) -> Poll<ConnectionRefusal> {
        let (patience, reason) = if self.is_in(Stage::Header) {
            (self.header_timeout, ConnectionRefusal::HeaderTimeout)
        } else if self.is_in(Stage::Body) {
            if self.body_rate.begin_wait() {
                self.timer = None;
            }
            (self.body_rate.patience(), ConnectionRefusal::BodyTimeout)
        } else {
            return Poll::Pending;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(timer.as_mut().poll(context));
        Poll::Ready(reason)
    }
}
