//! `auth.jwt`: tokens that an issuer has signed. They are checked with its public keys, from a file or from a url.
//!
//! Keys in a file are read here, with the configuration. Of keys at a url only the place is known here: they are fetched while
//! the gateway runs (`admission`), by the same rules ([`read_jwks`]).

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, Uri};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::defaults::seconds;
use super::pem::roots;
use super::resolver::{Resolved, Resolver, Seen, all};
use super::web_url::web_url;
use super::yaml::quantity::TimeLimit;
use super::yaml::wrappers::{At, Named};
use crate::http_client::Server;

/// Bytes of a claim's name.
const MAX_CLAIM: usize = 256;

/// Signed tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct JwtDocument {
    /// The issuer's public keys, a JWK Set (RFC 7517): a file, or an `https` url from which they are fetched.
    #[schemars(example = &"jwks.json")]
    pub(in crate::config) jwks: At<String>,
    /// The file with the authorities that may sign the certificate of the server at that url, instead of the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::config) jwks_ca: Option<At<String>>,
    /// How often keys are fetched from that url. More often if the Cache-Control of the reply says so, but not more often than
    /// every 30 seconds.
    #[serde(default = "seconds::<600>", with = "TimeLimit")]
    pub(in crate::config) jwks_refresh: Duration,
    /// Who has to have issued the token (`iss`).
    #[schemars(example = &"https://login.example")]
    pub(in crate::config) issuer: At<String>,
    /// For whom it has to be (`aud`).
    #[schemars(example = &"orders")]
    pub(in crate::config) audience: At<String>,
    /// The algorithms that may have signed it.
    #[serde(default = "default_algorithms")]
    #[schemars(with = "Vec<PublicKeyAlgorithm>", length(min = 1))]
    pub(in crate::config) algorithms: Vec<Algorithm>,
    /// The fields in which the services get claims of the token, each with the claim's name; `a.b` is the member `b` of the
    /// claim `a`. From clients these fields are never taken.
    #[serde(default)]
    #[schemars(extend("examples" = [{ "X-User": "sub" }]))]
    pub(in crate::config) claims_to_headers: Named<At<String>>,
}

/// A signature algorithm with a public key (RFC 7518 §3.1, RFC 8037 §3.1). Only the schema is made from this.
#[derive(JsonSchema)]
#[allow(dead_code, clippy::upper_case_acronyms, reason = "the names are those of the registry")]
enum PublicKeyAlgorithm {
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

fn default_algorithms() -> Vec<Algorithm> {
    vec![Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA]
}

/// Signed tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwt {
    /// The issuer's public keys.
    pub jwks: JwkSource,
    /// Who has to have issued a token.
    pub issuer: String,
    /// For whom it has to be.
    pub audience: String,
    /// What may have signed it; public-key algorithms only.
    pub algorithms: Vec<Algorithm>,
    /// The fields in which services get claims, and the names of these; see [`claim_at`].
    pub claims: Vec<(HeaderName, String)>,
}

/// Where public keys are from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JwkSource {
    /// A file, which had these keys.
    File(JwkSet),
    /// A url.
    Url(JwksUrl),
}

/// Where public keys are fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwksUrl {
    /// The url, `http` or `https`.
    pub url: Uri,
    /// The file with the authorities that may sign its server's certificate; `None`: the system's.
    pub ca: Option<PathBuf>,
    /// How often they are fetched.
    pub refresh: Duration,
}

impl JwksUrl {
    /// The url without its query, for log lines and metrics.
    #[must_use]
    pub fn shown(&self) -> String {
        let (scheme, authority) = (self.url.scheme_str(), self.url.authority());
        let authority = authority.map_or("", |authority| authority.as_str());
        format!("{}://{authority}{}", scheme.unwrap_or_default(), self.url.path())
    }
}

/// Why a text has no keys; reads on from where it is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwksError {
    /// It is something else.
    #[error("is not a JWK Set")]
    NotASet,
    /// It has none that can check a token.
    #[error("has no public key that can be used")]
    NoKey,
}

/// Reads a JWK Set.
///
/// # Errors
/// It has no key that can be used.
pub fn read_jwks(text: &[u8]) -> Result<JwkSet, JwksError> {
    let jwks = serde_json::from_slice::<JwkSet>(text).map_err(|_| JwksError::NotASet)?;
    let is_public = |key: &DecodingKey| key.family() != AlgorithmFamily::Hmac;
    let can_check = |key| DecodingKey::from_jwk(key).as_ref().is_ok_and(is_public);
    if jwks.keys.iter().any(can_check) { Ok(jwks) } else { Err(JwksError::NoKey) }
}

