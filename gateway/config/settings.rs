//! The root of the configuration: the file as it is written ([`Document`]) and the settings in use ([`Settings`]).
//!
//! Every doc comment of a document is a description in the published JSON Schema, and every default is in it. No `flatten`
//! and no internally tagged enum: both lose the spans of their contents.

use std::net::SocketAddr;
use std::num::NonZeroUsize;

use http::{HeaderName, Method};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::access::Endpoint;
use super::auth::{Auth, AuthDocument};
use super::batch::{BatchDocument, BatchEndpoint, default_batch};
use super::bulk::{BulkDocument, BulkRoute};
use super::console::ConsoleSettings;
use super::cors::Cors;
use super::drain::Drain;
use super::environment::escape;
use super::limits::{LargestBatch, Limits};
use super::listener::{ListenAddress, ListenDocument, Listener};
use super::log::LogSettings;
use super::name_servers::ResolverDocument;
use super::rate_limit::{Clients, Limited, RateLimit, RateLimitDocument};
use super::resolver::{Resolved, Resolver};
use super::rewrite::below_base_paths;
use super::route::{RouteDocument, route_names};
use super::route_policy::RoutePolicy;
use super::sampler::Sampler;
use super::timeout::UpstreamTimeouts;
use super::tracing::{Tracing, TracingDocument};
use super::trusted_proxies::{Forwarded, TrustedProxies};
use super::upstream::{Upstream, UpstreamDocument};
use super::yaml::span::Span;
use super::yaml::tree::read_written;
use super::yaml::wrappers::{At, Named, OneOrMany};
use crate::header::changes::HeaderChanges;
use crate::route::{CanonicalPath, RouteIndex, RouteTable, UpstreamIndex, is_prefix};
use crate::workers::one_for_each_core;

/// Everything one batchgate does: where it listens, which upstreams it knows, which routes lead to
/// them, and which paths take batches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "batchgate configuration")]
pub(super) struct Document {
    /// Where clients come in: one address or a list.
    #[schemars(example = &"0.0.0.0:8080")]
    listen: OneOrMany<ListenDocument>,

    /// Where operators come in: the console, `/metrics`, `/healthz`, `/readyz`, `/config`, `/targets` and
    /// `/batches`. An IP address with a port, `unix:/path`, or `off`.
    #[serde(default = "default_admin")]
    admin: At<String>,

    /// The services behind the gateway, by name.
    #[serde(default)]
    upstreams: Named<UpstreamDocument>,

    /// Which requests lead where: the most specific host wins, then the most specific path, then the one with the most conditions.
    #[schemars(length(min = 1), extend("examples" = [[{ "path": "/", "upstream": "NAME" }]]))]
    routes: Vec<At<RouteDocument>>,

    /// The batch endpoints: each takes batches by POST at its own path.
    #[serde(default = "default_batch")]
    #[schemars(length(min = 1))]
    batch: Vec<At<BatchDocument>>,

    /// The bulk routes: each takes a collection of data at its own path, and makes an item of each record.
    #[serde(default)]
    bulk: Vec<At<BulkDocument>>,

    /// Who may come in; all where this is absent.
    auth: Option<At<AuthDocument>>,

    /// How many items and requests clients may send in a time; each has to find room in all of these.
    #[serde(default)]
    rate_limits: Vec<At<RateLimitDocument>>,

    /// Proxies whose X-Forwarded-For, or PROXY protocol, says where a client is: networks (`10.0.0.0/8`), addresses, or `unix` for any
    /// peer on a Unix socket.
    #[serde(default)]
    #[schemars(extend("examples" = [["10.0.0.0/8", "2001:db8::/32"]]))]
    trusted_proxies: Vec<At<String>>,

    /// When services get Forwarded (RFC 7239) beside X-Forwarded-*.
    #[serde(default)]
    forwarded: Forwarded,

    /// How names of targets are looked up.
    #[serde(default)]
    resolver: ResolverDocument,

    /// Limits of the gateway, for all endpoints and upstreams together.
    #[serde(default)]
    limits: Limits,

    /// What is logged, and how.
    #[serde(default)]
    log: LogSettings,

    /// Where traces go, and which are recorded.
    #[serde(default)]
    tracing: TracingDocument,

    /// How the gateway ends on SIGTERM, or after a hand-over (SIGQUIT).
    #[serde(default)]
    drain: Drain,

    /// What the console on the admin listener can show, and who may change things there from another machine.
    #[serde(default)]
    console: ConsoleSettings,

    /// Threads that serve connections; one for each core where this is absent.
    #[schemars(range(max = 1024))]
    threads: Option<NonZeroUsize>,

