//! Which route an item matches, and whether the route accepts it.

use std::sync::OnceLock;

use bytes::Bytes;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, Method};

use super::call::Call;
use super::url::{ItemUrl, parse_item_url};
use crate::batch::{Bounded, Groups, ItemRejection};
use crate::header::field::Fields;
use crate::header::forwarded::{self, X_FORWARDED_PREFIX};
use crate::route::{
    CanonicalPath, EncodedSlashes, Mapping, NotRouted, ReferenceRules, RequestFacts, Route, RouteAction,
    RouteIndex, RouteTable, Strictness, is_reference,
};

/// What planning needs to know about a batch's endpoint.
#[derive(Clone, Copy)]
pub struct PlanContext<'context> {
    /// The routes.
    pub routes: &'context RouteTable,
    /// The authority that the client used to reach the gateway.
    pub own_authority: &'context str,
    /// Whether a path and a query are a batch endpoint's.
    pub is_batch_endpoint: &'context (dyn Fn(&CanonicalPath, &str) -> bool + Sync),
    /// What becomes of groups of several items.
    pub groups: Groups,
    /// The fields that items inherit from their batch.
    pub inherited: &'context HeaderMap,
    /// Items may meet only this route.
    pub only_route: Option<&'context OnlyRoute<'context>>,
}

/// The only route that items may meet: the one that a path meets. The records of a bulk can't leave their template's.
#[derive(Debug)]
pub struct OnlyRoute<'context> {
    path: &'context CanonicalPath,
    /// What the first item met. Records mostly have the same method and fields, so it holds for all of them.
    first: OnceLock<(Method, Fields, Option<RouteIndex>)>,
}

impl<'context> OnlyRoute<'context> {
    /// The route that this path meets.
    #[must_use]
    pub const fn of(path: &'context CanonicalPath) -> Self {
        Self { path, first: OnceLock::new() }
    }

    fn is(&self, index: RouteIndex, seeker: Seeker<'_>, context: &PlanContext<'_>) -> bool {
        let find = || context.routes.find(self.path, &context.facts(seeker)).map(|(index, _)| index);
        let (method, fields, first) =
            self.first.get_or_init(|| (seeker.method.clone(), seeker.headers.clone(), find()));
        let is_same = method == seeker.method && fields == seeker.headers;
        Some(index) == if is_same { *first } else { find() }
    }
}

/// An item, or a call that the gateway makes for one, as it looks for its route.
#[derive(Clone, Copy)]
pub(super) struct Seeker<'item> {
    pub(super) method: &'item Method,
    /// Its own fields.
    pub(super) headers: &'item Fields,
}

/// A route that a url matched.
pub(super) struct Matched<'url, 'context> {
    pub(super) url: ItemUrl<'url>,
    pub(super) index: RouteIndex,
    pub(super) route: &'context Route,
}