/// The claim with this name. A dot leads to a member of an object, unless it is part of a name as it is there, as in
/// `https://shop.example/roles`.
#[must_use]
pub fn claim_at<'claims>(claims: &'claims Map<String, Value>, name: &str) -> Option<&'claims Value> {
    claims.get(name).or_else(|| {
        name.match_indices('.').find_map(|(dot, _)| {
            let (object, member) = (name.get(..dot)?, name.get(dot + 1..)?);
            claim_at(claims.get(object)?.as_object()?, member)
        })
    })
}

impl Resolver<'_> {
    pub(super) fn jwt(&mut self, document: &JwtDocument) -> Resolved<Jwt> {
        let jwks = self.jwk_source(document);
        let claims = self.claims(&document.claims_to_headers);
        Ok(Jwt {
            jwks: jwks?,
            issuer: document.issuer.value.clone(),
            audience: document.audience.value.clone(),
            algorithms: document.algorithms.clone(),
            claims: claims?,
        })
    }

    fn jwk_source(&mut self, document: &JwtDocument) -> Resolved<JwkSource> {
        let JwtDocument { jwks, jwks_ca, .. } = document;
        if jwks.value.contains("://") {
            return self.jwks_url(document).map(JwkSource::Url);
        }
        if let Some(ca) = jwks_ca {
            self.warn(ca.span, "`jwks_ca` does nothing: `jwks` is a file", "remove it");
        }
        let text = self.text_file(jwks)?;
        read_jwks(text.as_bytes()).map(JwkSource::File).or_else(|error| {
            let help = match error {
                JwksError::NotASet => "it is `{\"keys\": [...]}` (RFC 7517 §5)",
                JwksError::NoKey => "known are RSA, P-256, P-384 and Ed25519",
            };
            self.refuse(jwks.span, format!("the file {} {error}", jwks.shown()), help)
        })
    }

    fn jwks_url(&mut self, document: &JwtDocument) -> Resolved<JwksUrl> {
        let JwtDocument { jwks, jwks_ca, jwks_refresh, .. } = document;
        let ca = jwks_ca.as_ref().map(|ca| {
            let file = self.file(ca);
            let read = roots(&file);
            self.pem(ca, read).map(|_| file)
        });
        let Some(url) = web_url(&jwks.value).filter(|url| Server::from_url(url).is_some()) else {
            let message = format!("{} is not the url of a JWK Set", jwks.shown());
            return self.refuse(jwks.span, message, "write it as in `https://login.example/jwks.json`");
        };
        let is_here = matches!(url.host(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if url.scheme_str() == Some("http") && !is_here {
            let message = format!("keys from {} can be replaced on their way", jwks.shown());
            self.warn(jwks.span, message, "whoever replaces them can sign tokens; use https");
        }
        Ok(JwksUrl { url, ca: ca.transpose()?, refresh: *jwks_refresh })
    }

    fn claims(&mut self, document: &Named<At<String>>) -> Resolved<Vec<(HeaderName, String)>> {
        let mut seen = Seen::new();
        all(document.0.iter().map(|(name, claim)| {
            let field = self.added_field(name)?;
            self.only_once(&mut seen, field.clone(), name, |shown| {
                format!("the header {shown} is set twice")
            })?;
            if claim.value.is_empty() || claim.value.len() > MAX_CLAIM {
                let message = format!("{} can't be the name of a claim", claim.shown());
                return self.refuse(
                    claim.span,
                    message,
                    format!("write 1 to {MAX_CLAIM} bytes, as in `sub`"),
                );
            }
            Ok((field, claim.value.clone()))
        }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_dot_leads_into_a_claim_unless_it_is_part_of_its_name() {
        let claims = json!({
            "sub": "ann",
            "tenant": {"id": 7, "owner": {"name": "bob"}},
            "https://shop.example/app": {"roles": ["a"]},
            "a.b": 1,
            "a": {"b": 2, "c": 3},
        });
        for (name, found) in [
            ("sub", json!("ann")),
            ("tenant.id", json!(7)),
            ("tenant.owner.name", json!("bob")),
            ("https://shop.example/app.roles", json!(["a"])),
            ("a.b", json!(1)),
            ("a.c", json!(3)),
            ("sub.x", Value::Null),
            ("tenant.", Value::Null),
            (".", Value::Null),
            ("none", Value::Null),
        ] {
            let claim = claim_at(claims.as_object().unwrap(), name);
            assert_eq!(claim.cloned().unwrap_or_default(), found, "{name}");
        }
    }

    #[test]
    fn a_url_is_shown_without_what_may_be_secret() {
        let url = JwksUrl {
            url: "https://login.example:8443/keys?token=x".parse().unwrap(),
            ca: None,
            refresh: Duration::ZERO,
        };
        assert_eq!(url.shown(), "https://login.example:8443/keys");
    }
}
