//! CORS at batch endpoints and bulk routes (Fetch §3.2): the answer to a preflight, and the fields of every reply to a page
//! of another origin. For all other requests the services decide who may read their replies.
//!
//! Own code, because the crates for it are middleware for hyper and tower; without the plumbing, only this page is left.
//! An origin always has a name: `*` can't be configured, so it never comes with credentials.

use http::Method;
use http::header::{self, HeaderMap, HeaderName};
use http::request::Parts;

use crate::config::Cors;

/// The methods of a batch endpoint.
const METHODS: &str = "GET, HEAD, POST";

/// The fields of our replies that a page may read, in addition to those that it always may.
const EXPOSED: &str =
    "Preference-Applied, Proxy-Status, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id";

/// Whether a browser asks if a page may send a request, and the origin of the page is allowed.
pub(crate) fn is_allowed_preflight(cors: &Cors, request: &Parts) -> bool {
    request.method == Method::OPTIONS
        && request.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        && allowed_origin(cors, &request.headers).is_some()
}

/// The field that lets an allowed page see Server-Timing (W3C Resource Timing, Timing-Allow-Origin).
pub(crate) fn timing_field(cors: &Cors, headers: &HeaderMap) -> Option<(HeaderName, String)> {
    let origin = allowed_origin(cors, headers)?;
    Some((HeaderName::from_static("timing-allow-origin"), origin.to_owned()))
}

/// The fields of the answer to a preflight.
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

/// The fields of the reply to a request with these fields.
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
