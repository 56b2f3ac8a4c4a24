//! `health_check` of an upstream: how each target is asked whether it is well.

use std::num::NonZeroUsize;
use std::time::Duration;

use http::StatusCode;
use http::uri::PathAndQuery;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::defaults::{number, seconds};
use super::resolver::{Resolved, Resolver};
use super::status;
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
    #[serde(default = "seconds::<2>", with = "TimeLimit")]
    pub interval: Duration,
    /// How long a check may take.
    #[serde(default = "seconds::<1>", with = "TimeLimit")]
    pub timeout: Duration,
    /// Good checks in a row that bring a target back.
    #[serde(default = "number::<2>")]
    pub healthy: NonZeroUsize,
    /// Failed checks in a row that take a target out.
    #[serde(default = "number::<3>")]
    pub unhealthy: NonZeroUsize,
    /// The statuses of a good check; none here: 200 to 399.
    #[serde(default, with = "status")]
    #[schemars(with = "Vec<u16>", inner(range(min = 200, max = 599)))]
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