    /// Web pages of other origins that may use the batch endpoints.
    #[serde(default)]
    cors: Cors,

    /// Files whose parts are added to this one. `*` and `?` stand for parts of a file's name. Lists are joined; a name in
    /// two files is an error.
    #[serde(default, skip_serializing)]
    #[schemars(extend("examples" = [["conf.d/*.yaml"]]))]
    include: Vec<At<String>>,
}

/// A gateway's settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where clients come in; at least one.
    pub listen: Vec<Listener>,
    /// Where operators come in: `/metrics`, `/healthz`, `/readyz`, `/config`. `None`: nowhere.
    pub admin: Option<ListenAddress>,
    /// The upstreams; a [`UpstreamIndex`] points here.
    pub upstreams: Vec<Upstream>,
    /// The routes.
    pub routes: RouteTable,
    /// What each route decides about its requests and replies; a [`RouteIndex`] points here.
    pub policies: Vec<RoutePolicy>,
    /// The batch endpoints, each with its own path.
    pub batch: Vec<BatchEndpoint>,
    /// The bulk routes, each with its own path, which no batch endpoint has.
    pub bulk: Vec<BulkRoute>,
    /// Who may come in; `None`: all.
    pub auth: Option<Auth>,
    /// The rate limits, in the order of the file.
    pub rate_limits: Vec<RateLimit>,
    /// Who may say where a client is.
    pub trusted_proxies: TrustedProxies,
    /// When services get Forwarded.
    pub forwarded: Forwarded,
    /// The name servers that are asked for targets; none: the system's.
    pub resolver: Vec<SocketAddr>,
    /// Limits of the gateway, for all endpoints and upstreams together.
    pub limits: Limits,
    /// What is logged, and how.
    pub log: LogSettings,
    /// Where traces go, and which are recorded; `None`: nowhere.
    pub tracing: Option<Tracing>,
    /// How the gateway ends.
    pub drain: Drain,
    /// What the console can show, and who may use it from another machine.
    pub console: ConsoleSettings,
    /// Threads that serve connections; `None`: one for each core.
    pub threads: Option<NonZeroUsize>,
    /// Web pages of other origins that may use batch endpoints.
    pub cors: Cors,
    /// The file in effect, as YAML that can be loaded again: every default filled in, secrets as `***`.
    pub shown: String,
}

impl Settings {
    /// How many threads serve the connections of clients.
    #[must_use]
    pub fn workers(&self) -> NonZeroUsize {
        self.threads.unwrap_or_else(one_for_each_core)
    }

    /// The file in effect, as JSON.
    #[must_use]
    pub fn shown_as_json(&self) -> String {
        let tree = read_written(&self.shown);
        tree.and_then(|tree| serde_json::to_string(&tree).ok()).unwrap_or_default()
    }

    /// Which traces are recorded; `None`: none.
    #[must_use]
    pub fn sampler(&self) -> Option<&Sampler> {
        self.tracing.as_ref().map(|tracing| &tracing.sampler)
    }

    /// How many batches are kept for operators; none without an admin listener.
    #[must_use]
    pub fn kept_batches(&self) -> usize {
        if self.admin.is_some() { self.console.batches } else { 0 }
    }

    /// The upstream at this index.
    #[must_use]
    pub fn upstream(&self, index: UpstreamIndex) -> Option<&Upstream> {
        self.upstreams.get(index.0)
    }

    /// What the route at this index decides about its requests and replies.
    #[must_use]
    pub fn policy(&self, index: RouteIndex) -> Option<&RoutePolicy> {
        self.policies.get(index.0)
    }

    /// The time limits of calls over this route to its upstream.
    #[must_use]
    pub fn timeout_of(&self, route: Option<RouteIndex>, upstream: &Upstream) -> UpstreamTimeouts {
        route.and_then(|route| self.policy(route)?.timeout).unwrap_or(upstream.timeout)
    }

