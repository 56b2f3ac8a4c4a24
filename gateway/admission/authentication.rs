//! Tells who asks, by the first of the configured ways for which there is a credential.

use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderName};
use pingora::http::RequestHeader;

use crate::batch::AdmissionRefusal;
use crate::config::Auth;
use crate::telemetry::{RequestId, TraceContext};

use super::forwarding::Reached;
use super::identity::Identity;
use super::{api_keys, forward, jwt};
use crate::state::gateway::Gateway;
use crate::state::snapshot::Snapshot;

/// Bytes of a credential that are looked at.
const MAX_CREDENTIAL: usize = 16 << 10;

/// What a request to the asked service needs beside the request.
pub(crate) struct Asking<'request> {
    pub(crate) gateway: &'request Arc<Gateway>,
    pub(crate) snapshot: &'request Snapshot,
    pub(crate) reached: &'request Reached,
    pub(crate) request_id: &'request RequestId,
    pub(crate) trace: TraceContext,
}

/// Tells who sent a request.
///
/// # Errors
/// It did not show that it may come in.
pub(crate) async fn authenticate(
    auth: &Auth,
    asking: &Asking<'_>,
    request: &RequestHeader,
) -> Result<Identity, AdmissionRefusal> {
    let challenge = challenge(auth);
    let refuse = |problem| AdmissionRefusal::Unauthenticated { problem, challenge: challenge.clone() };
    if let Some(keys) = &auth.api_keys
        && let Some(key) = credential(&request.headers, &keys.header).map_err(refuse)?
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
        && let Some(token) = credential(&request.headers, &header::AUTHORIZATION).map_err(refuse)?
    {
        let name = jwt::subject(jwt, token).map_err(|problem| AdmissionRefusal::Unauthenticated {
            problem,
            challenge: format!("{BEARER}, error=\"invalid_token\""),
        })?;
        let credentials = vec![header::AUTHORIZATION];
        return Ok(Identity { name, credentials, ..Identity::default() });
    }
    match &auth.forward {
        Some(forward) => forward::ask(forward, asking, request, &challenge).await,
        None => Err(refuse("a credential is missing")),
    }
}

/// RFC 6750 §3.
const BEARER: &str = "Bearer realm=\"batchgate\"";

/// How to come in (RFC 9110 §11.6.1): one challenge for each way.
fn challenge(auth: &Auth) -> String {
    let key =
        auth.api_keys.as_ref().map(|keys| format!("ApiKey realm=\"batchgate\", header=\"{}\"", keys.header));
    let has_bearer = auth.jwt.is_some() || auth.forward.is_some();
    let ways: Vec<_> = key.into_iter().chain(has_bearer.then(|| BEARER.to_owned())).collect();
    ways.join(", ")
}

/// The credential in a field; in Authorization, what stands behind `Bearer`. Another scheme is none.
fn credential<'headers>(
    headers: &'headers HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'headers str>, &'static str> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err("a credential stands there twice");
    }
    let text = value.to_str().map_err(|_| "the credential has characters that none has")?;
    if text.len() > MAX_CREDENTIAL {
        return Err("the credential is too long");
    }
    if *name != header::AUTHORIZATION {
        return Ok(Some(text.trim()));
    }
    let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
    Ok(scheme.eq_ignore_ascii_case("bearer").then_some(rest.trim()))
}
