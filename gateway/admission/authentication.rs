//! Authenticates the caller of a request, with the first configured method whose credential is present: an API key,
//! a signed token, or the word of a service (`auth.forward`).
//!
//! In: the request's head. Out: an [`Identity`], or a refusal with a challenge. Nothing of a body has been read yet.

use http::header::{self, HeaderMap, HeaderName};
use http::request::Parts;

use crate::batch::AdmissionRefusal;
use crate::config::Auth;

use super::caller::Caller;
use super::forward::{AuthService, ask};
use super::identity::Identity;
use super::{api_keys, jwt};

/// Longer credentials are refused unread, in bytes.
const MAX_CREDENTIAL: usize = 16 << 10;

/// Authenticates the caller of the request with this head.
///
/// # Errors
/// The credential is missing, malformed or not accepted, or the service gave no answer.
pub(crate) async fn authenticate(
    auth: &Auth,
    caller: &Caller,
    head: &Parts,
    service: &impl AuthService,
) -> Result<Identity, AdmissionRefusal> {
    let challenge = challenge(auth);
    let refuse = |problem| AdmissionRefusal::Unauthenticated { problem, challenge: challenge.clone() };
    if let Some(keys) = &auth.api_keys
        && let Some(key) = credential(&head.headers, &keys.header).map_err(refuse)?
    {
        let name =
            api_keys::holder(&keys.keys, key.as_bytes()).ok_or_else(|| refuse("the key is not known"))?;
        return Ok(Identity {
            name: Some(name),
            credentials: vec![keys.header.clone()],
            ..Identity::default()
        });
    }
    if let Some(jwt) = &auth.jwt
        && let Some(token) = credential(&head.headers, &header::AUTHORIZATION).map_err(refuse)?
    {
        let name = jwt::subject(jwt, token).map_err(|problem| AdmissionRefusal::Unauthenticated {
            problem,
            challenge: format!("{BEARER}, error=\"invalid_token\""),
        })?;
        let credentials = vec![header::AUTHORIZATION];
        return Ok(Identity { name, credentials, ..Identity::default() });
    }
    match &auth.forward {
        Some(forward) => ask(forward, caller, head, service, &challenge).await,
        None => Err(refuse("a credential is missing")),
    }
}

/// RFC 6750 §3.
const BEARER: &str = "Bearer realm=\"batchgate\"";

/// The value of WWW-Authenticate (RFC 9110 §11.6.1): one challenge for each configured method.
fn challenge(auth: &Auth) -> String {
    let key =
        auth.api_keys.as_ref().map(|keys| format!("ApiKey realm=\"batchgate\", header=\"{}\"", keys.header));
    let has_bearer = auth.jwt.is_some() || auth.forward.is_some();
    let ways: Vec<_> = key.into_iter().chain(has_bearer.then(|| BEARER.to_owned())).collect();
    ways.join(", ")
}

/// The credential in a field. In Authorization it follows `Bearer`; another scheme counts as no credential.
fn credential<'headers>(
    headers: &'headers HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'headers str>, &'static str> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err("duplicate credential");
    }
    let text = value.to_str().map_err(|_| "the credential has invalid characters")?;
    if text.len() > MAX_CREDENTIAL {
        return Err("the credential is too long");
    }
    if *name != header::AUTHORIZATION {
        return Ok(Some(text.trim()));
    }
    let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
    Ok(scheme.eq_ignore_ascii_case("bearer").then_some(rest.trim()))
}
