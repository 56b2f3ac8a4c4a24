//! `routes`: which requests lead where. No route hides another.

use std::collections::BTreeMap;

use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cors::Cors;
use super::headers::HeadersDocument;
use super::resolver::{Resolved, Resolver, Seen, all};
use super::rewrite::{RewriteDocument, Written};
use super::route_answer::{RedirectDocument, RespondDocument};
use super::route_match::{Earlier, MatchDocument};
use super::timeout::RouteTimeouts;
use super::undo::UndoDocument;
use super::yaml::quantity::ByteSize;
use super::yaml::wrappers::At;
use crate::route::{EncodedSlashes, MethodSet, PathPattern, Route, RouteAction};

/// One route: to an upstream, a fixed answer, or a redirect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["upstream"] }, { "required": ["respond"] }, { "required": ["redirect"] }]))]
pub(in crate::config) struct RouteDocument {
    /// The path prefix. `/orders/` takes all that is below it; `/orders` takes itself too, and not
    /// `/ordersX`. `{name}` is any one segment: `/orders/{id}/lines`.
    #[schemars(example = &"/orders/")]
    pub(in crate::config) path: At<String>,

    /// Whether it is for exactly this path, without what is below.
    #[serde(default)]
    pub(in crate::config) exact: bool,

    /// The hosts that it is for: names, `*.example.org` for all names below `example.org`, or addresses. Any where this is
    /// absent.
    #[schemars(length(min = 1), extend("examples" = [["api.example.com", "*.example.org"]]))]
    pub(in crate::config) hosts: Option<Vec<At<String>>>,

    /// What else a request has to have to come here; it chooses between routes of one path.
    #[serde(rename = "match")]
    #[schemars(extend("examples" = [{ "methods": ["GET"], "headers": { "X-Version": "2" } }]))]
    pub(in crate::config) conditions: Option<At<MatchDocument>>,

    /// The name of the upstream that it leads to.
    #[schemars(example = &"NAME")]
    pub(in crate::config) upstream: Option<At<String>>,

    /// The methods it allows; HEAD comes with GET. Where this is absent: all but TRACE and CONNECT.
    #[schemars(length(min = 1), extend("examples" = [["GET", "PUT"]]))]
    pub(in crate::config) methods: Option<Vec<At<String>>>,

    /// Whether items of batches may come here; with `false`, single requests only.
    #[serde(default = "yes")]
    pub(in crate::config) batch: bool,

    /// Whether items of a batch that ask for the same, by GET or HEAD, share one call.
    #[serde(default)]
    pub(in crate::config) coalesce: At<bool>,

    /// Whether items may have an encoded slash (`%2F`) or backslash (`%5C`) in their path. With `pass` they go to the
    /// service as they are. Single requests always do.
    #[serde(default)]
    pub(in crate::config) encoded_slashes: EncodedSlashes,

    /// How to undo what its methods did, by method, for groups at endpoints with `groups: compensate`. `snapshot`: the
    /// resource is read before, and put back as it was. `METHOD {location}`: a call to the url in the reply's Location.
    #[schemars(extend("examples" = [{ "POST": "DELETE {location}", "PUT": "snapshot", "DELETE": "snapshot" }]))]
    pub(in crate::config) undo: Option<At<UndoDocument>>,

    /// The prefix to remove from the path before the upstream sees it, and put back in its replies' urls.
    pub(in crate::config) strip_prefix: Option<At<String>>,

    /// Fields that requests get and lose on their way to the upstream, after those of its `headers`.
    #[serde(default)]
    pub(in crate::config) request_headers: HeadersDocument,

    /// Fields that replies get and lose on their way to the client; of items, their results.
    #[serde(default)]
    pub(in crate::config) response_headers: HeadersDocument,

    /// Time limits in place of those of the upstream.
    pub(in crate::config) timeout: Option<At<RouteTimeouts>>,

    /// The largest body of a request or an item. Absent: no limit of its own.
    pub(in crate::config) max_body: Option<ByteSize>,

    /// Who has access, if there is an `auth`: everybody (`off`), clients of only one of its ways (`api_keys`, `jwt`, `basic`,
    /// `forward`), or those of a name in `auth.named`. With `off`, items still come in a batch, whose client has to be known.
    /// Absent: as `auth` says.
    #[schemars(example = &"basic")]
    pub(in crate::config) auth: Option<At<String>>,

    /// Web pages of other origins that may use the route. The gateway answers their preflights, and what the service says
    /// of other origins is replaced. Absent: the service decides.
    pub(in crate::config) cors: Option<Cors>,

