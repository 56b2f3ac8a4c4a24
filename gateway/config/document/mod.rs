//! The configuration file 1:1: what the operator wrote, with defaults, before any name is looked up.
//!
//! Every doc comment here is a description in the published JSON Schema, and every default stands
//! in it. No `flatten` and no internally tagged enum: both lose the places of what is inside.

mod auth;
mod batch;
mod bulk;
mod gateway;
mod listener;
mod rate_limit;
mod resilience;
mod route;
mod upstream;

use std::num::NonZeroUsize;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::yaml::wrappers::At;
use super::yaml::wrappers::Named;
use super::yaml::wrappers::OneOrMany;
pub(super) use auth::{
    ApiKeysDocument, AuthDocument, ForwardAuthDocument, JwtAlgorithmDocument, JwtDocument,
};
use batch::default_batch;
pub(super) use batch::{BatchDocument, DialectDocument, OrderDocument};
pub(super) use bulk::BulkDocument;
pub(super) use gateway::{
    CorsDocument, DrainDocument, LimitsDocument, LogDocument, LogFormatDocument, ResolverDocument,
};
pub(super) use listener::{ListenDocument, TlsDocument};
pub(super) use rate_limit::{LimitedBatchDocument, RateLimitDocument};
pub(super) use resilience::{BreakerDocument, FailureDocument, HealthCheckDocument, RetryDocument};
pub(super) use route::{RespondDocument, RouteDocument};
pub(super) use upstream::{
    BalanceDocument, HeaderValueDocument, HeadersDocument, Http2Document, RateDocument, TargetDocument,
    TimeoutDocument, UpstreamDocument, UpstreamTlsDocument,
};

/// Everything one batchgate does: where it listens, which upstreams it knows, which routes lead to
/// them, and which paths take batches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "batchgate configuration")]
pub(super) struct Document {
    /// Where clients come in: one address or a list.
    #[schemars(example = &"0.0.0.0:8080")]
    pub(super) listen: OneOrMany<ListenDocument>,

    /// Where operators come in: `/metrics`, `/healthz`, `/readyz`, `/config` and `/targets`. An IP address with
    /// a port, `unix:/path`, or `off`.
    #[serde(default = "default_admin")]
    pub(super) admin: At<String>,

    /// The services behind the gateway, by name.
    #[serde(default)]
    pub(super) upstreams: Named<UpstreamDocument>,

    /// Which paths lead where; the longest path prefix wins.
    #[schemars(length(min = 1), extend("examples" = [[{ "path": "/", "upstream": "NAME" }]]))]
    pub(super) routes: Vec<At<RouteDocument>>,

    /// The batch endpoints: each takes batches by POST at its own path.
    #[serde(default = "default_batch")]
    #[schemars(length(min = 1))]
    pub(super) batch: Vec<At<BatchDocument>>,

    /// The bulk routes: each takes a collection of data at its own path, and makes an item of each record.
    #[serde(default)]
    pub(super) bulk: Vec<At<BulkDocument>>,

    /// Who may come in; all where this is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "AuthDocument")]
    pub(super) auth: Option<At<AuthDocument>>,

    /// How many items and requests clients may send in a time; each has to find room in all of these.
    #[serde(default)]
    pub(super) rate_limits: Vec<At<RateLimitDocument>>,

    /// Proxies whose X-Forwarded-For says where a client is: networks (`10.0.0.0/8`), addresses, or `unix` for whoever
    /// comes over a Unix socket.
    #[serde(default)]
    #[schemars(extend("examples" = [["10.0.0.0/8", "2001:db8::/32"]]))]
    pub(super) trusted_proxies: Vec<At<String>>,

    /// How names of targets are looked up.
    #[serde(default)]
    pub(super) resolver: ResolverDocument,

    /// Limits of the whole gateway.
    #[serde(default)]
    pub(super) limits: LimitsDocument,

    /// What is logged, and how.
    #[serde(default)]
    pub(super) log: LogDocument,

    /// How the gateway ends on SIGTERM, or after a hand-over (SIGQUIT).
    #[serde(default)]
    pub(super) drain: DrainDocument,

    /// Worker threads; one for each core where this is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "NonZeroUsize", range(max = 1024))]
    pub(super) threads: Option<NonZeroUsize>,

    /// Web pages of other origins that may use the batch endpoints.
    #[serde(default)]
    pub(super) cors: CorsDocument,
}

fn default_admin() -> At<String> {
    "127.0.0.1:9901".to_owned().into()
}
