//! `timeout` of an upstream: how long its calls may take.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::resolver::{Resolved, Resolver};
use super::yaml::quantity::{OptionalTimeLimit, TimeLimit, TimeLimitOrOff};
use super::yaml::written::Written;

const DEFAULT_REQUEST: Duration = Duration::from_secs(600);

/// Time limits of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamTimeouts {
    /// To open a connection, TLS handshake included.
    #[serde(with = "TimeLimit")]
    pub connect: Duration,
    /// From the start of the call to the last byte of its reply; of a request that is not a batch, the time in which the
    /// service sends no byte.
    #[serde(with = "TimeLimit")]
    pub item: Duration,
    /// Of a request that is not a batch, from its turn to the last byte of its reply, retries included; where it is not
    /// written, at least `item`. Upgrades, event streams and gRPC calls have no such limit; another reply that streams
    /// has one if it is set to something other than the default.
    #[serde(with = "TimeLimit")]
    request: Duration,
    /// Of an upgraded connection or a streaming exchange: the time in which neither side sends a byte. Of a gRPC call
    /// also the time until its reply begins. `off`: no limit.
    #[serde(with = "TimeLimitOrOff")]
    pub idle: Option<Duration>,
}

impl Default for UpstreamTimeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(1),
            item: Duration::from_secs(5),
            request: DEFAULT_REQUEST,
            idle: Some(Duration::from_secs(300)),
        }
    }
}

/// Time limits of a route, in place of its upstream's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RouteTimeouts {
    /// As `timeout.item` of the upstream.
    #[serde(with = "OptionalTimeLimit", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "TimeLimit")]
    pub(in crate::config) item: Option<Duration>,
    /// As `timeout.request` of the upstream.
    #[serde(with = "OptionalTimeLimit", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "TimeLimit")]
    pub(in crate::config) request: Option<Duration>,
}

impl UpstreamTimeouts {
    /// The same, with the limits of a route in place of these.
    pub(super) fn with_route(self, route: RouteTimeouts) -> Self {
        Self { item: route.item.unwrap_or(self.item), request: route.request.unwrap_or(self.request), ..self }
    }

    /// The limit of a request that is not a batch, from its turn to the last byte of its reply.
    #[must_use]
    pub fn request(&self) -> Duration {
        self.request.max(self.item)
    }

    /// The same for a reply that streams, which has a limit only if one was set. Writing the default changes nothing.
    #[must_use]
    pub fn stream(&self) -> Option<Duration> {
        (self.request != DEFAULT_REQUEST).then_some(self.request)
    }

    /// The same, with `request` as long as it is in effect.
    pub(super) fn in_effect(self) -> Self {
        Self { request: self.request(), ..self }
    }
}

impl Resolver<'_> {
    pub(super) fn timeouts(
        &mut self,
        timeout: &UpstreamTimeouts,
        upstream: Written<'_>,
    ) -> Resolved<UpstreamTimeouts> {
        let span = upstream.key("timeout").key("request").span();
        if span.is_some() && timeout.request < timeout.item {
            return self.refuse(
                span,
                "a request (`timeout.request`) has less time than one wait for a byte of it (`timeout.item`)",
                "make `timeout.request` at least as long as `timeout.item`",
            );
        }
        Ok(*timeout)
    }
}
