//! Why a client is not let in, or not now: a rate limit, or who it is. The same for a batch, an item and a
//! single request, so that a batch goes around nothing. Which status each variant gets is decided in
//! `stitch::problem` only.

use std::sync::Arc;
use std::time::Duration;

/// The gateway does not let this in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdmissionRefusal {
    /// A rate limit has no room for it now.
    #[error("the rate limit `{limit}` has no room for it now (rate_limits)")]
    RateLimited {
        /// The limit's name.
        limit: Arc<str>,
        /// When there is room again, in whole seconds.
        retry_after: Duration,
    },
    /// A batch has more items than its rate limit ever lets in at once.
    #[error(
        "the batch has more items than the {burst} that the rate limit `{limit}` lets in at once (burst)"
    )]
    OverBurst {
        /// The limit's name.
        limit: Arc<str>,
        /// Items that it lets in at once.
        burst: u32,
    },
}
