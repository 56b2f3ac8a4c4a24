//! `routes`: which paths lead where. No route hides another.

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auth_way::RouteAuth;
use super::cors::Cors;
use super::headers::HeadersDocument;
use super::resolver::{Refused, Resolved, Resolver, Seen, all, canonical};
use super::timeout::RouteTimeouts;
use super::undo::UndoDocument;
use super::yaml::quantity::ByteSize;
use super::yaml::wrappers::At;
use crate::route::{CanonicalPath, EncodedSlashes, Mapping, MethodSet, Respond, Route, RouteAction};

/// One route: to an upstream, or a fixed answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["upstream"] }, { "required": ["respond"] }]))]
pub(in crate::config) struct RouteDocument {
    /// The path prefix. `/orders/` takes all that is below it; `/orders` takes itself too, and not
    /// `/ordersX`.
    #[schemars(example = &"/orders/")]
    pub(in crate::config) path: At<String>,

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

    /// Who has access, if there is an `auth`: everybody, or only clients of one of its ways. Absent: as `auth` says.
    pub(in crate::config) auth: Option<At<RouteAuth>>,

    /// Web pages of other origins that may use the route. The gateway answers their preflights, and what the service says
    /// of other origins is replaced. Absent: the service decides.
    pub(in crate::config) cors: Option<Cors>,

    /// Whether replies are compressed for clients that accept gzip, br or zstd.
    #[serde(default)]
    pub(in crate::config) compress: bool,

    /// A fixed answer instead of an upstream.
    pub(in crate::config) respond: Option<At<RespondDocument>>,

    /// Its name in metrics and logs; the path where this is absent.
    pub(in crate::config) name: Option<At<String>>,
}

/// A fixed answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RespondDocument {
    /// Its status.
    #[schemars(range(min = 200, max = 599), example = 404)]
    pub(in crate::config) status: u16,
    /// Its body.
    #[serde(default)]
    pub(in crate::config) body: At<String>,
    /// The body's media type.
    #[serde(default = "default_content_type")]
    pub(in crate::config) content_type: At<String>,
}

impl RouteDocument {
    /// Fills in the name that it has by default.
    pub(super) fn prepare_to_show(&mut self) {
        self.name.get_or_insert_with(|| self.path.clone());
        self.request_headers.mask();
    }
}

