//! What an upstream's calls do when its targets fail: retries, the circuit breaker, health checks.

use std::num::NonZeroUsize;
use std::time::Duration;

use http::StatusCode;
use http::uri::PathAndQuery;

use crate::dispatch::{CallFailure, FailureKind};

/// Kinds of failure of a call, each of which may or may not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FailureKinds {
    /// No connection could be opened; nothing was sent.
    pub connect: bool,
    /// The connection broke before the reply was complete.
    pub lost: bool,
    /// No complete reply in time.
    pub timeout: bool,
}

impl FailureKinds {
    /// Whether a failure is of one of these kinds.
    #[must_use]
    pub const fn count(self, failure: CallFailure) -> bool {
        match failure.kind() {
            Some(FailureKind::Connect) => self.connect,
            Some(FailureKind::Lost) => self.lost,
            Some(FailureKind::Timeout) => self.timeout,
            None => false,
        }
    }
}

/// When a call is made once more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Attempts of one call in all; 1: no retries.
    pub attempts: NonZeroUsize,
    /// Retries for every hundred calls of the last ten seconds.
    pub budget: u64,
    /// The failures after which there is a retry.
    pub on: FailureKinds,
    /// The statuses after which there is a retry.
    pub status: Vec<StatusCode>,
    /// How long an attempt may take while another may follow it.
    pub timeout: Option<Duration>,
}

/// When a target that keeps failing gets no calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// Failures in a row that eject a target.
    pub failures: NonZeroUsize,
    /// The failures that count.
    pub on: FailureKinds,
    /// The statuses that count as failures.
    pub status: Vec<StatusCode>,
    /// How long the first ejection lasts; each further one lasts twice as long.
    pub base: Duration,
    /// How long an ejection lasts at most.
    pub max: Duration,
    /// How many of a hundred addresses may be ejected at once, rounded down; 0: none ever is.
    pub max_ejected: u64,
}

/// How targets are asked whether they are well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// What is asked for, with GET.
    pub path: PathAndQuery,
    /// From the end of one check to the start of the next.
    pub interval: Duration,
    /// How long a check may take.
    pub timeout: Duration,
    /// Good checks in a row that bring a target back.
    pub healthy: NonZeroUsize,
    /// Failed checks in a row that take a target out.
    pub unhealthy: NonZeroUsize,
    /// The statuses of a good check; empty: 200 to 399.
    pub status: Vec<StatusCode>,
}
