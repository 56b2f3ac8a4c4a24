//! `limits`: limits of the gateway as a process, for all endpoints and upstreams together.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::defaults::number;
use super::resolver::{Resolved, Resolver};
use super::yaml::quantity::{ByteSize, TimeLimit, Window};
use crate::http1::HeadLimits;

/// The windows that a client's HTTP/2 connection can have: RFC 9113 §6.9.1 sets the most, and less than what any client
/// may send at first would have no effect.
const WINDOWS: std::ops::RangeInclusive<u32> = 65_535..=(1 << 31) - 1;

/// `limits.memory` has to have room for this many bodies of a batch: the one as sent and the one decoded.
const BODIES: usize = 2;

/// The part of `limits.memory` that the eldest batch can always have for its replies.
const REPLIES: usize = 3;

/// pingora reads no larger head, and the url library no longer target.
const MAX_HEADER_BYTES: usize = 1 << 20;
const MAX_TARGET_BYTES: usize = 65_534;

/// Limits of the gateway, for all endpoints and upstreams together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of bodies held at once, of all batches together.
    #[serde(with = "ByteSize")]
    pub memory: usize,
    /// Connections of clients at once.
    #[schemars(range(max = 1_048_576))]
    pub connections: NonZeroUsize,
    /// Connections at once from one address, which is one IPv4 address or an IPv6 network of 64 bits.
    #[schemars(range(max = 1_048_576))]
    pub connections_per_address: NonZeroUsize,
    /// How often a request may pass a gateway of this kind, this time included. What goes round more often, by its
    /// Via, is in a loop.
    #[schemars(range(max = 100))]
    pub hops: NonZeroUsize,
    /// Bytes of a request's head over HTTP/1.1, its line ends included; more is a 431.
    #[serde(with = "ByteSize")]
    pub header_bytes: usize,
    /// Field lines of a request over HTTP/1.1; more is a 431.
    #[schemars(range(max = 256))]
    pub header_fields: NonZeroUsize,
    /// Bytes of a request's target (its path and query, or its url) over HTTP/1.1; more is a 414.
    #[serde(with = "ByteSize")]
    pub target_bytes: usize,
    /// A request's complete header must have arrived by then, from its first byte.
    #[serde(with = "TimeLimit")]
    pub header_timeout: Duration,
    /// A batch's complete body must have arrived by then. Of other requests: how long the gateway waits for the body in
    /// total, and a second more for each KiB that comes; not of gRPC calls.
    #[serde(with = "TimeLimit")]
    pub body_timeout: Duration,
    /// How long a reply may stall.
    #[serde(with = "TimeLimit")]
    pub write_timeout: Duration,
    /// Idle connections kept to all upstreams together.
    #[schemars(range(max = 65536))]
    pub idle_connections: usize,
    /// How long an idle connection to an upstream is kept.
    #[serde(with = "TimeLimit")]
    pub idle_timeout: Duration,
    /// How long a client's idle connection is kept.
    #[serde(with = "TimeLimit")]
    pub keepalive_timeout: Duration,
    /// Requests at once on one HTTP/2 connection of a client.
    #[schemars(range(max = 10_000))]
    pub http2_streams: NonZeroU32,
    /// Bytes that a request over HTTP/2 may send before they are read. A connection has room for that many of
    /// all its requests together, so one that stalls does not stop the others.
    #[serde(with = "Window")]
    pub http2_stream_window: u32,
}

impl Default for Limits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            memory: 512 << 20,
            connections: number::<10_000>(),
            connections_per_address: number::<1000>(),
            hops: number::<5>(),
            header_bytes: 64 << 10,
            header_fields: number::<256>(),
            target_bytes: 16 << 10,
            header_timeout: seconds(15),
            body_timeout: seconds(60),
            write_timeout: seconds(30),
            idle_connections: 512,
            idle_timeout: seconds(60),
            keepalive_timeout: seconds(75),
            http2_streams: NonZeroU32::new(100).unwrap_or(NonZeroU32::MIN),
            http2_stream_window: 64 << 10,
        }
    }
}

impl Limits {
    /// How large the head of a request may be.
    #[must_use]
    pub const fn heads(&self) -> HeadLimits {
        HeadLimits { bytes: self.header_bytes, fields: self.header_fields.get(), target: self.target_bytes }
    }
}

/// The most that one batch may bring and get, over all batch endpoints and bulk routes.
#[derive(Clone, Copy, Debug)]
pub(super) struct LargestBatch {
    /// Bytes of its body.
    pub(super) body: usize,
    /// Bytes of the bodies of its replies.
    pub(super) reply: usize,
}

impl Resolver<'_> {
    pub(super) fn limits(&mut self, limits: &Limits, largest: LargestBatch) -> Resolved<Limits> {
        let memory = self.memory(limits, largest);
        let heads = self.heads(limits);
        memory?;
        heads?;
        let window = limits.http2_stream_window.clamp(*WINDOWS.start(), *WINDOWS.end());
        Ok(Limits { http2_stream_window: window, ..*limits })
    }

    /// Refuses heads that are larger than can be read, and those without room for a request.
    fn heads(&mut self, limits: &Limits) -> Resolved<()> {
        let Limits { header_bytes, target_bytes, .. } = *limits;
        let written = self.written.key("limits");
        let (header_span, target_span) =
            (written.key("header_bytes").span(), written.key("target_bytes").span());
        let mut fits = Ok(());
        if !(256..MAX_HEADER_BYTES).contains(&header_bytes) {
            let help = "choose at least 256B and less than 1MiB";
            fits = self.refuse(header_span, "`header_bytes` is out of range", help);
        }
        if !(1..=MAX_TARGET_BYTES).contains(&target_bytes) {
            let help = "choose at least 1B and at most 65534B";
            fits = self.refuse(target_span, "`target_bytes` is out of range", help);
        } else if target_bytes >= header_bytes && target_span.is_some() {
            let message = "`target_bytes` is not smaller than `header_bytes`, which counts the target too";
            self.warn(target_span, message, "raise `header_bytes`, or lower `target_bytes`");
        }
        fits
    }

    /// Refuses a memory in which a batch that is within its own limits would never have room.
    fn memory(&mut self, limits: &Limits, largest: LargestBatch) -> Resolved<()> {
        let memory = limits.memory;
        let span = self.written.key("limits").key("memory").span();
        let least = largest.body.saturating_mul(BODIES * 2);
        if memory < least {
            let message = "`memory` is too small for the largest batch that may come";
            let help = format!(
                "raise it to {}MiB at least, which is four times `max_body`, or lower `max_body`",
                least.div_ceil(1 << 20)
            );
            return self.refuse(span, message, help);
        }
        if span.is_some() && largest.reply > memory / REPLIES {
            let message =
                "one batch's replies may be more than `memory` has room for in addition to other batches";
            self.warn(span, message, "raise it to three times `max_reply`, or lower `max_reply`");
        }
        Ok(())
    }
}
