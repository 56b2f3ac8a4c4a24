//! The route table: which route a request meets.

use std::collections::HashMap;

use http::Method;
use http::header::HeaderName;

use super::canonical::{CanonicalPath, EncodedSlashes};
use super::facts::{Conditions, RequestFacts};
use super::host::{HostPattern, host_of};
use super::index::{RouteIndex, UpstreamIndex};
use super::mapping::Mapping;
use super::method::MethodSet;
use super::pattern::PathPattern;
use super::reading::Ambiguity;
use super::redirect::Redirect;
use super::respond::Respond;
use super::tree::PathTree;
use super::undo::UndoRules;

/// One route.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Its name in metrics and logs: the configured one, or the path.
    pub name: String,
    /// The path prefix. `/orders/` matches the paths below it; `/orders` matches itself and `/orders/…` but not
    /// `/ordersX`.
    pub path: PathPattern,
    /// The hosts that it is for; none: any.
    pub hosts: Vec<HostPattern>,
    /// What else it asks of a request.
    pub conditions: Conditions,
    /// The methods that it allows.
    pub methods: MethodSet,
    /// Whether it accepts items of batches in addition to single requests.
    pub batchable: bool,
    /// Whether equal items of a batch share one call.
    pub coalesce: bool,
    /// Whether it takes items with an encoded slash in their path.
    pub encoded_slashes: EncodedSlashes,
    /// How to undo what its methods did.
    pub undo: UndoRules,
    /// The largest body that it takes.
    pub max_body: Option<usize>,
    /// Whether bodies of requests in a content coding are decoded.
    pub decompress_requests: bool,
    /// What it does with a request.
    pub action: RouteAction,
}

/// What a route does with a request.
#[derive(Clone, Debug, PartialEq)]
pub enum RouteAction {
    /// Calls an upstream.
    Forward {
        /// The upstream.
        upstream: UpstreamIndex,
        /// How urls map between the gateway and the upstream.
        mapping: Mapping,
    },
    /// Sends a fixed answer.
    Respond(Respond),
    /// Sends the client elsewhere.
    Redirect(Redirect),
}

impl Route {
    /// A route for all requests to this path: for every host, every method that is not refused everywhere, and for items.
    #[must_use]
    pub fn new(path: PathPattern, action: RouteAction) -> Self {
        Self {
            name: path.as_str().to_owned(),
            path,
            hosts: Vec::new(),
            conditions: Conditions::default(),
            methods: MethodSet::Any,
            batchable: true,
            coalesce: false,
            encoded_slashes: EncodedSlashes::Refuse,
            undo: UndoRules::default(),
            max_body: None,
            decompress_requests: false,
            action,
        }
    }

    /// The most specific of its hosts that this authority is at; `None` if it is for any host.
    #[must_use]
    pub fn host_for(&self, authority: &str) -> Option<&HostPattern> {
        let host = host_of(authority);
        let fitting = self.hosts.iter().filter(|pattern| pattern.fits(&host));
        fitting.max_by_key(|pattern| pattern.specificity())
    }
}

/// Why a request meets no route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotRouted {
    /// No route is for its host, path and fields.
    NoRoute,
    /// Routes are, but not for its method.
    Method {
        /// The value of Allow.
        allowed: String,
    },
}

/// A route at one of its hosts.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed<'table> {
    /// The host; `None`: any.
    pub host: Option<HostPattern>,
    /// Where it stands in the configuration.
    pub index: RouteIndex,
    /// The route.
    pub route: &'table Route,
}

/// All routes.
///
/// Of the routes that a request meets, the one with the most specific host wins, then the one with the most specific path,
/// then the one with the most conditions, then the first in the configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteTable {
    routes: Vec<Route>,
    /// The routes for any host.
    any_host: PathTree,
    hosts: HostTrees,
}

/// The routes for certain hosts.
#[derive(Clone, Debug, Default, PartialEq)]
struct HostTrees {
    /// By the name of the host.
    exact: HashMap<Box<str>, PathTree>,
    /// By the end of the names, which begins with a dot.
    below: HashMap<Box<str>, PathTree>,
}

impl HostTrees {
    fn of(&mut self, pattern: &HostPattern) -> &mut PathTree {
        match pattern {
            HostPattern::Exact(name) => self.exact.entry(name.clone()).or_default(),
            HostPattern::Below(suffix) => self.below.entry(suffix.clone()).or_default(),
        }
    }

    fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.below.is_empty()
    }

    /// The routes for this host, the most specific first.
    fn matching<'trees>(&'trees self, host: &str) -> impl Iterator<Item = &'trees PathTree> {
        let parents = host.match_indices('.').filter_map(|(at, _)| self.below.get(host.get(at..)?));
        self.exact.get(host).into_iter().chain(parents)
    }

    fn all(&self) -> impl Iterator<Item = &PathTree> {
        self.exact.values().chain(self.below.values())
    }
}

impl RouteTable {
    /// A table of these routes. A route's index is its position in `routes`.
    #[must_use]
    pub fn new(routes: Vec<Route>) -> Self {
        let mut table = Self::default();
        let mut order: Vec<_> = routes.iter().enumerate().collect();
        order.sort_by_key(|(_, route)| std::cmp::Reverse(route.conditions.count()));
        for (position, route) in order {
            let index = RouteIndex(position);
            if route.hosts.is_empty() {
                table.any_host.add(&route.path, index);
            }
            for host in &route.hosts {
                table.hosts.of(host).add(&route.path, index);
            }
        }
        table.routes = routes;
        table
    }

    /// The route that a request to this path meets.
    #[must_use]
    pub fn find(&self, path: &CanonicalPath, facts: &RequestFacts<'_>) -> Option<(RouteIndex, &Route)> {
        self.find_where(path, facts.authority, |conditions| conditions.are_met(facts))
    }

