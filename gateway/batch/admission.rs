//! Why admission refuses a client: a rate limit, its identity, or a loop of gateways. The same for a batch, an item and a
//! single request, so that a batch can't evade any of them. Which status each variant gets is decided in
//! `problem` only.

use std::sync::Arc;
use std::time::Duration;

/// Admission refuses the request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdmissionRefusal {
    /// A rate limit is exhausted for now.
    #[error("the rate limit `{limit}` has no room for it now (rate_limits)")]
    RateLimited {
        /// The limit's name.
        limit: Arc<str>,
        /// When there is room again, in whole seconds.
        retry_after: Duration,
    },
    /// The client is not authenticated: a credential is missing or wrong.
    #[error("{problem} (auth)")]
    Unauthenticated {
        /// What is wrong, as the start of a sentence.
        problem: &'static str,
        /// The value of WWW-Authenticate (RFC 9110 §11.6.1).
        challenge: String,
    },
    /// The client is known and has no access.
    #[error("this client may not come in (auth.forward)")]
    Forbidden,
    /// The service that decides on access does not answer.
    #[error("the service that says who may come in does not answer (auth.forward)")]
    AuthenticationUnavailable,
    /// The request passed so many gateways of this kind that it must be in a loop.
    #[error("the request has passed a gateway of this kind {passed} times already (limits.hops)")]
    Loop {
        /// How often its Via says so.
        passed: usize,
    },
    /// A batch has more items than its rate limit ever admits at once.
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
