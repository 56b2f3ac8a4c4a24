//! Decides what a request is for, once, from its head and the configuration. Nothing later looks at the path again.
//!
//! In: a head that passed `validate`. Out: a [`Target`], and with it whether the caller has to show a credential. It
//! decides nothing that only an authenticated caller may learn: whether a route exists, and which methods it takes,
//! is for the route's handler to say.

use std::sync::Arc;

use http::Method;
use http::header;
use http::request::Parts;

use crate::config::{BatchEndpoint, BulkRoute, OtherMethods, RoutePolicy, Settings};
use crate::dialect::Feature;
use crate::format::{Bulk, Format, is_ndjson};
use crate::header::changes::HeaderChanges;
use crate::plan::Preferences;
use crate::problem::RequestRejection;
use crate::route::{CanonicalPath, NotRouted, RequestFacts, Route, RouteIndex, Strictness, authority_of};

use super::cors::{self, Preflight};
use super::entry_point::EntryPoint;
use super::error_format::content_type;
use super::validate::is_about_the_gateway;

/// What a request is for.
pub(crate) enum Target<'settings> {
    /// `OPTIONS` about the gateway itself.
    Gateway,
    /// A browser asks whether a page may send a batch, or a request for a route with `cors` (Fetch §3.2.2).
    Preflight(Preflight<'settings>),
    /// The limits of a batch endpoint.
    LimitsDocument(&'settings BatchEndpoint),
    /// A batch, or the records of a bulk request. The method may be one that a batch endpoint does not take.
    Batch(EntryPoint<'settings>),
    /// A batch whose lines are items and whose results leave as lines.
    Stream(&'settings BatchEndpoint),
    /// Everything else: a route that forwards the request or answers it, if there is one.
    Route(RouteTarget<'settings>),
}

/// A request for a route.
pub(crate) struct RouteTarget<'settings> {
    pub(super) path: CanonicalPath,
    pub(super) route: Result<(RouteIndex, &'settings Route), NotRouted>,
    /// A bulk route has the same path and method; the request has no records.
    pub(crate) is_bulk_path: bool,
}

/// Whether a caller has to show a credential, if the gateway asks for any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protection<'target> {
    /// No: browsers send a preflight without one.
    Open,
    /// If the configuration says so for this path.
    ByPath(&'target CanonicalPath),
    /// Yes: what takes items reaches every service.
    Always,
}

impl<'settings> Target<'settings> {
    /// Finds the target of a request.
    ///
    /// # Errors
    /// Servers could read its path differently.
    pub(crate) fn find(settings: &'settings Settings, request: &Parts) -> Result<Self, RequestRejection> {
        if is_about_the_gateway(request) {
            return Ok(Self::Gateway);
        }
        let path = CanonicalPath::parse(request.uri.path(), Strictness::Proxied).map_err(|_| {
            RequestRejection::ForbiddenUrl { problem: "has a path that servers could read differently" }
        })?;
        let endpoint = settings.batch_endpoint_for(&path, query(request));
        if let Some(target) = endpoint.and_then(|endpoint| Self::at_endpoint(endpoint, settings, request)) {
            return Ok(target);
        }
        let bulk_route = settings.bulk_route(&path, &request.method);
        if let Some(bulk) = bulk_route.filter(|bulk| brings_records(bulk, request)) {
            return Ok(Self::Batch(EntryPoint::bulk(bulk)));
        }
        if let Some(preflight) = preflight(settings, &path, request) {
            return Ok(Self::Preflight(preflight));
        }
        let facts = facts_of(request, &request.method);
        let route = settings.routes.route(&path, &facts);
        if let Ok((index, _)) = &route
            && is_open_in_one_reading(settings, &path, *index, &facts)
        {
            let problem = "has a path that servers could read as one to which other clients have access";
            return Err(RequestRejection::ForbiddenUrl { problem });
        }
        Ok(Self::Route(RouteTarget { path, route, is_bulk_path: bulk_route.is_some() }))
    }

    /// `None`: the request is for a route.
    fn at_endpoint(
        endpoint: &'settings BatchEndpoint,
        settings: &'settings Settings,
        request: &Parts,
    ) -> Option<Self> {
        let refuses_others = endpoint.other_methods == OtherMethods::Refuse;
        let preflight = || Preflight::at_endpoint(&settings.cors, request);
        match request.method {
            Method::POST if is_stream(endpoint, request) => Some(Self::Stream(endpoint)),
            Method::POST => Some(Self::Batch(EntryPoint::batch(endpoint))),
            Method::GET | Method::HEAD if refuses_others => Some(Self::LimitsDocument(endpoint)),
            _ => {
                let otherwise = || refuses_others.then(|| Self::Batch(EntryPoint::batch(endpoint)));
                preflight().map(Self::Preflight).or_else(otherwise)
            }
        }
    }

    /// Where items come in, if that is the target.
    pub(crate) const fn entry_point(&self) -> Option<EntryPoint<'settings>> {
        match self {
            Self::LimitsDocument(endpoint) | Self::Stream(endpoint) => Some(EntryPoint::batch(endpoint)),
            Self::Batch(entry) => Some(*entry),
            Self::Gateway | Self::Preflight(_) | Self::Route(_) => None,
        }
    }

    /// The fields that its replies get and lose.
    pub(super) fn response_headers<'all>(
        &'all self,
        settings: &'all Settings,
    ) -> Option<&'all Arc<HeaderChanges>> {
        match self.entry_point() {
            Some(entry) => entry.endpoint.response_headers.as_ref(),
            None => self.policy(settings)?.response_headers.as_ref(),
        }
    }

    /// Whether replies of it are compressed for clients that accept it.
    pub(super) fn compresses(&self, settings: &Settings) -> bool {
        if let Some(entry) = self.entry_point() {
            return entry.endpoint.compress;
        }
        self.policy(settings).is_some_and(|policy| policy.compress)
    }

    /// What its route decides about requests and replies.
    pub(super) fn policy<'all>(&self, settings: &'all Settings) -> Option<&'all RoutePolicy> {
        settings.policy(self.route()?)
    }

    pub(super) const fn is_preflight(&self) -> bool {
        matches!(self, Self::Preflight(_))
    }

    /// The route that it is for.
    pub(super) fn route(&self) -> Option<RouteIndex> {
        match self {
            Self::Route(RouteTarget { route, .. }) => route.as_ref().ok().map(|(index, _)| *index),
            Self::Preflight(preflight) => preflight.route,
            Self::Gateway | Self::LimitsDocument(_) | Self::Batch(_) | Self::Stream(_) => None,
        }
    }

    pub(super) const fn protection(&self) -> Protection<'_> {
        match self {
            Self::Gateway | Self::Preflight(_) => Protection::Open,
            Self::Route(RouteTarget { path, is_bulk_path: false, .. }) => Protection::ByPath(path),
            Self::LimitsDocument(_)
            | Self::Batch(_)
            | Self::Stream(_)
            | Self::Route(RouteTarget { is_bulk_path: true, .. }) => Protection::Always,
        }
    }
}

