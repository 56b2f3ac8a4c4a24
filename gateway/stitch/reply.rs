//! An upstream's reply as the client gets it: decoded, without connection fields, and with the gateway's urls instead of
//! the upstream's.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};

use crate::batch::{ItemResult, ResultBody};
use crate::config::RoutePolicy;
use crate::dialect::Decider;
use crate::dispatch::{CallFailure, UpstreamReply};
use crate::format::{CodingError, codings_of, decode_reply, is_xml, xml};
use crate::header::field::Fields;
use crate::header::hop::{Kept, hop_by_hop_fields};
use crate::header::spelling::Spellings;
use crate::header::variables::Variables;
use crate::route::{
    FIELDS_WITH_URLS, ReplyUrls, RouteAction, RouteIndex, RouteTable, UpstreamIndex, has_dav_replies,
};

/// What stitching needs in addition to the outcomes.
pub struct StitchContext<'context> {
    /// The routes, for mapping urls back.
    pub routes: &'context RouteTable,
    /// Whether an authority is a name of the upstream.
    pub is_upstream: &'context (dyn Fn(UpstreamIndex, &str) -> bool + Sync),
    /// The gateway's `scheme://authority`, as the client used it.
    pub own_origin: &'context str,
    /// The most bytes of one item's body, its content codings undone.
    pub max_item_reply: usize,
    /// The most bytes of all bodies together, their content codings undone.
    pub max_reply: usize,
    /// Who decided whether the batch goes on after an item failed.
    pub decider: Decider,
    /// `return=minimal`: items below 400 have no headers and no body.
    pub minimal: bool,
    /// What each route decides; a route's index points here.
    pub policies: &'context [RoutePolicy],
    /// What the variables in configured fields are.
    pub variables: Variables<'context>,
}

impl StitchContext<'_> {
    /// Changes the fields of a result as its route wants.
    pub(crate) fn change_fields(&self, result: &mut ItemResult, route: Option<RouteIndex>) {
        let policy = route.and_then(|route| self.policies.get(route.0));
        if let Some(changes) = policy.and_then(|policy| policy.response_headers.as_deref()) {
            changes.apply(&mut result.headers, &mut result.spellings, self.variables);
        }
    }
}

/// Where a reply came from.
pub(crate) struct Origin<'origin> {
    pub(crate) route: Option<RouteIndex>,
    pub(crate) upstream: Option<UpstreamIndex>,
    pub(crate) context: &'origin StitchContext<'origin>,
}

/// A reply that a format can write.
pub(crate) struct Readable {
    pub(crate) status: StatusCode,
    pub(crate) headers: Fields,
    pub(crate) spellings: Spellings,
    pub(crate) body: ResultBody,
}

/// What the bodies of a batch may still cost.
#[derive(Clone, Copy, Debug)]
pub struct BodyBudget {
    /// Bytes that they may still hold after decoding.
    left: usize,
    /// Bytes that may still be decoded for nothing, because a reply turns out to be too large or corrupt.
    waste: usize,
}

/// The bytes that may be decoded for nothing, as a multiple of those that a batch may hold.
const WASTE: usize = 4;

/// An upper bound for the bytes that one encoded byte becomes (DEFLATE's own is 1032).
const EXPANSION: usize = 1100;

impl BodyBudget {
    /// A budget of `max_reply` bytes for all bodies together, their content codings undone.
    #[must_use]
    pub const fn new(max_reply: usize) -> Self {
        Self { left: max_reply, waste: max_reply.saturating_mul(WASTE) }
    }
}