impl<'context> PlanContext<'context> {
    /// The route that a url matches, whether or not the route accepts the item.
    pub(super) fn find_route<'url>(
        &self,
        href: &'url str,
        seeker: Seeker<'_>,
    ) -> Result<Matched<'url, 'context>, ItemRejection> {
        let facts = self.facts(seeker);
        let url = parse_item_url(href, self.own_authority)?;
        if self.leads_to_batch(&url.path, &url) {
            return Err(ItemRejection::NestedBatch);
        }
        let found = self.routes.route(&url.path, &facts);
        if let Some(separator) = &url.separator
            && !matches!(&found, Ok((_, route)) if route.encoded_slashes == EncodedSlashes::Pass)
        {
            return Err(separator.clone().into());
        }
        let (index, route) = found.map_err(not_routed)?;
        self.check_other_readings(&url, index, &facts)?;
        Ok(Matched { url, index, route })
    }

    /// Whether a batch endpoint takes requests to this path with the query of this url.
    fn leads_to_batch(&self, path: &CanonicalPath, url: &ItemUrl<'_>) -> bool {
        (self.is_batch_endpoint)(path, url.query.trim_start_matches('?'))
    }

    pub(super) fn facts<'facts>(&self, seeker: Seeker<'facts>) -> RequestFacts<'facts>
    where
        'context: 'facts,
    {
        let Seeker { method, headers } = seeker;
        RequestFacts { authority: self.own_authority, method, own: headers, shared: self.inherited }
    }

    /// A call without a body to a url of the gateway's, with this method and these fields.
    ///
    /// # Errors
    /// The url does not lead to an upstream.
    pub fn call_to(&self, href: &str, method: &Method, headers: Fields) -> Result<Call, ItemRejection> {
        let found = self.find_route(href, Seeker { method, headers: &headers })?;
        let RouteAction::Forward { upstream, mapping } = &found.route.action else {
            return Err(ItemRejection::NoRoute);
        };
        let (upstream, target) = (*upstream, found.url.to_upstream(mapping));
        let route = Some(found.index);
        let call = Call { route, headers, ..Call::new(upstream, target) };
        map_references(call, method, mapping, self)
    }

    /// In every way that a server may read the path, it has to lead to the same route.
    fn check_other_readings(
        &self,
        url: &ItemUrl<'_>,
        index: RouteIndex,
        facts: &RequestFacts<'_>,
    ) -> Result<(), ItemRejection> {
        let is_endpoint = |path: &CanonicalPath| self.leads_to_batch(path, url);
        match self.routes.ambiguity(&url.path, index, facts, is_endpoint) {
            Some(ambiguity) => Err(ItemRejection::ForbiddenUrl { problem: ambiguity.leads_elsewhere() }),
            None => Ok(()),
        }
    }

    /// The route that a url matches and that accepts the item. `matched` is set even if it does not.
    pub(super) fn route_for<'url>(
        &self,
        href: &'url str,
        seeker: Seeker<'_>,
        body: Option<&Bytes>,
        matched: &mut Option<RouteIndex>,
    ) -> Result<Matched<'url, 'context>, ItemRejection> {
        let found = self.find_route(href, seeker)?;
        if self.only_route.is_some_and(|only| !only.is(found.index, seeker, self)) {
            return Err(ItemRejection::OtherRoute);
        }
        *matched = Some(found.index);
        check_route(found.route, seeker.method, body)?;
        if found.route.decompress_requests && body.is_some() && has_coding(seeker.headers) {
            return Err(ItemRejection::CodedBody);
        }
        Ok(found)
    }
}

/// Whether these fields of an item name a coding of its body; `identity` is none.
fn has_coding(headers: &Fields) -> bool {
    let values =
        headers.iter().filter(|(name, _)| name == CONTENT_ENCODING).map(|(_, value)| value.as_bytes());
    let mut codings = values.flat_map(|value| value.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    codings.any(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"))
}

/// Why an item has no route.
fn not_routed(why: NotRouted) -> ItemRejection {
    match why {
        NotRouted::NoRoute => ItemRejection::NoRoute,
        NotRouted::Method { allowed } => ItemRejection::MethodNotAllowed { allowed },
    }
}

/// Whether the route accepts the item.
pub(super) fn check_route(route: &Route, method: &Method, body: Option<&Bytes>) -> Result<(), ItemRejection> {
    if !route.batchable {
        return Err(ItemRejection::NotBatchable);
    }
    if !route.methods.allows(method) {
        let allowed = route.methods.allow_value();
        return Err(ItemRejection::MethodNotAllowed { allowed });
    }
    check_body(route, body)?;
    if *method == Method::TRACE && body.is_some() {
        return Err(ItemRejection::BadBody { problem: "is not allowed with TRACE (RFC 9110 §9.3.8)" });
    }
    Ok(())
}

/// Whether the route takes a body of this size.
pub(super) fn check_body(route: &Route, body: Option<&Bytes>) -> Result<(), ItemRejection> {
    match (route.max_body, body) {
        (Some(limit), Some(body)) if body.len() > limit => {
            Err(ItemRejection::OverLimit { what: Bounded::RouteBody, limit })
        }
        (Some(_) | None, _) => Ok(()),
    }
}

/// Maps the urls in Destination and If, whose fields need the origin of a target and are apart from then on, and adds the
/// prefix that is stripped from the path.
///
/// # Errors
/// A url is not allowed.
pub(super) fn map_references(
    mut call: Call,
    method: &Method,
    mapping: &Mapping,
    context: &PlanContext<'_>,
) -> Result<Call, ItemRejection> {
    // No item can set it: `header::field::is_forbidden_in_item`.
    call.headers.extend(forwarded::stripped_prefix(mapping).map(|prefix| (X_FORWARDED_PREFIX, prefix)));
    if !call.headers.iter().any(|(name, _)| is_reference(name)) {
        return Ok(call);
    }
    let rules = ReferenceRules {
        routes: context.routes,
        facts: context.facts(Seeker { method, headers: &call.headers }),
        upstream: call.upstream,
        strictness: Strictness::ItemWithSlashes,
    };
    for (name, value) in &call.headers {
        if let Some(mapped) = rules.map(name, value) {
            call.references.push((name.clone(), mapped?));
        }
    }
    call.headers.retain(|(name, _)| !is_reference(name));
    Ok(call)
}
