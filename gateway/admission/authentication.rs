//! Authenticates the caller of a request, with the first configured method whose credential is present: an API key,
//! a signed token, a name with its password, or the word of a service (`auth.forward`).
//!
//! In: the request's head. Out: an [`Identity`], or a refusal with a challenge. Nothing of a body has been read yet.

use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderName};
use http::request::Parts;

use crate::batch::AdmissionRefusal;
use crate::config::{Access, Auth, AuthWay, JwkSource, Jwt, Ways};

use super::caller::Caller;
use super::challenges::Challenges;
use super::forward::{AuthService, ask};
use super::identity::Identity;
use super::jwt::TokenProblem;
use super::{api_keys, claims, jwt};

/// Longer credentials are refused unread, in bytes.
const MAX_CREDENTIAL: usize = 16 << 10;

/// Authenticates the caller of the request with this head. `wanted`: who has access to what it is for; `None`: whoever may come
/// in at all.
///
/// # Errors
/// The credential is missing, malformed or not accepted, or the service gave no answer.
pub(crate) async fn authenticate(
    auth: &Auth,
    wanted: Option<&Access>,
    caller: &Caller,
    head: &Parts,
    service: &impl AuthService,
) -> Result<Identity, AdmissionRefusal> {
    match wanted {
        None | Some(Access::Everybody) => by_ways(&auth.ways, None, caller, head, service).await,
        Some(Access::Way(way)) => by_ways(&auth.ways, Some(*way), caller, head, service).await,
        Some(Access::Named(name)) => {
            // No configuration wants a name that is not there.
            let nobody = Ways::default();
            let ways = auth.named(name).unwrap_or(&nobody);
            let identity = by_ways(ways, None, caller, head, service).await?;
            Ok(Identity { named: Some(Arc::clone(name)), ..identity })
        }
    }
}

/// Authenticates the caller by one of these ways. `only`: the one that gives access.
async fn by_ways(
    auth: &Ways,
    only: Option<AuthWay>,
    caller: &Caller,
    head: &Parts,
    service: &impl AuthService,
) -> Result<Identity, AdmissionRefusal> {
    let may_use = |way: AuthWay| only.is_none_or(|only| only == way);
    let challenges = Challenges::of(auth, only);
    if challenges.is_empty() {
        return Err(AdmissionRefusal::NoWay);
    }
    let refuse = |problem| AdmissionRefusal::Unauthenticated { problem, challenge: challenges.all() };
    if let Some(keys) = auth.api_keys.as_ref().filter(|_| may_use(AuthWay::ApiKeys))
        && let Some(key) = credential(&head.headers, &keys.header, "bearer").map_err(refuse)?
    {
        let name =
            api_keys::holder(&keys.keys, key.as_bytes()).ok_or_else(|| refuse("the key is not known"))?;
        return Ok(known(AuthWay::ApiKeys, Some(name), &keys.header));
    }
    if let Some(jwt) = auth.jwt.as_ref().filter(|_| may_use(AuthWay::Jwt))
        && let Some(token) = credential(&head.headers, &header::AUTHORIZATION, "bearer").map_err(refuse)?
    {
        return by_token(jwt, token, service, &challenges).await;
    }
    if let Some(basic) = auth.basic.as_ref().filter(|_| may_use(AuthWay::Basic))
        && let Some(encoded) = credential(&head.headers, &header::AUTHORIZATION, "basic").map_err(refuse)?
    {
        let name = service.passwords().check(basic, caller, encoded).await?;
        let name = name.ok_or_else(|| refuse("the name or the password is wrong"))?;
        return Ok(known(AuthWay::Basic, Some(name), &header::AUTHORIZATION));
    }
    match auth.forward.as_ref().filter(|_| may_use(AuthWay::Forward)) {
        Some(forward) => ask(forward, caller, head, service, &challenges).await,
        None => Err(refuse("a credential is missing")),
    }
}

/// A client with a signed token.
async fn by_token(
    jwt: &Jwt,
    token: &str,
    service: &impl AuthService,
    challenges: &Challenges,
) -> Result<Identity, AdmissionRefusal> {
    let refuse = |problem: TokenProblem| AdmissionRefusal::Unauthenticated {
        problem: problem.text(),
        challenge: challenges.after_bad_token(),
    };
    let claims = match &jwt.jwks {
        JwkSource::File(keys) => jwt::claims(jwt, keys, token).map_err(refuse)?,
        JwkSource::Url(url) => {
            const UNAVAILABLE: AdmissionRefusal = AdmissionRefusal::AuthenticationUnavailable {
                problem: "the issuer's keys can't be fetched (auth.jwt)",
            };
            let fetched = service.fetched_keys(url).ok_or(UNAVAILABLE)?;
            let keys = fetched.current().await.ok_or(UNAVAILABLE)?;
            match jwt::claims(jwt, &keys, token) {
                Err(TokenProblem::UnknownKey) => {
                    let keys = fetched.newer().await.unwrap_or(keys);
                    jwt::claims(jwt, &keys, token)
                }
                judged @ (Ok(_) | Err(TokenProblem::Other(_))) => judged,
            }
            .map_err(refuse)?
        }
    };
    let name = jwt::subject(&claims).map_err(refuse)?;
    let added = claims::fields(&jwt.claims, &claims);
    Ok(Identity { added, ..known(AuthWay::Jwt, name, &header::AUTHORIZATION) })
}

/// A client whose credential, in this field, was accepted.
fn known(way: AuthWay, name: Option<Arc<str>>, field: &HeaderName) -> Identity {
    Identity { name, way: Some(way), credentials: vec![field.clone()], ..Identity::default() }
}

/// The credential in a field. In Authorization it follows the scheme; another scheme counts as no credential.
///
/// # Errors
/// Says what is wrong with it.
pub(crate) fn credential<'headers>(
    headers: &'headers HeaderMap,
    name: &HeaderName,
    wanted: &str,
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
    Ok(scheme.eq_ignore_ascii_case(wanted).then_some(rest.trim()))
}