pub(crate) fn readable(
    reply: UpstreamReply,
    method: &Method,
    origin: &Origin<'_>,
    budget: &mut BodyBudget,
) -> Result<Readable, CallFailure> {
    let UpstreamReply { status, headers, spellings, body } = reply;
    let body =
        if has_no_body(status, method) { None } else { Some(decoded(&headers, body, origin, budget)?) };
    let body = body.map(|body| if has_dav_replies(method) { origin.map_body(&headers, body) } else { body });
    let ending = hop_by_hop_fields(&headers, Kept::Nothing);
    let has_body = body.is_some();
    let is_outdated = |name: &HeaderName| {
        *name == header::CONTENT_ENCODING || (*name == header::CONTENT_LENGTH && has_body)
    };
    let fields = origin.map_fields(headers, |name| !ending.contains(name) && !is_outdated(name));
    budget.left = budget.left.saturating_sub(body.as_ref().map_or(0, Bytes::len));
    Ok(Readable {
        status,
        headers: fields,
        spellings,
        body: body.map_or(ResultBody::Absent, ResultBody::Bytes),
    })
}

/// RFC 9110 §6.4.1.
fn has_no_body(status: StatusCode, method: &Method) -> bool {
    *method == Method::HEAD
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED)
}

fn decoded(
    headers: &HeaderMap,
    body: Bytes,
    origin: &Origin<'_>,
    budget: &mut BodyBudget,
) -> Result<Bytes, CallFailure> {
    let Some(codings) = codings_of(headers) else { return Ok(body) };
    let context = origin.context;
    let limit = context.max_item_reply.min(budget.left);
    let cost = limit.min(body.len().saturating_mul(EXPANSION));
    if cost > budget.waste {
        return Err(CallFailure::RepliesTooLarge { limit: context.max_reply });
    }
    let decoded = decode_reply(&codings, body, limit);
    if decoded.is_err() {
        budget.waste -= cost;
    }
    decoded.map_err(|error| match error {
        CodingError::TooLarge if limit < context.max_item_reply => {
            CallFailure::RepliesTooLarge { limit: context.max_reply }
        }
        CodingError::TooLarge => CallFailure::ReplyTooLarge { limit },
        CodingError::Unsupported | CodingError::Corrupt(_) => CallFailure::ReplyCoding,
    })
}

impl Origin<'_> {
    /// Does something with the mapping of the reply's urls. `None`: it is not a reply of an upstream.
    fn with_urls<T>(&self, work: impl FnOnce(&ReplyUrls<'_>) -> T) -> Option<T> {
        let upstream = self.upstream?;
        let context = self.context;
        match &context.routes.get(self.route?)?.action {
            RouteAction::Forward { mapping, .. } => Some(work(&ReplyUrls {
                mapping,
                is_upstream: &|authority| (context.is_upstream)(upstream, authority),
                own_origin: context.own_origin,
            })),
            RouteAction::Respond(_) | RouteAction::Redirect(_) => None,
        }
    }

    /// The wanted fields, in their order: nothing is taken out of the map, because its last field would fill the gap.
    fn map_fields(&self, headers: HeaderMap, is_wanted: impl Fn(&HeaderName) -> bool) -> Fields {
        let mut fields = Fields::with_capacity(headers.len());
        let mut last: Option<HeaderName> = None;
        for (name, value) in headers {
            // A HeaderMap names a repeated field only once.
            if let Some(name) = name.or_else(|| last.clone()) {
                last = Some(name.clone());
                if is_wanted(&name) {
                    let value = self.map_field(&name, value);
                    fields.push((name, value));
                }
            }
        }
        fields
    }

    fn map_field(&self, name: &HeaderName, value: HeaderValue) -> HeaderValue {
        if !FIELDS_WITH_URLS.contains(name) {
            return value;
        }
        self.with_urls(|urls| urls.field(name, &value)).flatten().unwrap_or(value)
    }

    /// Maps the hrefs of a DAV body (RFC 4918 §8.3).
    fn map_body(&self, headers: &HeaderMap, body: Bytes) -> Bytes {
        let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if !content_type.is_some_and(is_xml) {
            return body;
        }
        let mapped =
            self.with_urls(|urls| xml::dav::map_hrefs(&body, &|url| urls.url(url).into_owned().into()));
        mapped.flatten().map_or(body, Bytes::from)
    }
}
