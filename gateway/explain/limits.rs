//! The limits that an item's call is subject to, and when it would be retried.

use http::Method;
use serde::Serialize;

use crate::config::{Access, Auth, AuthWay, BatchEndpoint, Retry, Settings, Upstream};
use crate::limiter::{ClientShare, Rate};
use crate::problem::is_idempotent;
use crate::route::RouteIndex;

/// The limits of a call's upstream.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UpstreamLimits {
    pub(super) upstream_concurrency: usize,
    pub(super) upstream_queue: usize,
    /// The share of these that one client may use; absent if it is 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_share_percent: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) upstream_rate: Option<ExplainedRate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retry: Option<ExplainedRetry>,
}

/// How fast an upstream's calls may start.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExplainedRate {
    pub(super) interval_milliseconds: f64,
    pub(super) burst: usize,
}

/// When the call would be retried.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct ExplainedRetry {
    /// Including the first.
    pub(super) attempts: usize,
    /// The failures and statuses after which it is retried.
    pub(super) after: Vec<String>,
}

impl UpstreamLimits {
    pub(super) fn new(upstream: &Upstream, method: &Method) -> Self {
        Self {
            upstream_concurrency: upstream.concurrency.get(),
            upstream_queue: upstream.queue,
            client_share_percent: (upstream.client_share != ClientShare::ALL)
                .then(|| upstream.client_share.percent()),
            upstream_rate: upstream.rate.map(|Rate { interval, burst }| ExplainedRate {
                interval_milliseconds: interval.as_secs_f64() * 1e3,
                burst: burst.get(),
            }),
            retry: ExplainedRetry::new(&upstream.retry, method),
        }
    }
}

impl ExplainedRetry {
    /// A call that may have been carried out is retried only if its method is idempotent. `None`: never retried.
    fn new(retry: &Retry, method: &Method) -> Option<Self> {
        let attempts = retry.attempts.get();
        let again = is_idempotent(method);
        let failures = [
            ("connect", retry.on.connect),
            ("lost", retry.on.lost && again),
            ("timeout", retry.on.timeout && again),
        ];
        let failures = failures.into_iter().filter(|(_, counts)| *counts).map(|(word, _)| word.to_owned());
        let statuses = retry.status.iter().filter(|_| again).map(|status| status.as_str().to_owned());
        let after: Vec<_> = failures.chain(statuses).collect();
        (attempts > 1 && !after.is_empty()).then_some(Self { attempts, after })
    }
}

/// The rate limits that a request on this route counts towards, in the order they are checked.
pub(super) fn rate_limits(settings: &Settings, route: Option<RouteIndex>) -> Vec<String> {
    let counts = |limit: &&crate::config::RateLimit| route.is_some_and(|route| limit.counts(route));
    settings.rate_limits.iter().filter(counts).map(|limit| limit.name.to_string()).collect()
}

/// The ways in which a client can come in, or the one name or way that this endpoint wants; empty if there is no `auth`.
pub(super) fn ways_in(auth: Option<&Auth>, endpoint: &BatchEndpoint) -> Vec<String> {
    let Some(auth) = auth else { return Vec::new() };
    if let Some(wanted) = &endpoint.auth {
        return only(wanted).into_iter().collect();
    }
    let ways = AuthWay::ALL.into_iter().filter(|way| auth.ways.has(*way));
    ways.map(|way| way.as_str().to_owned()).collect()
}

/// The one way or name that gives access; `None`: everybody has it.
pub(super) fn only(wanted: &Access) -> Option<String> {
    match wanted {
        Access::Everybody => None,
        Access::Way(way) => Some(way.as_str().to_owned()),
        Access::Named(name) => Some(name.to_string()),
    }
}