    /// What the upstream sees in place of the path, or of a prefix of it. Urls in replies are mapped back.
    #[schemars(extend("examples" = [{ "strip_prefix": "/orders", "add_prefix": "/v1" }, { "path": "/rest/{id}" }]))]
    pub(in crate::config) rewrite: Option<At<RewriteDocument>>,

    /// Whether replies are compressed for clients that accept gzip, br or zstd.
    #[serde(default)]
    pub(in crate::config) compress: bool,

    /// Whether bodies of single requests in a content coding (gzip, deflate, br, zstd) are decoded, for an upstream that can't do
    /// that. It needs `max_body`, which then holds for what comes out, too. Items in a coding are refused.
    #[serde(default)]
    pub(in crate::config) decompress_requests: At<bool>,

    /// A fixed answer instead of an upstream.
    pub(in crate::config) respond: Option<At<RespondDocument>>,

    /// Sends clients elsewhere instead of to an upstream, with the rest of the path and the query.
    pub(in crate::config) redirect: Option<At<RedirectDocument>>,

    /// Its name in metrics and logs; the path where this is absent, with the hosts before it and the conditions behind if
    /// several routes have that path.
    pub(in crate::config) name: Option<At<String>>,
}

impl RouteDocument {
    /// Fills in the name that it has by default.
    pub(super) fn prepare_to_show(&mut self, name: At<String>) {
        self.name.get_or_insert(name);
        self.request_headers.mask();
        self.conditions.iter_mut().for_each(|conditions| conditions.value.mask());
        self.respond.iter_mut().for_each(|respond| respond.value.mask());
        self.redirect.iter_mut().for_each(|redirect| redirect.value.mask());
    }
}

/// The names of the routes: as configured; else the path; else, where other routes without a name have the same path,
/// the path with the route's hosts before it and its conditions behind.
pub(super) fn route_names(routes: &[At<RouteDocument>]) -> Vec<At<String>> {
    let mut unnamed: BTreeMap<&str, usize> = BTreeMap::new();
    for route in routes.iter().filter(|route| route.value.name.is_none()) {
        *unnamed.entry(&route.value.path.value).or_default() += 1;
    }
    let name = |route: &At<RouteDocument>| {
        let RouteDocument { name, path, exact, hosts, conditions, .. } = &route.value;
        if let Some(name) = name {
            return name.clone();
        }
        if unnamed.get(path.value.as_str()).is_none_or(|count| *count < 2) {
            return path.clone();
        }
        let hosts = hosts.iter().flatten().map(|host| host.value.as_str()).collect::<Vec<_>>().join(",");
        let conditions = conditions.iter().flat_map(|conditions| conditions.value.words());
        let exact = exact.then(|| "exact".to_owned());
        let path_at = [format!("{hosts}{}", path.value)];
        let words = path_at.into_iter().chain(exact).chain(conditions).collect::<Vec<_>>();
        At { value: words.join(" "), ..path.clone() }
    };
    routes.iter().map(name).collect()
}

