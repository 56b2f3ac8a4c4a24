//! `http2` of an upstream: how its calls share connections.

use std::num::NonZeroUsize;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::defaults::number;
use super::resolver::{Resolved, Resolver};
use super::target::{Scheme, Target};
use super::yaml::quantity::Window;
use super::yaml::written::Written;

/// The least that a target may send of a reply before it is read: one frame (RFC 9113 §4.2).
const MIN_WINDOW: u32 = 16 << 10;

/// How calls share connections of HTTP/2. Unread bytes of replies take at most `stream_window` for each call under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Http2 {
    /// Calls that share one connection; for more there are more connections. A target may want fewer.
    #[schemars(range(max = 1000))]
    pub streams: NonZeroUsize,
    /// Bytes of one reply that a target may send before they are read. The connection has room for this many of each
    /// stream, so an unread reply never stops another. Larger: faster downloads from a target far away.
    #[serde(with = "Window")]
    pub stream_window: u32,
}

impl Default for Http2 {
    fn default() -> Self {
        Self { streams: number::<100>(), stream_window: 256 << 10 }
    }
}

impl Http2 {
    /// The largest window that HTTP/2 knows (RFC 9113 §6.9.1).
    pub const MAX_WINDOW: u32 = (1 << 31) - 1;

    /// Bytes of all replies on a connection that may come before they are read: more than all streams may have
    /// together, so that unread replies never stop another.
    #[must_use]
    pub fn connection_window(&self) -> u32 {
        let streams = u32::try_from(self.streams.get()).unwrap_or(u32::MAX);
        self.stream_window.saturating_mul(streams.saturating_add(1)).min(Self::MAX_WINDOW)
    }
}

/// An upstream whose `http2` is checked.
#[derive(Clone, Copy)]
pub(super) struct Http2Upstream<'a> {
    /// Its name as a message may quote it.
    pub(super) name: &'a str,
    /// Its targets; `None` if they are wrong.
    pub(super) targets: Option<&'a [Target]>,
    /// Where it is written.
    pub(super) written: Written<'a>,
}

impl Resolver<'_> {
    pub(super) fn http2(&mut self, http2: &Http2, upstream: Http2Upstream<'_>) -> Resolved<Http2> {
        let written = upstream.written.key("http2");
        let may_be = |target: &Target| target.scheme != Scheme::Http;
        if written.span().is_some() && upstream.targets.is_some_and(|targets| !targets.iter().any(may_be)) {
            let message = format!("`http2` does nothing: no target of {} speaks HTTP/2", upstream.name);
            self.warn(written.span(), message, "write `h2c://`, `h2://` or `https://` targets");
        }
        let streams = u32::try_from(http2.streams.get()).unwrap_or(u32::MAX);
        let most = Http2::MAX_WINDOW / streams.saturating_add(1);
        if (MIN_WINDOW..=most).contains(&http2.stream_window) {
            return Ok(*http2);
        }
        self.refuse(
            written.key("stream_window").span().or(written.span()),
            format!("`stream_window` is not between 16 KiB and {} KiB", most >> 10),
            format!("a connection has room for the windows of {streams} streams, and for 2 GiB at most"),
        )
    }
}
