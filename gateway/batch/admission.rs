//! Why a client is not let in, or not now: a rate limit, who it is, or that it is a gateway in a loop. The same for a batch, an item and a
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
    /// Who asks did not show that it may: a credential is missing, or is not right.
    #[error("{problem} (auth)")]
    Unauthenticated {
        /// What is wrong, as the start of a sentence.
        problem: &'static str,
        /// The value of WWW-Authenticate (RFC 9110 §11.6.1).
        challenge: String,
    },
    /// Who asks is known, and may not come in.
    #[error("this client may not come in (auth.forward)")]
    Forbidden,
    /// Nobody can tell now whether the client may come in.
    #[error("the service that says who may come in does not answer (auth.forward)")]
    AuthenticationUnavailable,
    /// The request has come through gateways of this kind so often that it must go round in circles.
    #[error("the request has passed a gateway of this kind {passed} times already (limits.hops)")]
    Loop {
        /// How often its Via says so.
        passed: usize,
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
