//! The route table: the longest path prefix wins.

use bytes::Bytes;
use http::StatusCode;

use super::canonical::{CanonicalPath, EncodedSlashes};
use super::mapping::Mapping;
use super::method::MethodSet;
use super::reading::Ambiguity;
use super::undo::UndoRules;

/// A route's position in its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteIndex(pub usize);

/// An upstream's position in the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UpstreamIndex(pub usize);

/// One route.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Its name in metrics and logs: the configured one, or the path.
    pub name: String,
    /// The path prefix. `/orders/` matches the paths below it; `/orders` matches itself and `/orders/…` but not
    /// `/ordersX`.
    pub path: CanonicalPath,
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
}

/// A fixed answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Respond {
    /// Its status.
    pub status: StatusCode,
    /// Its body.
    pub body: Bytes,
    /// The body's media type.
    pub content_type: String,
}

/// All routes, longest prefix first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteTable {
    routes: Vec<Route>,
    by_length: Vec<RouteIndex>,
}

impl RouteTable {
    /// A table of these routes. A route's index is its position in `routes`.
    #[must_use]
    pub fn new(routes: Vec<Route>) -> Self {
        let mut by_length: Vec<_> = (0..routes.len()).map(RouteIndex).collect();
        by_length.sort_by_key(|index| {
            std::cmp::Reverse(routes.get(index.0).map_or(0, |route| route.path.as_str().len()))
        });
        Self { routes, by_length }
    }

    /// The route with the longest prefix of `path`.
    #[must_use]
    pub fn find(&self, path: &CanonicalPath) -> Option<(RouteIndex, &Route)> {
        self.by_length
            .iter()
            .filter_map(|index| Some((*index, self.get(*index)?)))
            .find(|(_, route)| is_prefix(&route.path, path))
    }

    /// What lets a server read a path of the route at `index` as one that leads elsewhere: to another route, or to where
    /// `is_elsewhere` says. Parameters in the route's own path were meant to be there, and are kept.
    #[must_use]
    pub fn ambiguity(
        &self,
        path: &CanonicalPath,
        index: RouteIndex,
        is_elsewhere: impl Fn(&CanonicalPath) -> bool,
    ) -> Option<Ambiguity> {
        if !path.as_str().contains([';', '%']) {
            return None;
        }
        let leaves = |read: &CanonicalPath| {
            is_elsewhere(read) || self.find(read).map(|(other, _)| other) != Some(index)
        };
        let mut readings = path.other_readings_below(&self.get(index)?.path);
        readings.find(|reading| leaves(&reading.path)).map(|reading| reading.why)
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
mod tests {
    use super::*;
    use crate::route::Strictness;

    fn path(text: &str) -> CanonicalPath {
        CanonicalPath::parse(text, Strictness::Item).unwrap()
    }

    fn table(paths: &[&str]) -> RouteTable {
        let routes = paths.iter().map(|text| Route {
            name: (*text).to_owned(),
            path: path(text),
            methods: MethodSet::Any,
            batchable: true,
            coalesce: false,
            encoded_slashes: EncodedSlashes::Refuse,
            undo: UndoRules::default(),
            max_body: None,
            action: RouteAction::Respond(Respond {
                status: StatusCode::OK,
                body: Bytes::new(),
                content_type: String::new(),
            }),
        });
        RouteTable::new(routes.collect())
    }

    #[test]
    fn the_longest_prefix_of_complete_segments_wins() {
        let table = table(&["/", "/orders", "/orders/archive/", "/files/"]);
        let found = |text| table.find(&path(text)).map(|(_, route)| route.name.as_str());
        assert_eq!(found("/orders"), Some("/orders"));
        assert_eq!(found("/orders/7"), Some("/orders"));
        assert_eq!(found("/orders/archive/7"), Some("/orders/archive/"));
        assert_eq!(found("/orders/archive"), Some("/orders"));
        assert_eq!(found("/ordersX"), Some("/"));
        assert_eq!(found("/files"), Some("/"));
    }

    #[test]
    fn every_server_has_to_read_a_path_as_one_of_its_route() {
        let table = table(&["/", "/st", "/st/secret", "/sap/s", "/sap/s;v=2"]);
        for (text, expected) in [
            ("/st/a;v=1/b", None),
            ("/st/x%3Bsecret", None),
            ("/st/secret;x", Some(Ambiguity::Parameters)),
            ("/st/;x/secret", Some(Ambiguity::Parameters)),
            ("/st;x/a", Some(Ambiguity::Parameters)),
            ("/st/x;y%5Csecret", None),
            ("/st%5Csecret", Some(Ambiguity::Slashes)),
            ("/st/secret;x%2Fa", Some(Ambiguity::Parameters)),
            ("/sap/s;v=2/a", None),
            ("/sap/s;v=2/a;x", None),
            ("/sap/s;v=3/a", Some(Ambiguity::Parameters)),
            ("/elsewhere;x", Some(Ambiguity::Parameters)),
        ] {
            let path = CanonicalPath::parse(text, Strictness::ItemWithSlashes).unwrap();
            let (index, _) = table.find(&path).unwrap();
            let found = table.ambiguity(&path, index, |read| read.as_str() == "/elsewhere");
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn no_route_is_none() {
        assert!(table(&["/a"]).find(&path("/b")).is_none());
    }
}
