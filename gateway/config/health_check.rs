//! `health_check` of an upstream: how each target is asked whether it is well.

use std::num::NonZeroUsize;
use std::time::Duration;

use http::StatusCode;
use http::uri::PathAndQuery;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::resolver::{Resolved, Resolver};
use super::status::Statuses;
use super::yaml::quantity::TimeLimit;
use super::yaml::written::Written;

/// How each target is asked from time to time whether it is well; one that is not gets no calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HealthCheck {
    /// The path to GET.
    #[schemars(example = &"/health")]
    pub path: String,
    /// The time between two checks.
    #[serde(default = "default_interval", with = "TimeLimit")]
    pub interval: Duration,
    /// How long a check may take.
    #[serde(default = "default_timeout", with = "TimeLimit")]
    pub timeout: Duration,
    /// Good checks in a row that bring a target back.
    #[serde(default = "default_healthy")]
    pub healthy: NonZeroUsize,
    /// Failed checks in a row that take a target out.
    #[serde(default = "default_unhealthy")]
    pub unhealthy: NonZeroUsize,
    /// The statuses of a good check; none here: 200 to 399.
    #[serde(default, with = "Statuses")]
    #[schemars(inner(range(min = 200, max = 599)))]
    pub status: Vec<StatusCode>,
}

impl Resolver<'_> {
    pub(super) fn health_check(
        &mut self,
        check: &HealthCheck,
        upstream: Written<'_>,
    ) -> Resolved<HealthCheck> {
        if check.path.starts_with('/') && check.path.parse::<PathAndQuery>().is_ok() {
            return Ok(check.clone());
        }
        let path = upstream.key("health_check").key("path");
        let message = format!("{} is not a path", path.shown(&check.path));
        self.refuse(path.span(), message, "write a path such as `/health`")
    }
}

const fn default_interval() -> Duration {
    Duration::from_secs(2)
}

const fn default_timeout() -> Duration {
    Duration::from_secs(1)
}

const fn default_healthy() -> NonZeroUsize {
    NonZeroUsize::MIN.saturating_add(1)
}

const fn default_unhealthy() -> NonZeroUsize {
    NonZeroUsize::MIN.saturating_add(2)
}
