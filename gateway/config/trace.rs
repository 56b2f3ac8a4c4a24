//! `trace` of a batch endpoint or a bulk route: which of its items are kept and logged although they succeeded.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::yaml::quantity::OptionalTimeLimit;

/// Which items of an endpoint are kept and logged although they succeeded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct TraceDocument {
    /// An item that takes this long is slow. Absent: as `log.slow` says.
    #[serde(with = "OptionalTimeLimit", skip_serializing_if = "Option::is_none")]
    pub(in crate::config) slow: Option<Duration>,
}
