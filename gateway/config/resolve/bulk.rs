//! Bulk routes: each has a template that lies under a route, and a path that is no batch endpoint's.

use http::Method;

use super::{Refused, Resolved, Resolver, Seen, all, already, quiet_path};
use crate::config::BulkRoute;
use crate::config::document::{BulkDocument, Document};
use crate::config::yaml::diagnostic::{nearest, quoted};
use crate::config::yaml::wrappers::At;
use crate::format::takes_query;
use crate::route::{CanonicalPath, Route, RouteIndex, RouteTable, UrlTemplate};

impl Resolver<'_> {
    /// The bulk routes of a document whose routes are these, if those are right.
    pub(super) fn bulk_routes(
        &mut self,
        document: &Document,
        routes: Option<&RouteTable>,
    ) -> Resolved<Vec<BulkRoute>> {
        let mut paths = Seen::new();
        let bulk = document.bulk.iter().map(|bulk| {
            let resolved = self.bulk_route(&bulk.value, routes);
            let path = &bulk.value.path;
            if let Some(canonical) = quiet_path(path) {
                self.apart_from_endpoints(path, &canonical, document)?;
                if let Some(earlier) = paths.earlier(canonical, path.span) {
                    let message = format!("two bulk routes have the path {}", path.shown());
                    return self.refuse(path.span, message, earlier);
                }
            }
            resolved
        });
        let bulk = bulk.collect();
        all(bulk)
    }

    fn bulk_route(&mut self, document: &BulkDocument, routes: Option<&RouteTable>) -> Resolved<BulkRoute> {
        let endpoint = self.endpoint(&document.as_batch());
        let methods: Vec<_> = document.methods.iter().map(|name| self.method(name)).collect();
        let methods = all(methods);
        let each = self.template(&document.each);
        let (methods, each) = (methods?, each?);
        self.one_parameter(document, &methods, &each)?;
        // Where the routes are wrong, that has been reported.
        let route = self.route_of_template(document, &methods, &each, routes.ok_or(Refused)?)?;
        Ok(BulkRoute { endpoint: endpoint?, methods, each, route })
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

    fn route_of_template(
        &mut self,
        document: &BulkDocument,
        methods: &[Method],
        each: &UrlTemplate,
        routes: &RouteTable,
    ) -> Resolved<RouteIndex> {
        let Some((index, route)) = each.route_in(routes) else {
            let message = format!("the template {} lies under no route", document.each.shown());
            let known = routes.routes().iter().map(|route| route.path.as_str());
            let help = match nearest(document.each.value.split('{').next().unwrap_or_default(), known) {
                Some(meant) => format!("add a route for it; `{meant}` is one that looks like it"),
                None => "add a route for it, or change the template".to_owned(),
            };
            return self.refuse(document.each.span, message, help);
        };
        if !route.batchable {
            let message = format!("the route {} takes no items of batches", quoted(&route.name));
            let help = "a bulk makes items; remove `batch: false` there, or this bulk route";
            return self.refuse(document.each.span, message, help);
        }
        let mut result = Ok(index);
        for (method, name) in methods.iter().zip(&document.methods) {
            if !route.methods.allows(method) {
                result = self.method_not_routed(method, name, route);
            }
        }
        result
    }

    fn method_not_routed(
        &mut self,
        method: &Method,
        name: &At<String>,
        route: &Route,
    ) -> Resolved<RouteIndex> {
        let message = format!("the route {} does not allow {method}", quoted(&route.name));
        let allowed = route.methods.allow_value();
        self.refuse(name.span, message, format!("it allows {allowed}; add it there, or remove it here"))
    }

    fn apart_from_endpoints(
        &mut self,
        path: &At<String>,
        canonical: &CanonicalPath,
        document: &Document,
    ) -> Resolved<()> {
        for endpoint in &document.batch {
            let other = &endpoint.value.path;
            if quiet_path(other).as_ref() == Some(canonical) {
                let message = format!("the bulk route {} is at a batch endpoint's path", path.shown());
                let help = format!("give it another path; {}", already(other.span));
                return self.refuse(path.span, message, help);
            }
        }
        Ok(())
    }
}
