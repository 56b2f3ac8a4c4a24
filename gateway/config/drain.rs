//! `drain`: how the gateway ends.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::yaml::quantity::{Delay, TimeLimit};

/// How the gateway ends on SIGTERM, or after a hand-over (SIGQUIT).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Drain {
    /// Keeps accepting for so long after `/readyz` turned 503, until balancers have noticed.
    #[serde(with = "Delay")]
    pub delay: Duration,
    /// Ends the last batches, requests and streams after this time, at the latest.
    #[serde(with = "TimeLimit")]
    pub deadline: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        Self { delay: Duration::ZERO, deadline: Duration::from_secs(30) }
    }
}
