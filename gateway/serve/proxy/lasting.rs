//! Exchanges that stay open: which ones they are, and which limits they have in place of those of ordinary requests.
//!
//! An upgraded connection and a stream of events are recognised by their heads. A gRPC call, and a reply of unknown length,
//! are ordinary requests at first; if they are still open after `timeout.item`, they are streams and last. An exchange
//! that lasts holds no permit of its upstream, has no total limit (`timeout.request`), and ends after `timeout.idle`
//! without a byte in either direction. It counts against `upgraded` and its client's share of that. If there is
//! no room for a stream, it stays an ordinary request.

use std::sync::Arc;
use std::time::Duration;

use http::header::{self, HeaderMap, HeaderValue};

use crate::clock::Deadline;
use crate::dispatch::CallFailure;
use crate::limiter::{LongLived, LongLivedGuard};
use crate::telemetry::{LongLivedKind, OpenExchange};

use super::plan::Job;

/// An exchange that stays open.
pub(super) struct Lasting {
    _room: LongLivedGuard<Arc<LongLived>>,
    pub(super) open: OpenExchange,
    pub(super) kind: LongLivedKind,
}

impl Lasting {
    /// Takes room for one.
    ///
    /// # Errors
    /// There is no room.
    pub(super) fn begin(job: Job<'_>, kind: LongLivedKind) -> Result<Self, CallFailure> {
        let Job { gateway, upstream, context, .. } = job;
        let room = LongLived::acquire(Arc::clone(&upstream.long_lived), context.caller.client())?;
        let open = gateway.metrics.long_lived.begin(&upstream.settings.name, kind);
        Ok(Self { _room: room, open, kind })
    }
}

/// Whether a reply is a stream of events (the server-sent events of HTML).
pub(super) fn is_event_stream(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let media_type = value.split(|byte| *byte == b';').next().unwrap_or_default();
    media_type.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
}

/// How long a gRPC client waits, as it says itself (`grpc-timeout`: up to eight digits and a unit).
pub(super) fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

/// A deadline that may be off, and that each byte renews.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    limit: Option<Duration>,
    ends: Option<Deadline>,
}

impl Patience {
    pub(super) fn new(limit: Option<Duration>) -> Self {
        Self { limit, ends: limit.map(Deadline::after) }
    }

    /// A byte has come.
    pub(super) fn renew(&mut self) {
        self.ends = self.limit.map(Deadline::after);
    }

    /// Returns when it has ended.
    pub(super) async fn over(self) {
        come(self.ends).await;
    }
}

/// Returns at the deadline; never if there is none.
pub(super) async fn come(deadline: Option<Deadline>) {
    match deadline {
        Some(deadline) => deadline.come().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grpc_client_says_how_long_it_waits() {
        for (text, expected) in [
            ("5S", Some(Duration::from_secs(5))),
            ("1H", Some(Duration::from_secs(3600))),
            ("2M", Some(Duration::from_secs(120))),
            ("250m", Some(Duration::from_millis(250))),
            ("9u", Some(Duration::from_micros(9))),
            ("99999999n", Some(Duration::from_nanos(99_999_999))),
            ("S", None),
            ("", None),
            ("-1S", None),
            ("999999999S", None),
            ("5s", None),
            ("5é", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", HeaderValue::from_bytes(text.as_bytes()).unwrap());
            assert_eq!(grpc_timeout(&headers), expected, "{text}");
        }
    }

    #[test]
    fn a_stream_of_events_is_known_by_its_type() {
        for (text, expected) in [
            ("text/event-stream", true),
            ("Text/Event-Stream; charset=utf-8", true),
            ("text/event-stream2", false),
            ("application/json", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("content-type", HeaderValue::from_static(text));
            assert_eq!(is_event_stream(&headers), expected, "{text}");
        }
    }
}
