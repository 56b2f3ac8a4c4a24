//! Who may come in, and how often: the settings of it.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use jsonwebtoken::Algorithm;
use jsonwebtoken::jwk::JwkSet;

use crate::route::{CanonicalPath, RouteIndex, UpstreamIndex, is_prefix};

/// A rate limit: a token bucket for each of those that have a share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Its name.
    pub name: Arc<str>,
    /// Who has a share.
    pub per: Share,
    /// The time in which room for one comes back; not zero.
    pub period: Duration,
    /// Room after a pause.
    pub burst: NonZeroU32,
    /// The routes that it counts; `None`: all.
    pub routes: Option<Vec<RouteIndex>>,
    /// What becomes of a batch for which there is no room.
    pub batch: LimitedBatch,
    /// Shares that are remembered.
    pub max_clients: NonZeroUsize,
}

impl RateLimit {
    /// Whether it counts what meets this route.
    #[must_use]
    pub fn counts(&self, route: RouteIndex) -> bool {
        self.routes.as_ref().is_none_or(|routes| routes.contains(&route))
    }
}

/// Who has a share of a rate limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Share {
    /// Each address that connects; of IPv6 each /64 network.
    Address,
    /// Each value of a request's field; those without it have one together.
    Header(HeaderName),
    /// Each client that has a name; those without one by address.
    Client,
    /// Each route.
    Route,
    /// All have one together.
    All,
}

/// What becomes of a batch for which a rate limit has no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LimitedBatch {
    /// As many items run as there is room for.
    #[default]
    Cut,
    /// None of it does.
    Whole,
}

/// Who may come in.
#[derive(Clone, Debug, PartialEq)]
pub struct Auth {
    /// The paths of single requests that are covered; `None`: all. Batch endpoints and bulk routes always are.
    pub paths: Option<Vec<CanonicalPath>>,
    /// Keys from a file.
    pub api_keys: Option<ApiKeys>,
    /// Signed tokens.
    pub jwt: Option<Jwt>,
    /// A service that is asked.
    pub forward: Option<ForwardAuth>,
    /// Whether credentials are handed on.
    pub pass_credentials: bool,
}

impl Auth {
    /// Whether a single request to this path is covered.
    #[must_use]
    pub fn covers(&self, path: &CanonicalPath) -> bool {
        self.paths.as_ref().is_none_or(|paths| paths.iter().any(|prefix| is_prefix(prefix, path)))
    }

    /// The fields that only the asked service may say.
    #[must_use]
    pub fn added(&self) -> &[HeaderName] {
        self.forward.as_ref().map_or(&[], |forward| &forward.add)
    }
}

/// Keys from a file.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKeys {
    /// Where they are from.
    pub file: PathBuf,
    /// The field that has the key.
    pub header: HeaderName,
    /// The keys; several may have one name.
    pub keys: Vec<ApiKey>,
}

impl std::fmt::Debug for ApiKeys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ApiKeys").field("file", &self.file).finish_non_exhaustive()
    }
}

/// A key that is not known itself.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Whose it is.
    pub name: Arc<str>,
    /// Its SHA-256.
    pub hash: [u8; 32],
}

/// Signed tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwt {
    /// Where the keys are from.
    pub file: PathBuf,
    /// The issuer's public keys.
    pub jwks: JwkSet,
    /// Who has to have issued a token.
    pub issuer: String,
    /// For whom it has to be.
    pub audience: String,
    /// What may have signed it; public-key algorithms only.
    pub algorithms: Vec<Algorithm>,
}

/// A service that is asked about each request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardAuth {
    /// The upstream that is asked.
    pub upstream: UpstreamIndex,
    /// The path there.
    pub path: String,
    /// The fields of a request that it gets.
    pub headers: Vec<HeaderName>,
    /// The fields of its reply that the services get.
    pub add: Vec<HeaderName>,
    /// The field of its reply that names the client.
    pub name: Option<HeaderName>,
    /// How long it may take.
    pub timeout: Duration,
}
