//! `bulk`: paths that take a collection of data, whose records become items.
//!
//! Each has a template under a route, and a path that no batch endpoint has.

use std::num::NonZeroUsize;

use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::batch::{BatchDocument, BatchEndpoint, ItemOrder, ReplyMode};
use super::headers::HeadersDocument;
use super::resolver::{Refused, Resolved, Resolver, Seen, all, canonical};
use super::trace::TraceDocument;
use super::yaml::diagnostic::{nearest, quoted};
use super::yaml::quantity::{ByteSize, TimeLimit};
use super::yaml::wrappers::At;
use crate::format::takes_query;
use crate::route::{CanonicalPath, Route, RouteTable, UrlTemplate};

/// A bulk route: a request with one of its methods at its path brings records, and each becomes a
/// call to the url that the template makes of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["path", "methods", "each"]))]
pub(in crate::config) struct BulkDocument {
    /// Its exact path; requests with other methods, and a GET or DELETE without the template's variable
    /// in its query, are proxied as ever.
    #[schemars(example = &"/orders")]
    pub(in crate::config) path: At<String>,
    /// The methods that take records: GET and DELETE in a query parameter, all others in the body.
    #[schemars(length(min = 1), extend("examples" = [["PATCH", "DELETE"]]))]
    pub(in crate::config) methods: Vec<At<String>>,
    /// The url of each record, a template with variables that the record has, `/orders/{id}`. It has to lie
    /// under a route that allows the methods.
    #[schemars(example = &"/orders/{id}")]
    pub(in crate::config) each: At<String>,
    /// Records in one request.
    #[schemars(range(max = 1_000_000))]
    pub(in crate::config) max_items: NonZeroUsize,
    /// The request's body, before and after content decoding, and the JSON that is made of CSV.
    pub(in crate::config) max_body: ByteSize,
    /// Records of one request under way at once.
    #[schemars(range(max = 65536))]
    pub(in crate::config) concurrency: NonZeroUsize,
    /// From the request's last byte in until its items have ended; those that are not done by then end in 504.
    pub(in crate::config) deadline: At<TimeLimit>,
    /// Whether records run side by side or one by one.
    pub(in crate::config) order: ItemOrder,
    /// The reply's status once the records were accepted: 207, or 200 or 202 for clients that insist. Absent: 207.
    #[schemars(extend("enum" = [207, 200, 202]))]
    pub(in crate::config) reply_status: Option<At<u16>>,
    /// When a reply leaves.
    pub(in crate::config) reply: ReplyMode,
    /// Whether replies are compressed for clients that accept gzip, br or zstd.
    pub(in crate::config) compress: bool,
    /// Fields that its own replies get and lose; not the results of items.
    pub(in crate::config) response_headers: HeadersDocument,
    /// The only fields of the request that its items inherit. Absent: all but those that describe the request itself.
    pub(in crate::config) inherit: Option<Vec<At<String>>>,
    /// Whose records it takes, if there is an `auth`: those of only one of its ways, or of a name in `auth.named`. Absent: of all
    /// ways of `auth` itself.
    #[schemars(example = &"basic")]
    pub(in crate::config) auth: Option<At<String>>,
    /// Nesting of JSON values or XML elements.
    #[schemars(range(max = 128))]
    pub(in crate::config) max_depth: NonZeroUsize,
    /// One record's url.
    pub(in crate::config) max_url: ByteSize,
    /// The body of one item's reply.
    pub(in crate::config) max_item_reply: At<ByteSize>,
    /// The bodies of all items' replies together.
    pub(in crate::config) max_reply: ByteSize,
    /// Which items are kept and logged although they succeeded.
    pub(in crate::config) trace: TraceDocument,
    /// Whether replies say where the time went, in Server-Timing.
    pub(in crate::config) server_timing: bool,
}

impl Default for BulkDocument {
    fn default() -> Self {
        let batch = BatchDocument::default();
        Self {
            path: "/orders".to_owned().into(),
            methods: Vec::new(),
            each: "/orders/{id}".to_owned().into(),
            max_items: batch.max_items,
            max_body: batch.max_body,
            concurrency: batch.concurrency,
            deadline: batch.deadline,
            order: batch.order,
            reply_status: batch.reply_status,
            reply: batch.reply,
            compress: batch.compress,
            response_headers: batch.response_headers,
            inherit: batch.inherit,
            auth: batch.auth,
            max_depth: batch.max_depth,
            max_url: batch.max_url,
            max_item_reply: batch.max_item_reply,
            max_reply: batch.max_reply,
            trace: batch.trace,
            server_timing: batch.server_timing,
        }
    }
}

impl BulkDocument {
    /// Fills in the status, which a batch endpoint would have.
    pub(super) fn prepare_to_show(&mut self) {
        let mut batch = self.as_batch();
        batch.prepare_to_show();
        self.reply_status = batch.reply_status;
    }

    /// The batch endpoint that it would be.
    pub(super) fn as_batch(&self) -> BatchDocument {
        BatchDocument {
            path: self.path.clone(),
            max_items: self.max_items,
            max_body: self.max_body,
            concurrency: self.concurrency,
            deadline: self.deadline.clone(),
            order: self.order,
            reply_status: self.reply_status.clone(),
            reply: self.reply,
            compress: self.compress,
            response_headers: self.response_headers.clone(),
            inherit: self.inherit.clone(),
            auth: self.auth.clone(),
            max_depth: self.max_depth,
            max_url: self.max_url,
            max_item_reply: self.max_item_reply.clone(),
            max_reply: self.max_reply,
            trace: self.trace,
            server_timing: self.server_timing,
            ..BatchDocument::default()
        }
    }
}