    /// The fields that calls over this route to its upstream get and lose.
    #[must_use]
    pub fn changes_of<'all>(
        &'all self,
        route: Option<RouteIndex>,
        upstream: &'all Upstream,
    ) -> &'all HeaderChanges {
        route.and_then(|route| self.policy(route)?.request_headers.as_ref()).unwrap_or(&upstream.headers)
    }

    /// The fields that only the service that authenticates clients may set.
    #[must_use]
    pub fn reserved_fields(&self) -> &[HeaderName] {
        self.auth.as_ref().map_or(&[], Auth::added)
    }

    /// The batch endpoint with this path. One slash more or less at the end is the same path, unless a route, a bulk route
    /// or another endpoint has exactly that one.
    #[must_use]
    pub fn batch_endpoint(&self, path: &CanonicalPath) -> Option<&BatchEndpoint> {
        let exact = self.batch.iter().find(|endpoint| endpoint.path == *path);
        exact.or_else(|| {
            let twin = self.batch.iter().find(|endpoint| endpoint.path.differs_by_last_slash(path));
            twin.filter(|_| !self.is_claimed(path))
        })
    }

    /// The batch endpoint that a request with this path and query is for. Parameters of the query tell batches from other
    /// requests wherever they are sent, so an endpoint with such parameters also takes the paths below its own.
    #[must_use]
    pub fn batch_endpoint_for(&self, path: &CanonicalPath, query: &str) -> Option<&BatchEndpoint> {
        let exact = self.batch_endpoint(path).filter(|endpoint| endpoint.has_query(query));
        let above = |endpoint: &&BatchEndpoint| {
            !endpoint.query.is_empty() && is_prefix(&endpoint.path, path) && endpoint.has_query(query)
        };
        let longest = |endpoint: &&BatchEndpoint| endpoint.path.as_str().len();
        exact.or_else(|| self.batch.iter().filter(above).max_by_key(longest))
    }

    /// The bulk route with exactly this path, if it takes this method. With a slash more it would be a resource of the
    /// service, such as the root of a collection.
    #[must_use]
    pub fn bulk_route(&self, path: &CanonicalPath, method: &Method) -> Option<&BulkRoute> {
        self.bulk.iter().find(|bulk| bulk.endpoint.path == *path && bulk.methods.contains(method))
    }

    /// Whether something is configured at exactly this path.
    fn is_claimed(&self, path: &CanonicalPath) -> bool {
        self.routes.routes().iter().any(|route| route.path.is_path(path))
            || self.batch.iter().any(|endpoint| endpoint.path == *path)
            || self.bulk.iter().any(|bulk| bulk.endpoint.path == *path)
    }
}

impl Document {
    /// The largest of a value that batch endpoints and bulk routes have.
    fn largest<T: Ord>(&self, value: fn(&BatchDocument) -> T) -> Option<T> {
        let bulk = self.bulk.iter().map(|bulk| value(&bulk.value.as_batch()));
        self.batch.iter().map(|endpoint| value(&endpoint.value)).chain(bulk).max()
    }

    fn largest_batch(&self) -> LargestBatch {
        LargestBatch {
            body: self.largest(|batch| batch.max_body.0).unwrap_or_default(),
            reply: self.largest(|batch| batch.max_reply.0).unwrap_or_default(),
        }
    }

    /// Whether anything says who a client is.
    fn clients(&self) -> Clients {
        let mut certificates = self.listen.0.iter().filter_map(|listener| listener.tls.as_ref());
        let named = self.auth.is_some() || certificates.any(|tls| tls.value.client_ca.is_some());
        if named { Clients::Named } else { Clients::Anonymous }
    }

    /// Where the redirect of each route is written.
    fn places_of_redirects(&self) -> Vec<Option<Span>> {
        let redirects = self.routes.iter().map(|route| route.value.redirect.as_ref());
        redirects.map(|redirect| redirect.and_then(|redirect| redirect.value.to.span)).collect()
    }

    /// The names of the upstreams that a route or `auth` leads to.
    fn used_upstreams(&self) -> Vec<&str> {
        let routes = self.routes.iter().filter_map(|route| route.value.upstream.as_ref());
        let asked = self.auth.iter().flat_map(|auth| auth.value.asked()).map(|forward| &forward.upstream);
        routes.chain(asked).map(|name| name.value.as_str()).collect()
    }

    /// The names of the upstreams that get items of batches.
    fn batched_upstreams(&self) -> Vec<&str> {
        let routes = self.routes.iter().map(|route| &route.value).filter(|route| route.batch);
        routes.filter_map(|route| route.upstream.as_ref()).map(|name| name.value.as_str()).collect()
    }

    /// The file in effect, as YAML that can be loaded again.
    fn shown(mut self, settings: &Settings) -> String {
        self.limits = settings.limits;
        self.cors = settings.cors.clone();
        self.upstreams.0.iter_mut().for_each(|(_, upstream)| upstream.prepare_to_show());
        let names = route_names(&self.routes);
        self.routes.iter_mut().zip(names).for_each(|(route, name)| route.value.prepare_to_show(name));
        self.batch.iter_mut().for_each(|endpoint| endpoint.value.prepare_to_show());
        self.bulk.iter_mut().for_each(|bulk| bulk.value.prepare_to_show());
        let written = serde_saphyr::to_string(&self).ok().as_deref().and_then(read_written);
        // Every key and value is text, number or list: nothing that YAML could not carry.
        let shown = written.map(|mut tree| {
            escape(&mut tree);
            serde_saphyr::to_string(&tree).unwrap_or_default()
        });
        shown.unwrap_or_default()
    }
}

