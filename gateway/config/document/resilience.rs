//! `retry`, `breaker` and `health_check` of an upstream.

use std::num::NonZeroUsize;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::yaml::quantity::{Percent, TimeLimit};
use crate::config::yaml::wrappers::At;

/// When a call is made once more. Only a call of which no byte was sent, or whose method is idempotent, ever is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RetryDocument {
    /// Attempts of one call in all; 1: no retries.
    #[schemars(range(max = 10))]
    pub(in crate::config) attempts: At<NonZeroUsize>,
    /// Retries to calls of the last 10 seconds, at most; 10 in that time are always allowed.
    pub(in crate::config) budget: Percent,
    /// The failures after which there is a retry.
    pub(in crate::config) on: Vec<At<FailureDocument>>,
    /// The statuses after which there is a retry.
    #[schemars(inner(range(min = 400, max = 599)))]
    pub(in crate::config) status: Vec<u16>,
    /// How long an attempt may take while another may follow; needed where `on` has `timeout`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "TimeLimit")]
    pub(in crate::config) timeout: Option<At<TimeLimit>>,
}

impl Default for RetryDocument {
    fn default() -> Self {
        Self {
            attempts: NonZeroUsize::MIN.saturating_add(1).into(),
            budget: Percent(20),
            on: vec![FailureDocument::Connect.into(), FailureDocument::Lost.into()],
            status: Vec::new(),
            timeout: None,
        }
    }
}

/// A way in which a call fails without a status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum FailureDocument {
    /// No connection could be opened.
    #[default]
    Connect,
    /// The connection broke before the reply was complete.
    Lost,
    /// No complete reply in time.
    Timeout,
}

/// When a target that keeps failing gets no calls for a while. One call then tries it; if that fails too, the
/// while is twice as long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct BreakerDocument {
    /// Failures in a row that eject a target.
    #[schemars(range(max = 1000))]
    pub(in crate::config) failures: NonZeroUsize,
    /// The failures that count.
    pub(in crate::config) on: Vec<FailureDocument>,
    /// The statuses that count as failures.
    #[schemars(inner(range(min = 400, max = 599)))]
    pub(in crate::config) status: Vec<u16>,
    /// How long the first ejection lasts.
    pub(in crate::config) base: TimeLimit,
    /// How long an ejection lasts at most.
    pub(in crate::config) max: At<TimeLimit>,
    /// The share of the targets that may be ejected at once, rounded down; `0%` turns the breaker off.
    pub(in crate::config) max_ejected: Percent,
}

impl Default for BreakerDocument {
    fn default() -> Self {
        Self {
            failures: NonZeroUsize::MIN.saturating_add(4),
            on: vec![FailureDocument::Connect],
            status: Vec::new(),
            base: TimeLimit(Duration::from_secs(1)),
            max: TimeLimit(Duration::from_secs(30)).into(),
            max_ejected: Percent(100),
        }
    }
}

/// How each target is asked from time to time whether it is well; one that is not gets no calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct HealthCheckDocument {
    /// The path to GET.
    #[schemars(example = &"/health")]
    pub(in crate::config) path: At<String>,
    /// The time between two checks.
    #[serde(default = "default_interval")]
    pub(in crate::config) interval: TimeLimit,
    /// How long a check may take.
    #[serde(default = "default_timeout")]
    pub(in crate::config) timeout: TimeLimit,
    /// Good checks in a row that bring a target back.
    #[serde(default = "default_healthy")]
    pub(in crate::config) healthy: NonZeroUsize,
    /// Failed checks in a row that take a target out.
    #[serde(default = "default_unhealthy")]
    pub(in crate::config) unhealthy: NonZeroUsize,
    /// The statuses of a good check; none here: 200 to 399.
    #[serde(default)]
    #[schemars(inner(range(min = 200, max = 599)))]
    pub(in crate::config) status: Vec<u16>,
}

const fn default_interval() -> TimeLimit {
    TimeLimit(Duration::from_secs(2))
}

const fn default_timeout() -> TimeLimit {
    TimeLimit(Duration::from_secs(1))
}

const fn default_healthy() -> NonZeroUsize {
    NonZeroUsize::MIN.saturating_add(1)
}

const fn default_unhealthy() -> NonZeroUsize {
    NonZeroUsize::MIN.saturating_add(2)
}
