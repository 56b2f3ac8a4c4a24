//! The last reply of a connection whose client broke HTTP's grammar, and the end of the connection. The client may
//! still be sending, and a reset would make it lose the reply (RFC 9112 §9.6). So we close our direction and read on
//! for a moment.

use std::fmt::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, UNIX_EPOCH};

use bytes::{Buf, Bytes};
use pingora::protocols::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::clock::unix_time;
use crate::format::{Accept, write_problem};
use crate::problem::ErrorReply;
use crate::telemetry::RequestId;

/// How long and how much the client may go on sending.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Writing,
    Flushing,
    Closing,
    Draining,
    Ended,
}

/// A reply and the end of its connection, as a state machine that reads and writes are polled through.
#[derive(Debug)]
pub(crate) struct FinalReply {
    stage: Stage,
    bytes: Bytes,
    timer: Option<Pin<Box<Sleep>>>,
    drained: usize,
}

impl FinalReply {
    /// Answers a request about which nothing else is known.
    pub(crate) fn with(error_reply: &ErrorReply, request_id: &RequestId) -> Self {
        Self::new(written(error_reply, request_id).into())
    }

    /// Ends the connection without a reply, or after another writer has written it.
    pub(crate) fn without_bytes() -> Self {
        Self::new(Bytes::new())
    }

    const fn new(bytes: Bytes) -> Self {
        Self { stage: Stage::Writing, bytes, timer: None, drained: 0 }
    }

    /// Ready once the connection has ended, whether or not the reply was written.
    pub(crate) fn poll(&mut self, stream: &mut Stream, context: &mut Context<'_>) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        if timer.as_mut().poll(context).is_ready() {
            self.stage = Stage::Ended;
        }
        loop {
            let done = match self.stage {
                Stage::Ended => return Poll::Ready(()),
                Stage::Writing if self.bytes.is_empty() => Ok(true),
                Stage::Writing => {
                    ready!(Pin::new(&mut *stream).poll_write(context, &self.bytes)).map(|written| {
                        self.bytes.advance(written);
                        false
                    })
                }
                Stage::Flushing => ready!(Pin::new(&mut *stream).poll_flush(context)).map(|()| true),
                Stage::Closing => ready!(Pin::new(&mut *stream).poll_shutdown(context)).map(|()| true),
                Stage::Draining => ready!(self.poll_drain(stream, context)),
            };
            self.stage = match (done, self.stage) {
                (Err(_), _) | (Ok(true), Stage::Draining | Stage::Ended) => Stage::Ended,
                (Ok(false), stage) => stage,
                (Ok(true), Stage::Writing) => Stage::Flushing,
                (Ok(true), Stage::Flushing) => Stage::Closing,
                (Ok(true), Stage::Closing) => Stage::Draining,
            };
        }
    }

    /// Reads and discards. True once the client has closed or has sent too much.
    fn poll_drain(&mut self, stream: &mut Stream, context: &mut Context<'_>) -> Poll<std::io::Result<bool>> {
        let mut space = [0; 4096];
        let mut buffer = ReadBuf::new(&mut space);
        ready!(Pin::new(stream).poll_read(context, &mut buffer))?;
        let count = buffer.filled().len();
        self.drained += count;
        Poll::Ready(Ok(count == 0 || self.drained > LINGER_BYTES))
    }
}

fn written(error_reply: &ErrorReply, request_id: &RequestId) -> String {
    let written = write_problem(&Accept::default(), None, &error_reply.problem);
    let mut reply = format!("HTTP/1.1 {}\r\n", error_reply.problem.status);
    let date = httpdate::fmt_http_date(UNIX_EPOCH + unix_time());
    for (name, value) in [
        ("Date", date.as_str()),
        ("Cache-Control", "no-store"),
        ("x-request-id", request_id.as_str()),
        ("proxy-status", &error_reply.proxy_status()),
        ("Content-Type", &written.content_type),
        ("Content-Length", &written.length().to_string()),
        ("Connection", "close"),
    ] {
        // Writing to a string can't fail.
        let _ = write!(reply, "{name}: {value}\r\n");
    }
    reply.push_str("\r\n");
    for chunk in &written.chunks {
        reply.push_str(&String::from_utf8_lossy(chunk));
    }
    reply
}
