//! Signed tokens (JWT). The library parses and validates them. It leaves open what checks signatures; here that is
//! ring, which TLS uses as well.

use std::sync::Arc;

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind, Header, Validation, decode, decode_header,
};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
    UnparsedPublicKey, VerificationAlgorithm,
};
use serde_json::{Map, Value};

use crate::config::Jwt;

/// Characters of a subject that are kept.
const MAX_SUBJECT: usize = 128;

/// How many keys are tried for a token that does not name its key.
const MAX_TRIED: usize = 8;

/// What is wrong with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenProblem {
    /// It names a key that is not among the issuer's.
    UnknownKey,
    /// Something else, as the start of a sentence.
    Other(&'static str),
}

impl TokenProblem {
    /// The problem, as the start of a sentence.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::UnknownKey => "the token's key is not known",
            Self::Other(text) => text,
        }
    }
}

/// Makes ring check signatures from here on.
pub(crate) fn use_ring() {
    // A second call changes nothing.
    let _ = RING.install_default();
}

/// Returns the claims of a token. It has to be signed with one of these keys, valid now, from the configured issuer, and for
/// us.
pub(super) fn claims(jwt: &Jwt, keys: &JwkSet, token: &str) -> Result<Map<String, Value>, TokenProblem> {
    let header = decode_header(token).map_err(|_| TokenProblem::Other("the token is malformed"))?;
    if !jwt.algorithms.contains(&header.alg) {
        return Err(TokenProblem::Other("the token's algorithm is not allowed"));
    }
    // RFC 7515 §4.1.11: extensions that have to be understood, and are not.
    if header.crit.is_some() {
        return Err(TokenProblem::Other("the token has critical extensions"));
    }
    let mut validation = Validation::new(header.alg);
    validation.validate_nbf = true;
    validation.set_issuer(&[&jwt.issuer]);
    validation.set_audience(&[&jwt.audience]);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    let keys = keys.keys.iter().filter(|key| may_have_signed(key, &header));
    let mut problem = TokenProblem::UnknownKey;
    for key in keys.filter_map(|key| DecodingKey::from_jwk(key).ok()).take(MAX_TRIED) {
        match decode::<Map<String, Value>>(token, &key, &validation) {
            Ok(token) => return Ok(token.claims),
            Err(error) => problem = TokenProblem::Other(reason(error.kind())),
        }
    }
    Err(problem)
}

/// Whom a token is about (`sub`), if it says so.
pub(super) fn subject(claims: &Map<String, Value>) -> Result<Option<Arc<str>>, TokenProblem> {
    match claims.get("sub") {
        Some(Value::String(name)) => Ok(Some(name.chars().take(MAX_SUBJECT).collect::<String>().into())),
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Err(TokenProblem::Other("the token's sub is not a text"))
        }
    }
}

fn may_have_signed(key: &Jwk, header: &Header) -> bool {
    let kid = header.kid.as_ref();
    kid.is_none() || key.common.key_id.as_ref() == kid
}

#[expect(clippy::wildcard_enum_match_arm, reason = "all other kinds are told alike")]
fn reason(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ExpiredSignature => "the token has expired",
        ErrorKind::ImmatureSignature => "the token is not valid yet",
        ErrorKind::InvalidIssuer => "the token is from another issuer",
        ErrorKind::InvalidAudience => "the token is for another audience",
        ErrorKind::MissingRequiredClaim(_) => "the token lacks exp, iss or aud",
        _ => "the token's signature or content is wrong",
    }
}

static RING: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::InvalidAlgorithm.into()),
    verifier_factory: verifier,
    // Only needed to create keys.
    key_utils: KeyUtils::new_unimplemented(),
};

/// Checks a signature with ring.
#[derive(Clone, Copy)]
enum Checked {
    Rsa(&'static RsaParameters),
    Other(&'static dyn VerificationAlgorithm),
}

/// Public-key algorithms only: with the others, a service that can check a token can also sign one.
const ALGORITHMS: [(Algorithm, AlgorithmFamily, Checked); 9] = [
    (Algorithm::RS256, AlgorithmFamily::Rsa, Checked::Rsa(&RSA_PKCS1_2048_8192_SHA256)),
    (Algorithm::RS384, AlgorithmFamily::Rsa, Checked::Rsa(&RSA_PKCS1_2048_8192_SHA384)),
    (Algorithm::RS512, AlgorithmFamily::Rsa, Checked::Rsa(&RSA_PKCS1_2048_8192_SHA512)),
    (Algorithm::PS256, AlgorithmFamily::Rsa, Checked::Rsa(&RSA_PSS_2048_8192_SHA256)),
    (Algorithm::PS384, AlgorithmFamily::Rsa, Checked::Rsa(&RSA_PSS_2048_8192_SHA384)),
    (Algorithm::PS512, AlgorithmFamily::Rsa, Checked::Rsa(&RSA_PSS_2048_8192_SHA512)),
    (Algorithm::ES256, AlgorithmFamily::Ec, Checked::Other(&ECDSA_P256_SHA256_FIXED)),
    (Algorithm::ES384, AlgorithmFamily::Ec, Checked::Other(&ECDSA_P384_SHA384_FIXED)),
    (Algorithm::EdDSA, AlgorithmFamily::Ed, Checked::Other(&ED25519)),
];

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the library's signature")]
fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    let known = ALGORITHMS.into_iter().find(|(known, ..)| known == algorithm);
    let (_, family, checked) = known.ok_or(ErrorKind::InvalidAlgorithm)?;
    if key.family() != family {
        return Err(ErrorKind::InvalidKeyFormat.into());
    }
    Ok(Box::new(Verifier { algorithm: *algorithm, checked, key: key.clone() }))
}

struct Verifier {
    algorithm: Algorithm,
    checked: Checked,
    key: DecodingKey,
}

impl JwtVerifier for Verifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl signature::Verifier<Vec<u8>> for Verifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let verified = match (&self.checked, self.key.kind()) {
            (Checked::Rsa(parameters), DecodingKeyKind::RsaModulusExponent { n, e }) => {
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signature)
            }
            (Checked::Other(algorithm), DecodingKeyKind::SecretOrDer(key)) => {
                UnparsedPublicKey::new(*algorithm, key).verify(message, signature)
            }
            (Checked::Rsa(_), DecodingKeyKind::SecretOrDer(_))
            | (Checked::Other(_), DecodingKeyKind::RsaModulusExponent { .. }) => {
                Err(ring::error::Unspecified)
            }
        };
        verified.map_err(|_| signature::Error::new())
    }
}
