//! `auth`: who may come in.

use std::time::Duration;

use jsonwebtoken::Algorithm;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::yaml::quantity::TimeLimit;
use crate::config::yaml::wrappers::At;

/// Who may come in. Any one of the ways lets a client in; the first for which it has a credential decides.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct AuthDocument {
    /// The paths, with all below them, of single requests that it covers; all where this is absent. Batch
    /// endpoints and bulk routes are always covered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<String>", length(min = 1))]
    pub(in crate::config) paths: Option<Vec<At<String>>>,
    /// Keys from a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ApiKeysDocument")]
    pub(in crate::config) api_keys: Option<ApiKeysDocument>,
    /// Signed tokens (RFC 7519) in `Authorization: Bearer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "JwtDocument")]
    pub(in crate::config) jwt: Option<JwtDocument>,
    /// A service that is asked about each request.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ForwardAuthDocument")]
    pub(in crate::config) forward: Option<ForwardAuthDocument>,
    /// Whether the credential that let a client in is handed on to the services.
    pub(in crate::config) pass_credentials: bool,
}

/// Keys from a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct ApiKeysDocument {
    /// The file: lines of `name:hash`, the hash being the SHA-256 of a key in hex. `#` starts a comment.
    #[schemars(example = &"keys.txt")]
    pub(in crate::config) file: At<String>,
    /// The field that has the key; in `Authorization` it stands behind `Bearer`.
    #[serde(default = "default_key_header")]
    pub(in crate::config) header: At<String>,
}

/// Signed tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct JwtDocument {
    /// The file with the issuer's public keys, a JWK Set (RFC 7517).
    #[schemars(example = &"jwks.json")]
    pub(in crate::config) jwks: At<String>,
    /// Who has to have issued the token (`iss`).
    #[schemars(example = &"https://login.example")]
    pub(in crate::config) issuer: At<String>,
    /// For whom it has to be (`aud`).
    #[schemars(example = &"orders")]
    pub(in crate::config) audience: At<String>,
    /// The algorithms that may have signed it.
    #[serde(default = "default_algorithms")]
    #[schemars(length(min = 1))]
    pub(in crate::config) algorithms: Vec<JwtAlgorithmDocument>,
}

/// A signature algorithm with a public key (RFC 7518 §3.1, RFC 8037 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "the names are those of the registry")]
pub(in crate::config) enum JwtAlgorithmDocument {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

impl JwtAlgorithmDocument {
    const ALL: [(Self, Algorithm); 9] = [
        (Self::RS256, Algorithm::RS256),
        (Self::RS384, Algorithm::RS384),
        (Self::RS512, Algorithm::RS512),
        (Self::PS256, Algorithm::PS256),
        (Self::PS384, Algorithm::PS384),
        (Self::PS512, Algorithm::PS512),
        (Self::ES256, Algorithm::ES256),
        (Self::ES384, Algorithm::ES384),
        (Self::EdDSA, Algorithm::EdDSA),
    ];

    /// The algorithm of this name.
    pub(in crate::config) fn algorithm(self) -> Algorithm {
        let found = Self::ALL.into_iter().find(|(name, _)| *name == self);
        found.map_or(Algorithm::EdDSA, |(_, algorithm)| algorithm)
    }

    /// The names of these algorithms.
    pub(in crate::config) fn of(algorithms: &[Algorithm]) -> Vec<Self> {
        let known = Self::ALL.into_iter().filter(|(_, algorithm)| algorithms.contains(algorithm));
        known.map(|(name, _)| name).collect()
    }
}

/// A service that is asked about each request: its 2xx lets it in, its 401 or 403 does not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct ForwardAuthDocument {
    /// The upstream that is asked, with GET.
    #[schemars(example = &"login")]
    pub(in crate::config) upstream: At<String>,
    /// The path there.
    #[schemars(example = &"/check")]
    pub(in crate::config) path: At<String>,
    /// The fields of the request that it gets.
    #[serde(default = "default_asked_headers")]
    pub(in crate::config) headers: Vec<At<String>>,
    /// The fields of its reply that the services get. From clients they are never taken.
    #[serde(default)]
    pub(in crate::config) add: Vec<At<String>>,
    /// The field of its reply that names the client, for the log and rate limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(in crate::config) name: Option<At<String>>,
    /// How long it may take.
    #[serde(default = "default_timeout")]
    pub(in crate::config) timeout: TimeLimit,
}

fn default_key_header() -> At<String> {
    "X-API-Key".to_owned().into()
}

fn default_algorithms() -> Vec<JwtAlgorithmDocument> {
    vec![JwtAlgorithmDocument::RS256, JwtAlgorithmDocument::ES256, JwtAlgorithmDocument::EdDSA]
}

fn default_asked_headers() -> Vec<At<String>> {
    vec!["Authorization".to_owned().into()]
}

fn default_timeout() -> TimeLimit {
    TimeLimit(Duration::from_secs(1))
}
