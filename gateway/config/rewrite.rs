//! `rewrite` and `strip_prefix` of a route: the path that its upstream sees, in place of the client's.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::resolver::{Refused, Resolved, Resolver};
use super::upstream::Upstream;
use super::yaml::wrappers::At;
use crate::route::{CanonicalPath, Mapping, PathPattern, Route, RouteAction};

/// The path that the upstream sees: with another prefix, or another path altogether. Urls in replies are mapped back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RewriteDocument {
    /// The prefix to remove.
    #[schemars(example = &"/orders")]
    pub(in crate::config) strip_prefix: Option<At<String>>,
    /// The prefix to add, once the other one is removed.
    #[schemars(example = &"/v1")]
    pub(in crate::config) add_prefix: Option<At<String>>,
    /// What takes the place of the route's path, with the same variables; what is below stays.
    #[schemars(example = &"/rest/{id}")]
    pub(in crate::config) path: Option<At<String>>,
}

/// What a route says of the paths that its upstream sees.
#[derive(Clone, Copy)]
pub(super) struct Written<'a> {
    pub(super) strip_prefix: Option<&'a At<String>>,
    pub(super) rewrite: Option<&'a At<RewriteDocument>>,
}

impl Resolver<'_> {
    /// How the paths of a route to an upstream map. `path`: the route's own, if it is right.
    pub(super) fn mapping(&mut self, written: Written<'_>, path: Option<&PathPattern>) -> Resolved<Mapping> {
        let none = RewriteDocument::default();
        let rewrite = written.rewrite.map_or(&none, |rewrite| &rewrite.value);
        let RewriteDocument { strip_prefix, add_prefix, path: instead } = rewrite;
        if let Some(rewrite) = written.rewrite.filter(|rewrite| rewrite.value == none) {
            self.warn(rewrite.span, "`rewrite` without a key does nothing", "remove it");
        }
        let strip = match (written.strip_prefix, strip_prefix) {
            (Some(outer), Some(_)) => {
                return self.refuse(outer.span, "the route has two `strip_prefix`", "remove one of them");
            }
            (outer, inner) => outer.or(inner.as_ref()),
        };
        if let Some(instead) = instead {
            if let Some(other) = strip.or(add_prefix.as_ref()) {
                let help = "remove one of them: `path` says all of the new path";
                return self.refuse(other.span, "a prefix is rewritten as well as the `path`", help);
            }
            return self.mapping_of_patterns(instead, path);
        }
        let added = add_prefix.as_ref().map(|add| self.path(add)).transpose();
        let stripped = strip.map(|strip| self.stripped(strip, path)).transpose()?;
        let added = added?;
        let text =
            |prefix: Option<CanonicalPath>| prefix.map_or_else(String::new, |path| path.as_str().to_owned());
        Ok(Mapping::of_prefixes(&text(stripped), &text(added)))
    }

    fn stripped(&mut self, strip: &At<String>, path: Option<&PathPattern>) -> Resolved<CanonicalPath> {
        let prefix = self.path(strip)?;
        let path = path.ok_or(Refused)?;
        let trimmed = prefix.as_str().trim_end_matches('/');
        let rest = path.as_str().strip_prefix(trimmed);
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
            return Ok(prefix);
        }
        let message = format!("`strip_prefix` {} is not a prefix of the route's path", strip.shown());
        self.refuse(strip.span, message, format!("the path is `{}`", path.as_str()))
    }

    fn mapping_of_patterns(&mut self, instead: &At<String>, path: Option<&PathPattern>) -> Resolved<Mapping> {
        let upstreams = self.route_path(instead)?;
        let gateways = path.ok_or(Refused)?;
        self.known_variables(instead, &upstreams, gateways)?;
        let upstreams = if gateways.is_exact() { upstreams.exactly() } else { upstreams };
        Ok(Mapping::of_patterns(gateways.clone(), upstreams))
    }

    /// Refuses a variable that the route's path does not have.
    pub(super) fn known_variables(
        &mut self,
        written: &At<String>,
        pattern: &PathPattern,
        path: &PathPattern,
    ) -> Resolved<()> {
        let known: Vec<_> = path.variables().collect();
        let Some(name) = pattern.variables().find(|name| !known.contains(name)) else { return Ok(()) };
        let message =
            format!("{} has the variable `{name}`, which the route's path does not have", written.shown());
        let help = match known.as_slice() {
            [] => format!("the path is `{}`, without variables", path.as_str()),
            known => format!("the path `{}` has {}", path.as_str(), known.join(", ")),
        };
        self.refuse(written.span, message, help)
    }

    /// Warns of what does nothing on a route that answers by itself.
    pub(super) fn unused_rewrite(&mut self, written: Written<'_>) {
        let strip = written.strip_prefix.map(|strip| (strip.span, "strip_prefix"));
        let rewrite = written.rewrite.map(|rewrite| (rewrite.span, "rewrite"));
        for (span, key) in strip.into_iter().chain(rewrite) {
            let message = format!("`{key}` does nothing on a route that answers by itself");
            self.warn(span, message, "remove it");
        }
    }
}

/// The routes, with the base paths of their upstreams' targets before what they send.
pub(super) fn below_base_paths(mut routes: Vec<Route>, upstreams: &[Upstream]) -> Vec<Route> {
    for route in &mut routes {
        if let RouteAction::Forward { upstream, mapping } = &mut route.action
            && let Some(upstream) = upstreams.get(upstream.0)
        {
            *mapping = std::mem::take(mapping).below(&upstream.base_path);
        }
    }
    routes
}
