//! `auth` of routes, batch endpoints and bulk routes: whether what they name is there.

use super::auth::Auth;
use super::auth_way::{Access, AuthWay, OFF};
use super::batch::BatchDocument;
use super::bulk::BulkDocument;
use super::resolver::{Resolved, Resolver};
use super::route::RouteDocument;
use super::yaml::diagnostic::{nearest, quoted};
use super::yaml::wrappers::At;

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