impl Resolver<'_> {
    pub(super) fn routes(&mut self, documents: &[At<RouteDocument>]) -> Resolved<Vec<Route>> {
        let mut paths = Seen::new();
        let mut names = Seen::new();
        all(documents.iter().map(|document| {
            let route = self.route(document);
            let path = &document.value.path;
            if let Some(canonical) = canonical(path) {
                let message = |path| format!("the path {path} has two routes; this one is never reached");
                self.only_once(&mut paths, canonical, path, message)?;
            }
            let name = document.value.name.as_ref().unwrap_or(path);
            let message = |name| format!("the name {name} has two routes");
            self.only_once(&mut names, name.value.clone(), name, message)?;
            route
        }))
    }

    fn route(&mut self, document: &At<RouteDocument>) -> Resolved<Route> {
        let RouteDocument { path, methods, name, .. } = &document.value;
        let named = match name {
            Some(name) => self.label(name),
            None => Ok(()),
        };
        let canonical = self.path(path);
        let methods = self.methods(methods.as_deref());
        let action = self.action(document, canonical.as_ref().ok());
        let undo = self.undo(document.value.undo.as_ref(), methods.as_ref().unwrap_or(&MethodSet::Any));
        named?;
        let route = Route {
            name: name.as_ref().unwrap_or(path).value.clone(),
            path: canonical?,
            methods: methods?,
            batchable: document.value.batch,
            coalesce: document.value.coalesce.value,
            encoded_slashes: document.value.encoded_slashes,
            undo: undo?,
            max_body: document.value.max_body.map(|size| size.0),
            action: action?,
        };
        self.check_coalescing(&route, &document.value.coalesce);
        self.check_undo(&route, document.value.undo.as_ref());
        Ok(route)
    }

    fn check_coalescing(&mut self, route: &Route, coalesce: &At<bool>) {
        let never = match &route.action {
            RouteAction::Respond(_) => "on a route that answers by itself",
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

    fn check_undo(&mut self, route: &Route, undo: Option<&At<UndoDocument>>) {
        let never = match &route.action {
            RouteAction::Respond(_) => "on a route that answers by itself",
            RouteAction::Forward { .. } if !route.batchable => "on a route that takes no items of batches",
            RouteAction::Forward { .. } => return,
        };
        if let Some(undo) = undo {
            self.warn(undo.span, format!("`undo` does nothing {never}"), "remove it");
        }
    }

    fn action(
        &mut self,
        document: &At<RouteDocument>,
        path: Option<&CanonicalPath>,
    ) -> Resolved<RouteAction> {
        let RouteDocument { upstream, strip_prefix, respond, .. } = &document.value;
        match (upstream, respond) {
            (Some(upstream), None) => {
                let mapping = self.mapping(strip_prefix.as_ref(), path);
                let upstream = self.upstream_named(upstream);
                Ok(RouteAction::Forward { upstream: upstream?, mapping: mapping? })
            }
            (None, Some(respond)) => {
                if let Some(strip_prefix) = strip_prefix {
                    self.warn(
                        strip_prefix.span,
                        "`strip_prefix` does nothing on a route that answers by itself",
                        "remove it",
                    );
                }
                self.respond(respond).map(RouteAction::Respond)
            }
            (Some(_), Some(respond)) => {
                self.refuse(respond.span, "a route has either `upstream` or `respond`", "remove one of them")
            }
            (None, None) => self.refuse(
                document.span,
                "the route leads nowhere",
                "add `upstream: NAME`, or `respond: { status: 404 }`",
            ),
        }
    }

    fn mapping(&mut self, strip: Option<&At<String>>, path: Option<&CanonicalPath>) -> Resolved<Mapping> {
        let Some(strip) = strip else { return Ok(Mapping::default()) };
        let prefix = self.path(strip)?;
        let path = path.ok_or(Refused)?;
        let trimmed = prefix.as_str().trim_end_matches('/');
        let rest = path.as_str().strip_prefix(trimmed);
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
            return Ok(Mapping::stripping(&prefix));
        }
        let message = format!("`strip_prefix` {} is not a prefix of the route's path", strip.shown());
        self.refuse(strip.span, message, format!("the path is `{}`", path.as_str()))
    }

    fn methods(&mut self, names: Option<&[At<String>]>) -> Resolved<MethodSet> {
        let Some(names) = names else { return Ok(MethodSet::Any) };
        let mut only: Vec<Method> = Vec::new();
        for method in all(names.iter().map(|name| self.method(name)))? {
            if !only.contains(&method) {
                only.push(method);
            }
        }
        Ok(MethodSet::Only(only))
    }

    fn respond(&mut self, document: &At<RespondDocument>) -> Resolved<Respond> {
        let document_place = document.span;
        let RespondDocument { status, body, content_type } = &document.value;
        let status = StatusCode::from_u16(*status).map_err(|_| Refused)?;
        let bodyless =
            matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED);
        if bodyless && !body.value.is_empty() {
            let message = format!("a reply with status {} has no body", status.as_u16());
            return self.refuse(body.span, message, "remove the body, or answer with another status");
        }
        if needs_location(status) {
            let message = format!(
                "a reply with status {} needs a Location, which a fixed answer does not have",
                status.as_u16()
            );
            let help = "answer with another status, such as 404 or 410";
            return self.refuse(document_place, message, help);
        }
        if HeaderValue::from_str(&content_type.value).is_err() || !content_type.value.contains('/') {
            let message = format!("{} is not a media type", content_type.shown());
            return self.refuse(content_type.span, message, "write it as `text/plain; charset=utf-8`");
        }
        Ok(Respond {
            status,
            body: Bytes::from(body.value.clone()),
            content_type: content_type.value.clone(),
        })
    }
}

/// Redirects: without a Location no client can follow them (RFC 9110 §15.4).
const fn needs_location(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

const fn yes() -> bool {
    true
}

fn default_content_type() -> At<String> {
    "text/plain; charset=utf-8".to_owned().into()
}
