//! What follows from a look-up of a name: when to look again, and whether it failed. One rule for hosts and services.

use std::time::Duration;

use crate::telemetry::LookupFailure;

/// The least time until the next look-up, however short an answer's time to live is.
const AT_LEAST: Duration = Duration::from_secs(1);
/// The most time, however long it is: a name may move sooner than its answer said, and `/etc/hosts` says nothing.
const AT_MOST: Duration = Duration::from_secs(300);
/// The time until the next look-up after one that failed.
pub(super) const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// What has to be done after a look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Learnt {
    /// When to look again.
    pub(crate) again_after: Duration,
    /// Why the look-up failed, for both families or for one.
    pub(crate) failure: Option<LookupFailure>,
}

impl Learnt {
    /// From an answer that there is nothing, which is as good as any.
    pub(super) const fn nothing() -> Self {
        Self { again_after: AT_MOST, failure: None }
    }

    /// From an answer that holds for so long.
    pub(super) fn good_for(holds: Duration) -> Self {
        Self { again_after: holds.clamp(AT_LEAST, AT_MOST), failure: None }
    }

    pub(super) const fn failed(failure: LookupFailure) -> Self {
        Self { again_after: AGAIN_AFTER, failure: Some(failure) }
    }
}
