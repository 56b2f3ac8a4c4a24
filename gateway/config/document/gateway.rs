//! `limits`, `log`, `drain` and `cors`: what holds for the whole gateway.

use std::num::NonZeroUsize;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::yaml::quantity::{ByteSize, Delay, TimeLimit};
use crate::config::yaml::wrappers::At;

/// How names of targets are looked up. `/etc/hosts` comes first in any case.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct ResolverDocument {
    /// Name servers to ask: IP addresses, with a port where it is not 53. None: those of `/etc/resolv.conf`.
    #[schemars(extend("examples" = [["10.0.0.2", "127.0.0.1:5353"]]))]
    pub(in crate::config) servers: Vec<At<String>>,
}

/// Limits of the whole gateway.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct LimitsDocument {
    /// Bytes of bodies held at once, of all batches together.
    pub(in crate::config) memory: At<ByteSize>,
    /// Connections of clients at once.
    #[schemars(range(max = 1_048_576))]
    pub(in crate::config) connections: NonZeroUsize,
    /// Connections at once from one address, which is one IPv4 address or an IPv6 network of 64 bits.
    #[schemars(range(max = 1_048_576))]
    pub(in crate::config) connections_per_address: NonZeroUsize,
    /// How often a request may pass a gateway of this kind, this time included. What goes round more often, by its
    /// Via, is in a loop.
    #[schemars(range(max = 100))]
    pub(in crate::config) hops: NonZeroUsize,
    /// Bytes of a request's head over HTTP/1.1, its line ends included; more is a 431.
    pub(in crate::config) header_bytes: At<ByteSize>,
    /// Field lines of a request over HTTP/1.1; more is a 431.
    #[schemars(range(max = 256))]
    pub(in crate::config) header_fields: NonZeroUsize,
    /// Bytes of a request's target (its path and query, or its url) over HTTP/1.1; more is a 414.
    pub(in crate::config) target_bytes: At<ByteSize>,
    /// A request's whole header must have arrived by then, from its first byte.
    pub(in crate::config) header_timeout: TimeLimit,
    /// A batch's whole body must have arrived by then. Of other requests: how long the gateway waits for the body in
    /// total, and a second more for each KiB that comes; not of gRPC calls.
    pub(in crate::config) body_timeout: TimeLimit,
    /// A reply may stand still for so long.
    pub(in crate::config) write_timeout: TimeLimit,
    /// Idle connections kept to all upstreams together.
    #[schemars(range(max = 65536))]
    pub(in crate::config) idle_connections: u64,
    /// How long an idle connection to an upstream is kept.
    pub(in crate::config) idle_timeout: TimeLimit,
    /// How long a client's idle connection is kept.
    pub(in crate::config) keepalive_timeout: TimeLimit,
    /// Requests at once on one HTTP/2 connection of a client.
    #[schemars(range(max = 10_000))]
    pub(in crate::config) http2_streams: NonZeroUsize,
    /// Bytes that a request over HTTP/2 may send ahead of whoever reads them. A connection has room for that many of
    /// all its requests together, so one that stands still does not stop the others.
    pub(in crate::config) http2_stream_window: At<ByteSize>,
}

impl Default for LimitsDocument {
    fn default() -> Self {
        let seconds = |seconds| TimeLimit(Duration::from_secs(seconds));
        let number = |number| NonZeroUsize::new(number).unwrap_or(NonZeroUsize::MIN);
        Self {
            memory: ByteSize(512 << 20).into(),
            connections: number(10_000),
            connections_per_address: number(1000),
            hops: number(5),
            header_bytes: ByteSize(64 << 10).into(),
            header_fields: number(256),
            target_bytes: ByteSize(16 << 10).into(),
            header_timeout: seconds(15),
            body_timeout: seconds(60),
            write_timeout: seconds(30),
            idle_connections: 512,
            idle_timeout: seconds(60),
            keepalive_timeout: seconds(75),
            http2_streams: number(100),
            http2_stream_window: ByteSize(64 << 10).into(),
        }
    }
}

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct LogDocument {
    /// How a line looks.
    pub(in crate::config) format: LogFormatDocument,
    /// `off`, `error`, `warn`, `info`, `debug` or `trace`; also by part: `warn,batchgate=debug`.
    pub(in crate::config) level: At<String>,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum LogFormatDocument {
    /// One JSON object a line.
    #[default]
    Json,
    /// Text for people.
    Text,
}

impl Default for LogDocument {
    fn default() -> Self {
        Self { format: LogFormatDocument::Json, level: "info".to_owned().into() }
    }
}

/// How the gateway ends on SIGTERM, or after a hand-over (SIGQUIT).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct DrainDocument {
    /// Keeps accepting for so long after `/readyz` turned 503, until balancers have noticed.
    pub(in crate::config) delay: Delay,
    /// Ends the last batches, requests and streams after this time, at the latest.
    pub(in crate::config) deadline: TimeLimit,
}

impl Default for DrainDocument {
    fn default() -> Self {
        Self { delay: Delay(Duration::ZERO), deadline: TimeLimit(Duration::from_secs(30)) }
    }
}

/// Web pages of other origins that may use the batch endpoints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct CorsDocument {
    /// Origins (`https://app.example`) whose pages may send batches and read the replies.
    pub(in crate::config) allow_origins: Vec<At<String>>,
    /// Fields of a batch that they may set.
    pub(in crate::config) allow_headers: Vec<At<String>>,
    /// Whether the browser sends its cookies along.
    pub(in crate::config) allow_credentials: bool,
    /// How long a browser may remember that it may.
    pub(in crate::config) max_age: Delay,
}

impl Default for CorsDocument {
    fn default() -> Self {
        Self {
            allow_origins: Vec::new(),
            allow_headers: ["Content-Type", "Prefer"].map(|name| name.to_owned().into()).into(),
            allow_credentials: false,
            max_age: Delay(Duration::from_secs(600)),
        }
    }
}
