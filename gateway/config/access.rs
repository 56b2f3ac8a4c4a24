//! `auth` of routes, batch endpoints and bulk routes: whether what they name is there.

use super::auth::{Auth, AuthDocument};
use super::auth_way::{Access, AuthWay, OFF};
use super::batch::BatchDocument;
use super::bulk::BulkDocument;
use super::resolver::{Resolved, Resolver};
use super::route::RouteDocument;
use super::yaml::diagnostic::{nearest, quoted};
use super::yaml::wrappers::At;
use crate::route::{CanonicalPath, Strictness};

/// What takes batches or records.
pub(super) struct Endpoint<'document> {
    pub(super) path: &'document At<String>,
    pub(super) auth: Option<&'document At<String>>,
}

impl Resolver<'_> {
    /// Refuses what wants a way of `auth`, or a name, that is not there.
    pub(super) fn access(
        &mut self,
        routes: &[At<RouteDocument>],
        batch: &[At<BatchDocument>],
        bulk: &[At<BulkDocument>],
        auth: Option<&Resolved<Auth>>,
    ) {
        // Where `auth` is wrong, that has been reported.
        let Ok(auth) = auth.map(Result::as_ref).transpose() else { return };
        for wanted in routes.iter().filter_map(|route| route.value.auth.as_ref()) {
            if wanted.value == OFF && auth.is_none() {
                let message = "`auth: off` does nothing: there is no `auth` at the top";
                self.warn(wanted.span, message, "remove it");
            }
            self.one_access(wanted, auth);
        }
        let of_batch = batch.iter().filter_map(|batch| batch.value.auth.as_ref());
        for wanted in of_batch.chain(bulk.iter().filter_map(|bulk| bulk.value.auth.as_ref())) {
            if wanted.value == OFF {
                let message = "`auth: off` is not possible here: a batch always needs a credential";
                let help = "remove it; `off` on routes gives everybody access to single requests";
                let _: Resolved<()> = self.refuse(wanted.span, message, help);
            }
            self.one_access(wanted, auth);
        }
    }

    /// Warns of names that nothing wants, and of what nobody can reach because `auth` has only names and none is wanted there.
    pub(super) fn access_of_nobody(
        &mut self,
        document: &At<AuthDocument>,
        auth: &Auth,
        routes: &[At<RouteDocument>],
        endpoints: &[Endpoint<'_>],
    ) {
        let of_routes = routes.iter().filter_map(|route| route.value.auth.as_ref());
        let of_endpoints = endpoints.iter().filter_map(|endpoint| endpoint.auth);
        let wanted: Vec<&str> = of_routes.chain(of_endpoints).map(|wanted| wanted.value.as_str()).collect();
        for (name, _) in &document.value.named.0 {
            if !wanted.contains(&name.value.as_str()) {
                let message = format!("{} gives access to nothing", name.shown());
                let help =
                    format!("write `auth: {}` where its clients have access, or remove it", name.value);
                self.warn(name.span, message, help);
            }
        }
        if !auth.ways.is_empty() {
            return;
        }
        let names: Vec<_> = auth.named.iter().map(|(name, _)| name.as_ref()).collect();
        let help = match names.as_slice() {
            [one] => format!("write `auth: {one}` there"),
            several => format!("write `auth` there, with one of {}", several.join(", ")),
        };
        let is_covered = |path: &str| match &auth.paths {
            None => true,
            Some(_) => CanonicalPath::parse(path, Strictness::Proxied).is_ok_and(|path| auth.covers(&path)),
        };
        for RouteDocument { path, auth: wanted, .. } in routes.iter().map(|route| &route.value) {
            if wanted.is_none() && is_covered(&path.value) {
                let message =
                    format!("nobody has access to the route {}: `auth` has only names", path.shown());
                self.warn(path.span, message, format!("{help}, or `auth: off`"));
            }
        }
        for Endpoint { path, auth: wanted } in endpoints {
            if wanted.is_none() {
                let message = format!("nobody has access to {}: `auth` has only names", path.shown());
                self.warn(path.span.or(document.span), message, help.clone());
            }
        }
    }

    fn one_access(&mut self, wanted: &At<String>, auth: Option<&Auth>) {
        let (message, help) = match Access::of(&wanted.value) {
            Access::Everybody => return,
            Access::Way(way) if auth.is_some_and(|auth| auth.ways.has(way)) => return,
            Access::Way(way) => {
                let way = quoted(way.as_str());
                (format!("{way} is not one of `auth`"), format!("add {way} to `auth` at the top"))
            }
            Access::Named(name) if auth.is_some_and(|auth| auth.named(&name).is_some()) => return,
            Access::Named(_) => {
                let names = auth.map_or_else(Vec::new, known_words);
                let help = match nearest(&wanted.value, names.iter().map(String::as_str)) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None if auth.is_none() => {
                        "add `auth` at the top, with this name under `named`".to_owned()
                    }
                    None => format!("known are {}; add others to `auth.named`", names.join(", ")),
                };
                (format!("nobody comes in by {}", wanted.shown()), help)
            }
        };
        let _: Resolved<()> = self.refuse(wanted.span, message, help);
    }
}

/// The words that give access.
fn known_words(auth: &Auth) -> Vec<String> {
    let ways = AuthWay::ALL.into_iter().filter(|way| auth.ways.has(*way)).map(|way| way.as_str().to_owned());
    let names = auth.named.iter().map(|(name, _)| name.to_string());
    std::iter::once(OFF.to_owned()).chain(ways).chain(names).collect()
}
