//! CORS at batch endpoints, bulk routes and routes with `cors` (Fetch §3.2): the answer to a preflight, and the fields of every
//! reply to a page of another origin. On other routes the services decide who may read their replies.
//!
//! Own code, because the crates for it are middleware for hyper and tower; without the plumbing, only this page is left.
//! An origin always has a name: `*` can't be configured, so it never comes with credentials.

use std::borrow::Cow;

use http::Method;
use http::header::{self, HeaderMap, HeaderName};
use http::request::Parts;
use pingora::http::ResponseHeader;

use crate::config::Cors;
use crate::header::lists;
use crate::route::{MethodSet, RouteIndex};
use crate::transport::field_names;

/// The methods of a batch endpoint.
const METHODS_OF_ENDPOINT: &str = "GET, HEAD, POST";

/// The fields by which a reply says who may read it.
const OF_REPLIES: [HeaderName; 6] = [
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    header::ACCESS_CONTROL_ALLOW_HEADERS,
    header::ACCESS_CONTROL_ALLOW_METHODS,
    header::ACCESS_CONTROL_EXPOSE_HEADERS,
    header::ACCESS_CONTROL_MAX_AGE,
];

/// The fields of our replies that a page may read, in addition to those that it always may.
const EXPOSED: &str =
    "Preference-Applied, Proxy-Status, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id";

/// A browser asks if a page may send a request.
pub(crate) struct Preflight<'settings> {
    cors: &'settings Cors,
    methods: Cow<'static, str>,
    /// The route that the request would be for.
    pub(crate) route: Option<RouteIndex>,
}

impl<'settings> Preflight<'settings> {
    /// For a batch endpoint; `None` if the request is something else, or the origin of the page is not allowed.
    pub(crate) fn at_endpoint(cors: &'settings Cors, request: &Parts) -> Option<Self> {
        let is_allowed = asked_method(request).is_some() && allowed_origin(cors, &request.headers).is_some();
        is_allowed.then_some(Self { cors, methods: METHODS_OF_ENDPOINT.into(), route: None })
    }

    /// For a route of pages that the gateway knows.
    pub(crate) fn at_route(cors: &'settings Cors, route: RouteIndex, methods: &MethodSet) -> Self {
        Self { cors, methods: methods.allow_value().into(), route: Some(route) }
    }

    /// The fields of the answer.
    pub(crate) fn fields(&self, headers: &HeaderMap) -> Vec<(HeaderName, String)> {
        let mut fields = origin_fields(self.cors, headers);
        if allowed_origin(self.cors, headers).is_none() {
            return fields;
        }
        fields.push((header::ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone().into_owned()));
        if !self.cors.allow_headers.is_empty() {
            fields.push((header::ACCESS_CONTROL_ALLOW_HEADERS, self.cors.allow_headers.join(", ")));
        }
        fields.push((header::ACCESS_CONTROL_MAX_AGE, self.cors.max_age.as_secs().to_string()));
        fields
    }
}

/// The method that a page wants to use, if the request is a preflight.
pub(crate) fn asked_method(request: &Parts) -> Option<Method> {
    let asked = request.headers.get(header::ACCESS_CONTROL_REQUEST_METHOD)?;
    let is_preflight = request.method == Method::OPTIONS && request.headers.contains_key(header::ORIGIN);
    if is_preflight { Method::from_bytes(asked.as_bytes()).ok() } else { None }
}

/// The fields that the request behind a preflight will have.
pub(crate) fn asked_fields(headers: &HeaderMap) -> Vec<HeaderName> {
    let lines = headers.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS).iter();
    let names = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    names.filter_map(|name| name.trim().parse().ok()).collect()
}

/// Puts what the gateway says of other origins in place of what a service says.
pub(crate) fn replace(head: &mut ResponseHeader, fields: &[(HeaderName, String)]) -> pingora::Result<()> {
    for name in OF_REPLIES {
        head.remove_header(&name);
    }
    for (name, value) in fields {
        if *name != header::VARY || !lists(&head.headers, name, value) {
            head.append_header(field_names::canonical(name), value.as_str())?;
        }
    }
    Ok(())
}

/// The field that lets an allowed page see Server-Timing (W3C Resource Timing, Timing-Allow-Origin).
pub(crate) fn timing_field(cors: &Cors, headers: &HeaderMap) -> Option<(HeaderName, String)> {
    let origin = allowed_origin(cors, headers)?;
    Some((HeaderName::from_static("timing-allow-origin"), origin.to_owned()))
}

/// The fields of the reply to a request with these fields.
pub(crate) fn reply_fields(cors: &Cors, headers: &HeaderMap) -> Vec<(HeaderName, String)> {
    let mut fields = origin_fields(cors, headers);
    if allowed_origin(cors, headers).is_some() {
        let exposed = [EXPOSED].into_iter().chain(cors.expose_headers.iter().map(String::as_str));
        fields.push((header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed.collect::<Vec<_>>().join(", ")));
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
