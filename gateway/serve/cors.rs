//! Pages of other origins at batch endpoints (Fetch §3.2): what a preflight is answered, and what every
//! reply says. All else is proxied, and there the services say who may read.
//!
//! Own code, because the crates for it are middleware for hyper and tower, which pingora knows nothing of,
//! and what is left beside the plumbing is this page. An origin is always named: `*` can't be configured,
//! so it never stands beside credentials.

use http::Method;
use http::header::{self, HeaderMap, HeaderName};
use pingora::http::RequestHeader;

use crate::config::Cors;

/// What a batch endpoint takes.
const METHODS: &str = "GET, HEAD, POST";

/// The fields of our replies that a page may read beside those that it always may.
const EXPOSED: &str =
    "Preference-Applied, Proxy-Status, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id";

/// Whether a browser asks if a page may send a request, and the page's origin is allowed.
pub(crate) fn is_allowed_preflight(cors: &Cors, request: &RequestHeader) -> bool {
    request.method == Method::OPTIONS
        && request.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        && allowed_origin(cors, &request.headers).is_some()
}

/// What a preflight is answered.
pub(crate) fn preflight_fields(cors: &Cors, headers: &HeaderMap) -> Vec<(HeaderName, String)> {
    let mut fields = origin_fields(cors, headers);
    let allowed: Vec<_> = cors.allow_headers.iter().map(String::as_str).collect();
    fields.push((header::ACCESS_CONTROL_ALLOW_METHODS, METHODS.to_owned()));
    if !allowed.is_empty() {
        fields.push((header::ACCESS_CONTROL_ALLOW_HEADERS, allowed.join(", ")));
    }
    fields.push((header::ACCESS_CONTROL_MAX_AGE, cors.max_age.as_secs().to_string()));
    fields
}

/// What a reply to a request with these fields says.
pub(crate) fn reply_fields(cors: &Cors, headers: &HeaderMap) -> Vec<(HeaderName, String)> {
    let mut fields = origin_fields(cors, headers);
    if allowed_origin(cors, headers).is_some() {
        fields.push((header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED.to_owned()));
    }
    fields
}

fn origin_fields(cors: &Cors, headers: &HeaderMap) -> Vec<(HeaderName, String)> {
    if cors.allow_origins.is_empty() {
        return Vec::new();
    }
    // Fetch §3.2.5: another origin gets another reply.
    let mut fields = vec![(header::VARY, "Origin".to_owned())];
    if let Some(origin) = allowed_origin(cors, headers) {
        fields.push((header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.to_owned()));
        if cors.allow_credentials {
            fields.push((header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true".to_owned()));
        }
    }
    fields
}

/// The page's origin, if it is the only one and allowed.
fn allowed_origin<'cors>(cors: &'cors Cors, headers: &HeaderMap) -> Option<&'cors str> {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let origin = origins.next()?;
    let allowed = cors.allow_origins.iter().find(|allowed| allowed.as_bytes() == origin.as_bytes())?;
    origins.next().is_none().then_some(allowed)
}
