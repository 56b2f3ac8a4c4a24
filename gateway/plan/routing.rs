//! Which route an item matches, and whether the route accepts it.

use bytes::Bytes;
use http::Method;

use super::call::Call;
use super::url::{ItemUrl, parse_item_url};
use crate::batch::{Bounded, Groups, ItemRejection};
use crate::header::field::Fields;
use crate::header::forwarded::{self, X_FORWARDED_PREFIX};
use crate::route::{
    CanonicalPath, EncodedSlashes, Mapping, ReferenceRules, Route, RouteAction, RouteIndex, RouteTable,
    Strictness,
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
    /// The only route that items may match; the records of a bulk can't leave their template's.
    pub only_route: Option<RouteIndex>,
}

/// A route that a url matched.
pub(super) struct Matched<'url, 'context> {
    pub(super) url: ItemUrl<'url>,
    pub(super) index: RouteIndex,
    pub(super) route: &'context Route,
}

impl<'context> PlanContext<'context> {
    /// The route that a url matches, whether or not the route accepts the item.
    pub(super) fn find_route<'url>(&self, href: &'url str) -> Result<Matched<'url, 'context>, ItemRejection> {
        let url = parse_item_url(href, self.own_authority)?;
        if self.leads_to_batch(&url.path, &url) {
            return Err(ItemRejection::NestedBatch);
        }
        let found = self.routes.find(&url.path);
        if let Some(separator) = &url.separator
            && found.is_none_or(|(_, route)| route.encoded_slashes == EncodedSlashes::Refuse)
        {
            return Err(separator.clone().into());
        }
        let (index, route) = found.ok_or(ItemRejection::NoRoute)?;
        self.check_other_readings(&url, index)?;
        Ok(Matched { url, index, route })
    }

    /// Whether a batch endpoint takes requests to this path with the query of this url.
    fn leads_to_batch(&self, path: &CanonicalPath, url: &ItemUrl<'_>) -> bool {
        (self.is_batch_endpoint)(path, url.query.trim_start_matches('?'))
    }

    /// A call without a body to a url of the gateway's, with these fields.
    ///
    /// # Errors
    /// The url does not lead to an upstream.
    pub fn call_to(&self, href: &str, headers: Fields) -> Result<Call, ItemRejection> {
        let found = self.find_route(href)?;
        let RouteAction::Forward { upstream, mapping } = &found.route.action else {
            return Err(ItemRejection::NoRoute);
        };
        let (upstream, target) = (*upstream, found.url.to_upstream(mapping));
        let route = Some(found.index);
        map_references(Call { route, headers, ..Call::new(upstream, target) }, mapping, self)
    }

    /// In every way that a server may read the path, it has to lead to the same route.
    fn check_other_readings(&self, url: &ItemUrl<'_>, index: RouteIndex) -> Result<(), ItemRejection> {
        let is_endpoint = |path: &CanonicalPath| self.leads_to_batch(path, url);
        match self.routes.ambiguity(&url.path, index, is_endpoint) {
            Some(ambiguity) => Err(ItemRejection::ForbiddenUrl { problem: ambiguity.leads_elsewhere() }),
            None => Ok(()),
        }
    }

    /// The route that a url matches and that accepts the item. `matched` is set even if it does not.
    pub(super) fn route_for<'url>(
        &self,
        href: &'url str,
        method: &Method,
        body: Option<&Bytes>,
        matched: &mut Option<RouteIndex>,
    ) -> Result<Matched<'url, 'context>, ItemRejection> {
        let found = self.find_route(href)?;
        if self.only_route.is_some_and(|only| only != found.index) {
            return Err(ItemRejection::OtherRoute);
        }
        *matched = Some(found.index);
        check_route(found.route, method, body)?;
        Ok(found)
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
    mapping: &Mapping,
    context: &PlanContext<'_>,
) -> Result<Call, ItemRejection> {
    // No item can set it: `header::field::is_forbidden_in_item`.
    call.headers.extend(forwarded::stripped_prefix(mapping).map(|prefix| (X_FORWARDED_PREFIX, prefix)));
    let rules = ReferenceRules {
        routes: context.routes,
        own_authority: context.own_authority,
        upstream: call.upstream,
        strictness: Strictness::ItemWithSlashes,
    };
    let mut refused = None;
    call.headers.retain(|(name, value)| {
        let Some(mapped) = rules.map(name, value) else { return true };
        match mapped {
            Ok(text) => call.references.push((name.clone(), text)),
            Err(why) => refused = refused.take().or(Some(why)),
        }
        false
    });
    match refused {
        Some(why) => Err(why.into()),
        None => Ok(call),
    }
}
