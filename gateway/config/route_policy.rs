//! What a route decides about its requests and replies, apart from where they go.
//!
//! In: the keys of a route, and its upstream. Out: a [`RoutePolicy`] for each route, which the settings keep by the route's
//! index, because the table of routes knows nothing of fields and replies. What a route does not decide stays its upstream's;
//! where both decide, that is resolved here, so that nobody has to look at both later.

use std::sync::Arc;

use super::auth_way::Access;
use super::cors::Cors;
use super::headers::Toward;
use super::resolver::{Resolved, Resolver, all};
use super::route::RouteDocument;
use super::timeout::{RouteTimeouts, UpstreamTimeouts};
use super::upstream::Upstream;
use super::yaml::wrappers::At;
use super::yaml::written::Written;
use crate::header::changes::HeaderChanges;

/// What a route decides about its requests and replies.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RoutePolicy {
    /// Whether replies are compressed for clients that accept it.
    pub compress: bool,
    /// The fields that requests get and lose, with those of the upstream; `None`: those of the upstream only.
    pub request_headers: Option<HeaderChanges>,
    /// The fields that replies get and lose.
    pub response_headers: Option<Arc<HeaderChanges>>,
    /// The time limits; `None`: the upstream's.
    pub timeout: Option<UpstreamTimeouts>,
    /// Who has access; `None`: as `auth` says.
    pub auth: Option<Access>,
    /// The pages of other origins that may use it; `None`: its service decides.
    pub cors: Option<Cors>,
}

impl Resolver<'_> {
    /// The policy of each route. `upstreams` are the resolved ones, if they are right.
    pub(super) fn route_policies(
        &mut self,
        routes: &[At<RouteDocument>],
        upstreams: Option<&[Upstream]>,
    ) -> Resolved<Vec<RoutePolicy>> {
        let written = self.written.key("routes");
        let routes = routes.iter().enumerate();
        all(routes.map(|(index, route)| self.route_policy(&route.value, upstreams, written.element(index))))
    }

    fn route_policy(
        &mut self,
        document: &RouteDocument,
        upstreams: Option<&[Upstream]>,
        written: Written<'_>,
    ) -> Resolved<RoutePolicy> {
        self.keys_of_calls(document);
        let of_requests = self.changes(&document.request_headers, Toward::Service);
        let of_replies = self.changes(&document.response_headers, Toward::Client);
        let cors = document.cors.as_ref().map(|cors| self.cors(cors, written.key("cors")));
        let name = document.upstream.as_ref().map(|name| &name.value);
        let upstream = upstreams.into_iter().flatten().find(|upstream| Some(&upstream.name) == name);
        let request_headers = of_requests?.map(|changes| match upstream {
            Some(upstream) => upstream.headers.then(&changes),
            None => changes,
        });
        let of_route = document.timeout.as_ref().map_or(RouteTimeouts::default(), |timeout| timeout.value);
        let timeout = upstream.map(|upstream| upstream.timeout.with_route(of_route));
        Ok(RoutePolicy {
            compress: document.compress,
            request_headers,
            response_headers: of_replies?.map(Arc::new),
            timeout,
            auth: document.auth.as_ref().map(|auth| Access::of(&auth.value)),
            cors: cors.transpose()?,
        })
    }

    /// Warns of keys that are about calls on a route that makes none.
    fn keys_of_calls(&mut self, document: &RouteDocument) {
        if document.upstream.is_some() {
            return;
        }
        let changes = &document.request_headers;
        let first = changes.set.0.first().map(|(name, _)| name).or(changes.remove.first());
        let places = [
            ("request_headers", first.map(|name| name.span)),
            ("timeout", document.timeout.as_ref().map(|timeout| timeout.span)),
        ];
        for (key, place) in places {
            if let Some(span) = place {
                self.warn(span, format!("`{key}` does nothing on a route without an upstream"), "remove it");
            }
        }
    }
}
