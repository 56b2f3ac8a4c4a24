//! `rate_limits`: how many items and requests a client may send in a time.

use std::num::NonZeroUsize;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::yaml::quantity::Rate;
use crate::config::yaml::wrappers::At;

/// A rate limit. An item of a batch, a line of a stream, a record of a bulk and a single request all cost
/// one; what no route takes costs nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RateLimitDocument {
    /// Its name in replies, metrics and logs.
    #[schemars(example = &"clients")]
    pub(in crate::config) name: At<String>,
    /// Who has a share of its own: each client `address` (of IPv6, its /64 network), each
    /// `client` that has a name by `auth` (others by address), each value of a field
    /// (`header:X-Tenant`), each `route`; or `all` share one.
    #[schemars(example = &"address")]
    pub(in crate::config) per: At<String>,
    /// How fast room comes back: `100/s`, `10/m`, `1000/h`, `5/d`.
    #[schemars(example = &"100/s")]
    pub(in crate::config) rate: Rate,
    /// How many may come at once after a pause.
    #[schemars(range(max = 1_000_000_000), example = &1000)]
    pub(in crate::config) burst: At<NonZeroUsize>,
    /// The names of the routes that it counts, which share it. All where this is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<String>", length(min = 1))]
    pub(in crate::config) routes: Option<Vec<At<String>>>,
    /// What becomes of a batch for which there is no room.
    #[serde(default)]
    pub(in crate::config) batch: LimitedBatchDocument,
    /// Shares that are remembered. Beyond that the one that was not used for the longest time is forgotten,
    /// and starts with the whole burst again.
    #[serde(default = "default_max_clients")]
    #[schemars(range(max = 16_777_216))]
    pub(in crate::config) max_clients: NonZeroUsize,
}

/// What becomes of a batch for which there is no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum LimitedBatchDocument {
    /// Its first items run, as many as there is room for; the others end in 429.
    #[default]
    Cut,
    /// All of it is refused with 429, so that it runs as a whole or not at all. A stream is cut.
    Whole,
}

fn default_max_clients() -> NonZeroUsize {
    NonZeroUsize::new(65536).unwrap_or(NonZeroUsize::MIN)
}