/// What a request with this method and these fields shows to the table of routes.
fn facts_of<'request>(request: &'request Parts, method: &'request Method) -> RequestFacts<'request> {
    RequestFacts { authority: authority_of(request), method, own: &[], shared: &request.headers }
}

/// The preflight of a request for a route whose pages the gateway knows.
fn preflight<'settings>(
    settings: &'settings Settings,
    path: &CanonicalPath,
    request: &Parts,
) -> Option<Preflight<'settings>> {
    let method = cors::asked_method(request)?;
    let named = cors::asked_fields(&request.headers);
    let (index, route) = settings.routes.find_for_preflight(path, &facts_of(request, &method), &named)?;
    let cors = settings.policy(index)?.cors.as_ref()?;
    Some(Preflight::at_route(cors, index, &route.methods))
}

/// Whether a server could read the path as one of a route with another `auth`.
fn is_open_in_one_reading(
    settings: &Settings,
    path: &CanonicalPath,
    index: RouteIndex,
    facts: &RequestFacts<'_>,
) -> bool {
    let auth_of = |index: RouteIndex| settings.policy(index).and_then(|policy| policy.auth.as_ref());
    let leads_elsewhere = |read: &CanonicalPath| {
        settings.routes.find(read, facts).is_some_and(|(other, _)| auth_of(other) != auth_of(index))
    };
    path.other_readings().any(|reading| leads_elsewhere(&reading.path))
}

/// A GET or DELETE at a bulk route has records only if its query does.
fn brings_records(bulk: &BulkRoute, request: &Parts) -> bool {
    Bulk { each: &bulk.each, method: &request.method, query: query(request) }.is_meant()
}

fn query(request: &Parts) -> &str {
    request.uri.query().unwrap_or_default()
}

/// Whether a batch is a stream: lines in and lines out. A body that is compressed, or only to be explained, is read to
/// its end first.
fn is_stream(endpoint: &BatchEndpoint, request: &Parts) -> bool {
    let headers = &request.headers;
    let coded = headers.get_all(header::CONTENT_ENCODING).iter().any(|value| value != "identity");
    endpoint.dialect.has(Feature::Streams)
        && !coded
        && is_ndjson(content_type(headers))
        && endpoint.dialect.reply_format(&endpoint.reply_format.accept(headers), Format::Ndjson)
            == Ok(Format::Ndjson)
        && !Preferences::parse(headers).explain
}