    /// The route that the request behind a preflight meets, as far as the preflight says. Of several routes that ask for
    /// other values of one field, it is the first one.
    #[must_use]
    pub fn find_for_preflight(
        &self,
        path: &CanonicalPath,
        facts: &RequestFacts<'_>,
        named: &[HeaderName],
    ) -> Option<(RouteIndex, &Route)> {
        self.find_where(path, facts.authority, |conditions| conditions.may_be_met(facts, named))
    }

    fn find_where(
        &self,
        path: &CanonicalPath,
        authority: &str,
        fits: impl Fn(&Conditions) -> bool,
    ) -> Option<(RouteIndex, &Route)> {
        let accepts = |index: RouteIndex| self.get(index).is_some_and(|route| fits(&route.conditions));
        let of_host = || self.hosts.matching(&host_of(authority)).find_map(|tree| tree.find(path, accepts));
        let of_host = if self.hosts.is_empty() { None } else { of_host() };
        let index = of_host.or_else(|| self.any_host.find(path, accepts))?;
        Some((index, self.get(index)?))
    }

    /// The same, with the reason if there is none.
    ///
    /// # Errors
    /// No route takes the request.
    pub fn route(
        &self,
        path: &CanonicalPath,
        facts: &RequestFacts<'_>,
    ) -> Result<(RouteIndex, &Route), NotRouted> {
        self.find(path, facts).ok_or_else(|| self.not_routed(path, facts))
    }

    fn not_routed(&self, path: &CanonicalPath, facts: &RequestFacts<'_>) -> NotRouted {
        let mut methods: Vec<Method> = Vec::new();
        let mut look = |index: RouteIndex| {
            let Some(route) = self.get(index).filter(|route| route.conditions.have_fields(facts)) else {
                return false;
            };
            if let Some(MethodSet::Only(only)) = &route.conditions.methods {
                for method in only.iter().filter(|method| route.methods.allows(method)) {
                    if !methods.contains(method) {
                        methods.push(method.clone());
                    }
                }
            }
            false
        };
        for tree in self.hosts.matching(&host_of(facts.authority)).chain([&self.any_host]) {
            tree.find(path, &mut look);
        }
        if methods.is_empty() {
            return NotRouted::NoRoute;
        }
        NotRouted::Method { allowed: MethodSet::Only(methods).allow_value() }
    }

    /// The routes that requests to a path may meet, whatever else they say: of each host, the most specific first, up to the
    /// first one without conditions. Those for any host are first.
    #[must_use]
    pub fn met_at(&self, path: &CanonicalPath) -> Vec<RouteIndex> {
        let meets = |tree: &PathTree| {
            let mut met = Vec::new();
            tree.find(path, |index| {
                met.push(index);
                self.get(index).is_some_and(|route| route.conditions.count() == 0)
            });
            met
        };
        let mut of_hosts: Vec<_> = self.hosts.all().flat_map(meets).collect();
        of_hosts.sort_unstable();
        of_hosts.dedup();
        let mut met = meets(&self.any_host);
        met.extend(of_hosts);
        met
    }

    /// What lets a server read a path of the route at `index` as one that leads elsewhere: to another route, or to where
    /// `is_elsewhere` says. Parameters in the route's own path were meant to be there, and are kept.
    #[must_use]
    pub fn ambiguity(
        &self,
        path: &CanonicalPath,
        index: RouteIndex,
        facts: &RequestFacts<'_>,
        is_elsewhere: impl Fn(&CanonicalPath) -> bool,
    ) -> Option<Ambiguity> {
        if !path.as_str().contains([';', '%']) {
            return None;
        }
        let leaves = |read: &CanonicalPath| {
            is_elsewhere(read) || self.find(read, facts).map(|(other, _)| other) != Some(index)
        };
        let mut readings = path.other_readings_of(&self.get(index)?.path);
        readings.find(|reading| leaves(&reading.path)).map(|reading| reading.why)
    }

    /// Every route at each of its hosts, in the order of precedence: where two fit a request, the one that comes first wins.
    #[must_use]
    pub fn by_precedence(&self) -> Vec<Placed<'_>> {
        let exact = self.hosts.exact.iter().map(|(name, tree)| (HostPattern::Exact(name.clone()), tree));
        let below = self.hosts.below.iter().map(|(suffix, tree)| (HostPattern::Below(suffix.clone()), tree));
        let mut hosts: Vec<_> = exact.chain(below).collect();
        hosts.sort_by_cached_key(|(host, _)| (std::cmp::Reverse(host.specificity()), host.to_string()));
        let hosts = hosts.into_iter().map(|(host, tree)| (Some(host), tree)).chain([(None, &self.any_host)]);
        let mut placed = Vec::new();
        for (host, tree) in hosts {
            tree.visit(&mut |index| {
                let route = self.get(index).map(|route| Placed { host: host.clone(), index, route });
                placed.extend(route);
            });
        }
        placed
    }

    /// The route at this index.
    #[must_use]
    pub fn get(&self, index: RouteIndex) -> Option<&Route> {
        self.routes.get(index.0)
    }

    /// All routes in the order of the configuration.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }
}

/// Whether `path` is `prefix` or below it. Only complete segments match.
#[must_use]
pub fn is_prefix(prefix: &CanonicalPath, path: &CanonicalPath) -> bool {
    match path.compared().strip_prefix(prefix.compared()) {
        Some(rest) => rest.is_empty() || prefix.compared().ends_with('/') || rest.starts_with('/'),
        None => false,
    }
}

#[cfg(test)]
mod tests;
