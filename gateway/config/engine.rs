//! How calls are made: one at a time on a connection, ahead of the replies (`pipeline` of an upstream), or over HTTP/2.

use std::num::NonZeroUsize;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::defaults::number;
use super::resolver::Resolver;
use super::target::Target;
use super::yaml::quantity::Delay;
use super::yaml::written::Written;

/// Sends the requests of a batch ahead of their replies over HTTP/1.1, several in one write (RFC 9112 §9.3.2). That costs both
/// sides much less, if the service answers fast and reads ahead, as nginx and most servers do. Only calls that may be sent
/// twice (GET, HEAD, OPTIONS, TRACE, PUT, DELETE) with a body of at most 8 KiB go ahead: if the connection breaks, those
/// without a reply are sent again, two at a time. Absent: one request at a time on each connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Pipeline {
    /// Requests of a batch that wait for their replies on one connection; for more there are more connections.
    #[schemars(range(max = 256))]
    pub depth: NonZeroUsize,
    /// How long a call waits for the replies before its own. Then it is sent again on a connection of its own.
    #[serde(with = "Delay")]
    pub patience: Duration,
}

impl Default for Pipeline {
    fn default() -> Self {
        Self { depth: number::<16>(), patience: Duration::from_millis(50) }
    }
}

/// How calls are made (`gateway/ARCHITECTURE.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// HTTP/1.1: a few connections of a batch, each held for a run of calls.
    Held,
    /// HTTP/1.1: requests are sent ahead of the replies on a connection.
    Pipeline(Pipeline),
    /// HTTP/2: many calls share a connection. Follows from `h2://` and `h2c://` targets.
    H2,
}

impl Resolver<'_> {
    /// How calls are made. `written`: the upstream.
    pub(super) fn engine(
        &mut self,
        pipeline: Option<Pipeline>,
        targets: &[Target],
        written: Written<'_>,
    ) -> Engine {
        let is_http2 = targets.iter().any(|target| target.scheme.is_http2());
        if is_http2 && pipeline.is_some() {
            let help = "HTTP/2 sends requests ahead anyway; remove `pipeline`";
            let message = "`pipeline` does nothing: a target speaks HTTP/2";
            self.warn(written.key("pipeline").span(), message, help);
        }
        match pipeline {
            _ if is_http2 => Engine::H2,
            Some(pipeline) => Engine::Pipeline(pipeline),
            None => Engine::Held,
        }
    }
}