impl Resolver<'_> {
    fn route_table(
        &mut self,
        documents: &[At<RouteDocument>],
        upstreams: &[Upstream],
    ) -> Resolved<RouteTable> {
        self.routes(documents).map(|routes| RouteTable::new(below_base_paths(routes, upstreams)))
    }

    /// The settings, if nothing in them is wrong.
    pub(super) fn settings(&mut self, document: Document) -> Resolved<Settings> {
        let listen = self.listeners(&document.listen.0);
        let admin = self.admin(&document.admin, &document.listen.0);
        let upstreams = self.upstreams(&document.upstreams);
        let known = upstreams.as_deref().ok();
        let routes = self.route_table(&document.routes, known.unwrap_or_default());
        let policies = self.route_policies(&document.routes, known);
        let batch = self.endpoints(&document.batch);
        let bulk = self.bulk_routes(&document.bulk, &document.batch, routes.as_ref().ok());
        self.hidden_routes(&document.routes, &document.batch);
        let longest = document.largest(|batch| batch.deadline.value.0);
        self.deadlines(&document.upstreams, longest, &document.batched_upstreams());
        let limits = self.limits(&document.limits, document.largest_batch());
        let auth = document.auth.as_ref().map(|auth| self.auth(auth));
        self.access(&document.routes, &document.batch, &document.bulk, auth.as_ref());
        let limited = Limited {
            routes: &document.routes,
            clients: document.clients(),
            largest_batch: document.largest(|batch| batch.max_items.get()).unwrap_or_default(),
        };
        let rate_limits = self.rate_limits(&document.rate_limits, limited);
        let resolver = self.name_servers(&document.resolver);
        let trusted_proxies = self.trusted_proxies(&document.trusted_proxies);
        let log = self.log(&document.log);
        let tracing = self.tracing(&document.tracing);
        let cors = self.cors(&document.cors, self.written.key("cors"));
        let listeners = listen.as_deref().unwrap_or_default();
        self.what_does_nothing(&document, batch.as_deref().ok(), routes.as_ref().ok(), listeners);
        self.whom_auth_leaves_out(&document, auth.as_ref());
        let mut settings = Settings {
            listen: listen?,
            admin: admin?,
            upstreams: upstreams?,
            routes: routes?,
            policies: policies?,
            batch: batch?,
            bulk: bulk?,
            auth: auth.transpose()?,
            rate_limits: rate_limits?,
            trusted_proxies: trusted_proxies?,
            forwarded: document.forwarded,
            resolver: resolver?,
            limits: limits?,
            log: log?,
            tracing: tracing?,
            drain: document.drain,
            console: document.console.clone(),
            threads: document.threads,
            cors: cors?,
            shown: String::new(),
        };
        settings.shown = document.shown(&settings);
        Ok(settings)
    }

    fn whom_auth_leaves_out(&mut self, document: &Document, auth: Option<&Resolved<Auth>>) {
        let (Some(written), Some(Ok(auth)), false) = (&document.auth, auth, self.findings.has_errors())
        else {
            return;
        };
        let batch = document.batch.iter().map(|batch| (&batch.value.path, batch.value.auth.as_ref()));
        let bulk = document.bulk.iter().map(|bulk| (&bulk.value.path, bulk.value.auth.as_ref()));
        let endpoints: Vec<_> = batch.chain(bulk).map(|(path, auth)| Endpoint { path, auth }).collect();
        self.access_of_nobody(written, auth, &document.routes, &endpoints);
    }

    /// Reports what does nothing, and redirects that never end. What is wrong may have been what a name or a key is for, so where something is,
    /// nothing is said.
    fn what_does_nothing(
        &mut self,
        document: &Document,
        batch: Option<&[BatchEndpoint]>,
        routes: Option<&RouteTable>,
        listeners: &[Listener],
    ) {
        if self.findings.has_errors() {
            return;
        }
        self.unused_upstreams(&document.upstreams, &document.used_upstreams());
        self.keys_without_effect(&document.batch);
        self.keys_of_bulk_without_effect(&document.bulk);
        self.unused_proxy_protocol(&document.listen.0, &document.trusted_proxies);
        self.unused_undo(&document.routes, &document.batch);
        if let Some(routes) = routes {
            self.redirect_loops(&document.places_of_redirects(), routes, listeners);
        }
        if let (Some(endpoints), Some(routes)) = (batch, routes) {
            self.other_methods_without_route(&document.batch, endpoints, routes);
        }
    }
}

pub(super) fn default_admin() -> At<String> {
    "127.0.0.1:9901".to_owned().into()
}