/// A bulk route: records at its path become items, with the url that its template makes of each.
#[derive(Clone, Debug, PartialEq)]
pub struct BulkRoute {
    /// Its path and limits, which are of the same kind as a batch endpoint's.
    pub endpoint: BatchEndpoint,
    /// The methods that bring records.
    pub methods: Vec<Method>,
    /// The url of each record.
    pub each: UrlTemplate,
    /// A path that meets the route that the template lies under; no record leaves it.
    pub below: CanonicalPath,
}

impl Resolver<'_> {
    /// The bulk routes; `routes` are the resolved ones, if they are right.
    pub(super) fn bulk_routes(
        &mut self,
        documents: &[At<BulkDocument>],
        batch: &[At<BatchDocument>],
        routes: Option<&RouteTable>,
    ) -> Resolved<Vec<BulkRoute>> {
        let mut paths = Seen::new();
        all(documents.iter().map(|bulk| {
            let resolved = self.bulk_route(&bulk.value, routes);
            let path = &bulk.value.path;
            if let Some(found) = canonical(path) {
                self.apart_from_endpoints(path, &found, batch)?;
                let message = |path| format!("two bulk routes have the path {path}");
                self.only_once(&mut paths, found, path, message)?;
            }
            resolved
        }))
    }

    fn bulk_route(&mut self, document: &BulkDocument, routes: Option<&RouteTable>) -> Resolved<BulkRoute> {
        let endpoint = self.endpoint(&document.as_batch());
        let methods = all(document.methods.iter().map(|name| self.method(name)));
        let each = self.template(&document.each);
        let (methods, each) = (methods?, each?);
        self.one_parameter(document, &methods, &each)?;
        // Where the routes are wrong, that has been reported.
        let below = self.below_route(document, &methods, &each, routes.ok_or(Refused)?)?;
        Ok(BulkRoute { endpoint: endpoint?, methods, each, below })
    }

    fn template(&mut self, each: &At<String>) -> Resolved<UrlTemplate> {
        UrlTemplate::parse(&each.value).or_else(|error| {
            let message = format!("the template {} {error}", each.shown());
            self.refuse(each.span, message, "write it as a path with variables, such as `/orders/{id}`")
        })
    }

    /// GET and DELETE name their records in one query parameter.
    fn one_parameter(
        &mut self,
        document: &BulkDocument,
        methods: &[Method],
        each: &UrlTemplate,
    ) -> Resolved<()> {
        let Some(method) = methods.iter().find(|method| takes_query(method)) else { return Ok(()) };
        if each.variables().len() == 1 {
            return Ok(());
        }
        let message = format!(
            "{method} names its records in one query parameter, and {} has {} variables",
            document.each.shown(),
            each.variables().len()
        );
        self.refuse(
            document.each.span,
            message,
            format!("use one variable, or remove {method} from `methods`"),
        )
    }

    /// A path that every record's route has to take, so that none leaves it.
    fn below_route(
        &mut self,
        document: &BulkDocument,
        methods: &[Method],
        each: &UrlTemplate,
        routes: &RouteTable,
    ) -> Resolved<CanonicalPath> {
        let path = each.stand_in(routes);
        let met = path.as_ref().map(|path| routes.met_at(path)).unwrap_or_default();
        let met: Vec<_> = met.into_iter().filter_map(|index| routes.get(index)).collect();
        let (Some(path), Some(first)) = (path, met.first()) else {
            return self.no_route_for_template(document, routes);
        };
        if !met.iter().any(|route| route.batchable) {
            let message = format!("the route {} takes no items of batches", quoted(&first.name));
            let help = "a bulk makes items; remove `batch: false` there, or this bulk route";
            return self.refuse(document.each.span, message, help);
        }
        let mut result = Ok(path);
        for (method, name) in methods.iter().zip(&document.methods) {
            let takes = |route: &&Route| {
                let mut matched = route.conditions.methods.iter();
                matched.all(|methods| methods.allows(method)) && route.methods.allows(method)
            };
            if !met.iter().any(takes) {
                result = self.method_not_routed(method, name, first);
            }
        }
        result
    }

    fn no_route_for_template<T>(&mut self, document: &BulkDocument, routes: &RouteTable) -> Resolved<T> {
        let message = format!("no route covers the template {}", document.each.shown());
        let known = routes.routes().iter().map(|route| route.path.as_str());
        let help = match nearest(document.each.value.split('{').next().unwrap_or_default(), known) {
            Some(meant) => format!("add a route for it; `{meant}` is one that looks like it"),
            None => "add a route for it, or change the template".to_owned(),
        };
        self.refuse(document.each.span, message, help)
    }

    fn method_not_routed<T>(&mut self, method: &Method, name: &At<String>, route: &Route) -> Resolved<T> {
        let message = format!("the route {} does not allow {method}", quoted(&route.name));
        let allowed = route.methods.allow_value();
        self.refuse(name.span, message, format!("it allows {allowed}; add it there, or remove it here"))
    }

    fn apart_from_endpoints(
        &mut self,
        path: &At<String>,
        found: &CanonicalPath,
        batch: &[At<BatchDocument>],
    ) -> Resolved<()> {
        for endpoint in batch {
            let other = &endpoint.value.path;
            if canonical(other).as_ref() == Some(found) {
                let message = format!("the bulk route {} is at a batch endpoint's path", path.shown());
                let help = format!("give it another path; {}", self.findings.already(other.span));
                return self.refuse(path.span, message, help);
            }
        }
        Ok(())
    }
}