impl Resolver<'_> {
    pub(super) fn routes(&mut self, documents: &[At<RouteDocument>]) -> Resolved<Vec<Route>> {
        let mut seen = Seen::new();
        let mut earlier: Vec<Earlier> = Vec::new();
        all(documents.iter().zip(route_names(documents)).map(|(document, name)| {
            let route = self.route(document, &name);
            let path = &document.value.path;
            if let Ok(route) = &route {
                self.can_be_reached(&earlier, route, path)?;
                earlier.push(Earlier { route: route.clone(), span: path.span });
            }
            let message = |name| format!("the name {name} has two routes");
            self.only_once(&mut seen, name.value.clone(), &name, message)?;
            route
        }))
    }

    fn route(&mut self, document: &At<RouteDocument>, name: &At<String>) -> Resolved<Route> {
        let RouteDocument { path, hosts, conditions, methods, .. } = &document.value;
        let named = match &document.value.name {
            Some(name) => self.label(name),
            None => Ok(()),
        };
        let path = self.route_path(path).map(|path| if document.value.exact { path.exactly() } else { path });
        let hosts = self.hosts(hosts.as_deref());
        let methods = self.methods(methods.as_deref());
        let allowed = methods.as_ref().unwrap_or(&MethodSet::Any);
        let conditions = self.conditions(conditions.as_ref(), allowed);
        let action = self.action(document, path.as_ref().ok());
        let undo = self.undo(document.value.undo.as_ref(), allowed);
        named?;
        let route = Route {
            name: name.value.clone(),
            path: path?,
            hosts: hosts?,
            conditions: conditions?,
            methods: methods?,
            batchable: document.value.batch,
            coalesce: document.value.coalesce.value,
            encoded_slashes: document.value.encoded_slashes,
            undo: undo?,
            max_body: document.value.max_body.map(|size| size.0),
            decompress_requests: document.value.decompress_requests.value,
            action: action?,
        };
        self.check_coalescing(&route, &document.value.coalesce);
        self.check_undo(&route, document.value.undo.as_ref());
        self.check_decompression(&route, &document.value.decompress_requests)?;
        Ok(route)
    }

    fn check_coalescing(&mut self, route: &Route, coalesce: &At<bool>) {
        let never = match &route.action {
            RouteAction::Respond(_) | RouteAction::Redirect(_) => "on a route that answers by itself",
            RouteAction::Forward { .. } if !route.batchable => "on a route that takes no items of batches",
            RouteAction::Forward { .. } if !route.methods.allows(&Method::HEAD) => {
                "on a route that allows neither GET nor HEAD"
            }
            RouteAction::Forward { .. } => return,
        };
        if coalesce.value {
            self.warn(coalesce.span, format!("`coalesce` does nothing {never}"), "remove it");
        }
    }

    fn check_decompression(&mut self, route: &Route, decompress: &At<bool>) -> Resolved<()> {
        match &route.action {
            _ if !decompress.value => Ok(()),
            RouteAction::Respond(_) | RouteAction::Redirect(_) => {
                let message = "`decompress_requests` does nothing on a route without an upstream";
                self.warn(decompress.span, message, "remove it");
                Ok(())
            }
            RouteAction::Forward { .. } if route.max_body.is_some() => Ok(()),
            RouteAction::Forward { .. } => self.refuse(
                decompress.span,
                "`decompress_requests` needs `max_body`: a few compressed bytes can become gigabytes",
                "add `max_body: 10MiB`, or what the service takes at most",
            ),
        }
    }

    fn check_undo(&mut self, route: &Route, undo: Option<&At<UndoDocument>>) {
        let never = match &route.action {
            RouteAction::Respond(_) | RouteAction::Redirect(_) => "on a route that answers by itself",
            RouteAction::Forward { .. } if !route.batchable => "on a route that takes no items of batches",
            RouteAction::Forward { .. } => return,
        };
        if let Some(undo) = undo {
            self.warn(undo.span, format!("`undo` does nothing {never}"), "remove it");
        }
    }

    fn action(&mut self, document: &At<RouteDocument>, path: Option<&PathPattern>) -> Resolved<RouteAction> {
        let RouteDocument { upstream, strip_prefix, rewrite, respond, redirect, .. } = &document.value;
        let written = Written { strip_prefix: strip_prefix.as_ref(), rewrite: rewrite.as_ref() };
        let ways = [
            upstream.as_ref().map(|upstream| upstream.span),
            respond.as_ref().map(|respond| respond.span),
            redirect.as_ref().map(|redirect| redirect.span),
        ];
        if let [_, second, ..] = ways.into_iter().flatten().collect::<Vec<_>>()[..] {
            let message = "a route has only one of `upstream`, `respond` and `redirect`";
            return self.refuse(second, message, "remove the others");
        }
        if let Some(upstream) = upstream {
            let mapping = self.mapping(written, path);
            let upstream = self.upstream_named(upstream);
            return Ok(RouteAction::Forward { upstream: upstream?, mapping: mapping? });
        }
        self.unused_rewrite(written);
        if let Some(respond) = respond {
            return self.respond(respond).map(RouteAction::Respond);
        }
        if let Some(redirect) = redirect {
            return self.redirect(&redirect.value, path).map(RouteAction::Redirect);
        }
        self.refuse(
            document.span,
            "the route leads nowhere",
            "add `upstream: NAME`, `respond: { status: 404 }` or `redirect: { to: /new/ }`",
        )
    }

    pub(super) fn methods(&mut self, names: Option<&[At<String>]>) -> Resolved<MethodSet> {
        let Some(names) = names else { return Ok(MethodSet::Any) };
        let mut only: Vec<Method> = Vec::new();
        for method in all(names.iter().map(|name| self.method(name)))? {
            if !only.contains(&method) {
                only.push(method);
            }
        }
        Ok(MethodSet::Only(only))
    }
}

const fn yes() -> bool {
    true
}
