//! Why a client is not let in, or not now: a rate limit, its identity, or a loop of gateways. The same for a batch, an
//! item and a single request, so that a batch is not a way around any of them. Status codes are picked in
//! `problem::table` only.

use std::sync::Arc;
use std::time::Duration;

/// The gateway does not let the client in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdmissionRefusal {
    /// A rate limit is exceeded.
    #[error("the rate limit `{limit}` is exceeded (rate_limits)")]
    RateLimited {
        /// The limit's name.
        limit: Arc<str>,
        /// When there is room again, in full seconds.
        retry_after: Duration,
    },
    /// A credential is missing or invalid.
    #[error("{problem} (auth)")]
    Unauthenticated {
        /// The problem, as the start of a sentence.
        problem: &'static str,
        /// The value of WWW-Authenticate (RFC 9110 §11.6.1).
        challenge: String,
    },
    /// The client is known and has no access.
    #[error("the authentication service refused this client (auth.forward)")]
    Forbidden,
    /// No credential gives access, so a client is not asked for one (RFC 9110 §15.5.4).
    #[error("no credential gives access here (auth)")]
    NoWay,
    /// The client is known by another credential than the route wants.
    #[error("the route of this item wants another credential than the one that came with the batch (auth)")]
    OtherCredential,
    /// It is not known now whether the client has access.
    #[error("{problem}")]
    AuthenticationUnavailable {
        /// Why, with the key.
        problem: &'static str,
    },
    /// The client has sent too many wrong passwords.
    #[error("too many wrong passwords came from here (auth.basic); wait before the next one")]
    WrongPasswords {
        /// When the next one is checked.
        retry_after: Duration,
    },
    /// The request has passed more gateways of this kind than `limits.hops` allows, so it must be in a loop.
    #[error(
        "the request has already passed {passed} gateways of this kind (limits.hops), so it is probably sent in a circle"
    )]
    Loop {
        /// The number of them in its Via.
        passed: usize,
    },
    /// A batch has more items than the rate limit ever allows at once.
    #[error(
        "the batch has more items than the {burst} that the rate limit `{limit}` allows at once (burst); split it"
    )]
    OverBurst {
        /// The limit's name.
        limit: Arc<str>,
        /// Items that it allows at once.
        burst: u32,
    },
}
