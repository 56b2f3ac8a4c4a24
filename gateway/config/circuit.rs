//! `breaker` of an upstream: when a target that keeps failing gets no calls.

use std::num::NonZeroUsize;
use std::time::Duration;

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::defaults::number;
use super::failure_kinds::FailureKinds;
use super::resolver::{Resolved, Resolver};
use super::status;
use super::yaml::quantity::{Percent, TimeLimit};
use super::yaml::written::Written;

/// When a target that keeps failing gets no calls for a while. One call then tries it; if that fails too, the
/// while is twice as long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Breaker {
    /// Failures in a row that eject a target.
    #[schemars(range(max = 1000))]
    pub failures: NonZeroUsize,
    /// The failures that count.
    pub on: FailureKinds,
    /// The statuses that count as failures.
    #[schemars(with = "Vec<u16>", inner(range(min = 400, max = 599)))]
    #[serde(with = "status")]
    pub status: Vec<StatusCode>,
    /// How long the first ejection lasts.
    #[serde(with = "TimeLimit")]
    pub base: Duration,
    /// How long an ejection lasts at most.
    #[serde(with = "TimeLimit")]
    pub max: Duration,
    /// The share of the targets that may be ejected at once, rounded down; `0%` turns the breaker off.
    #[serde(with = "Percent")]
    pub max_ejected: u64,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            failures: number::<5>(),
            on: FailureKinds { connect: true, ..FailureKinds::default() },
            status: Vec::new(),
            base: Duration::from_secs(1),
            max: Duration::from_secs(30),
            max_ejected: 100,
        }
    }
}

impl Resolver<'_> {
    pub(super) fn breaker(&mut self, breaker: &Breaker, upstream: Written<'_>) -> Resolved<Breaker> {
        if breaker.max < breaker.base {
            return self.refuse(
                upstream.key("breaker").key("max").span(),
                "the longest ejection (`max`) is shorter than the first (`base`)",
                "write a `max` that is at least `base`",
            );
        }
        Ok(breaker.clone())
    }
}
