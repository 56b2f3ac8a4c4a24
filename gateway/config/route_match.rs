//! `hosts` and `match` of a route: which requests to its path it is for. And whether a route can be reached at all.

use http::{HeaderName, HeaderValue, Method, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::masking::is_secret_field;
use super::resolver::{Resolved, Resolver, Seen, all};
use super::yaml::secrets::STARS;
use super::yaml::span::Span;
use super::yaml::wrappers::{At, Named};
use crate::header::field::is_hop_by_hop;
use crate::route::{Conditions, HostError, HostPattern, MethodSet, Route};

/// What a request has to have to come to a route, in addition to its host and path.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct MatchDocument {
    /// The methods, of which it has one; HEAD comes with GET. Any where this is absent.
    #[schemars(length(min = 1), extend("examples" = [["GET", "PUT"]]))]
    pub(in crate::config) methods: Option<Vec<At<String>>>,
    /// The header fields, all of which it has with these values.
    #[serde(default)]
    #[schemars(extend("examples" = [{ "X-Version": "2" }]))]
    pub(in crate::config) headers: Named<At<String>>,
}

impl MatchDocument {
    /// Puts stars in place of values that came from the environment or whose field names a secret.
    pub(super) fn mask(&mut self) {
        for (name, value) in &mut self.headers.0 {
            if is_hidden(name, value) {
                STARS.clone_into(&mut value.value);
            }
        }
    }

    /// The conditions as a name has them: the methods, then the fields.
    pub(super) fn words(&self) -> impl Iterator<Item = String> {
        let methods = self.methods.iter().map(|names| {
            names.iter().map(|name| name.value.to_ascii_uppercase()).collect::<Vec<_>>().join(",")
        });
        let fields = self.headers.0.iter().map(|(name, value)| {
            if is_hidden(name, value) {
                name.value.clone()
            } else {
                format!("{}={}", name.value, value.value)
            }
        });
        methods.chain(fields)
    }
}

fn is_hidden(name: &At<String>, value: &At<String>) -> bool {
    value.from_environment || is_secret_field(&name.value.to_ascii_lowercase())
}

/// A route that was looked at, and where its path is written.
pub(super) struct Earlier {
    pub(super) route: Route,
    pub(super) span: Option<Span>,
}

impl Resolver<'_> {
    pub(super) fn hosts(&mut self, hosts: Option<&[At<String>]>) -> Resolved<Vec<HostPattern>> {
        let mut seen = Seen::new();
        all(hosts.unwrap_or_default().iter().map(|host| {
            let pattern = self.route_host(host)?;
            self.only_once(&mut seen, pattern.clone(), host, |host| {
                format!("the host {host} is there twice")
            })?;
            Ok(pattern)
        }))
    }

    fn route_host(&mut self, host: &At<String>) -> Resolved<HostPattern> {
        HostPattern::parse(&host.value).or_else(|error| {
            let help = match error {
                HostError::Any => "remove `hosts`: a route without it is for any host",
                HostError::Port => "write the host alone; its port may be any",
                HostError::Wildcard => "write `*.example.org` for all names below `example.org`",
                HostError::Empty | HostError::Url | HostError::Name => {
                    "write `api.example.com`, `*.example.org`, `10.0.0.1` or `[::1]`"
                }
            };
            self.refuse(host.span, format!("the host {} {error}", host.shown()), help)
        })
    }

    /// The conditions of a route that allows these methods.
    pub(super) fn conditions(
        &mut self,
        document: Option<&At<MatchDocument>>,
        allowed: &MethodSet,
    ) -> Resolved<Conditions> {
        let Some(document) = document else { return Ok(Conditions::default()) };
        let MatchDocument { methods, headers } = &document.value;
        if methods.is_none() && headers.0.is_empty() {
            self.warn(document.span, "`match` without conditions does nothing", "remove it");
        }
        let methods = methods.as_deref().map(|names| self.matched_methods(names, allowed));
        let mut seen = Seen::new();
        let fields = all(headers.0.iter().map(|(name, value)| {
            let field = self.matched_field(name, value)?;
            self.only_once(&mut seen, field.0.clone(), name, |name| {
                format!("the header {name} is there twice")
            })?;
            Ok(field)
        }));
        Ok(Conditions { methods: methods.transpose()?, fields: fields? })
    }

    fn matched_methods(&mut self, names: &[At<String>], allowed: &MethodSet) -> Resolved<MethodSet> {
        let methods = self.methods(Some(names))?;
        let (MethodSet::Only(only), MethodSet::Only(_)) = (&methods, allowed) else { return Ok(methods) };
        if only.iter().any(|method| allowed.allows(method)) {
            return Ok(methods);
        }
        let span = names.first().and_then(|name| name.span);
        let message = "the route allows none of the methods that it matches";
        self.refuse(
            span,
            message,
            format!("`methods` allows {}; remove it, or change `match`", allowed.allow_value()),
        )
    }

    fn matched_field(
        &mut self,
        name: &At<String>,
        value: &At<String>,
    ) -> Resolved<(HeaderName, HeaderValue)> {
        let value = self.text_of_field(name, value);
        let field = self.header_name(name)?;
        if field == header::HOST {
            return self.refuse(
                name.span,
                "the header `Host` is matched by `hosts`",
                "write `hosts: [api.example.com]`",
            );
        }
        if is_hop_by_hop(&field) {
            let message = format!("the header {} belongs to a connection", name.shown());
            return self.refuse(name.span, message, "match a field that items and requests can have");
        }
        Ok((field, value?))
    }

    /// Refuses a route all of whose requests meet earlier ones.
    pub(super) fn can_be_reached(
        &mut self,
        earlier: &[Earlier],
        route: &Route,
        path: &At<String>,
    ) -> Resolved<()> {
        let any = [None];
        let some: Vec<_> = route.hosts.iter().map(Some).collect();
        let hosts = if some.is_empty() { &any[..] } else { &some[..] };
        for host in hosts {
            let Some(rival) = covered_by(earlier, route, *host) else { continue };
            let at = host.map_or_else(String::new, |host| format!(" for the host `{host}`"));
            let message = if route.conditions.count() == 0 {
                format!("the path {} has two routes{at}; this one is never reached", path.shown())
            } else {
                format!(
                    "all that this route of the path {} matches{at} meets earlier ones; it is never reached",
                    path.shown()
                )
            };
            return self.refuse(path.span, message, self.findings.already(rival.span));
        }
        Ok(())
    }
}

/// The first of the earlier routes that take all that a route would take at this host; `None` if something is left for it.
/// Routes with fewer conditions come after it, and those with more never take all.
fn covered_by<'earlier>(
    earlier: &'earlier [Earlier],
    route: &Route,
    host: Option<&HostPattern>,
) -> Option<&'earlier Earlier> {
    let is_rival = |rival: &&Earlier| {
        let other = &rival.route;
        let at_host = host.map_or(other.hosts.is_empty(), |host| other.hosts.contains(host));
        at_host && other.path.is_same(&route.path) && other.conditions.count() == route.conditions.count()
    };
    let rivals: Vec<_> = earlier.iter().filter(is_rival).collect();
    let taken = |method: Option<&Method>| {
        let methods = method.map(|method| MethodSet::Only(vec![method.clone()]));
        let case = Conditions { methods, fields: route.conditions.fields.clone() };
        rivals.iter().copied().find(|rival| rival.route.conditions.follow_from(&case))
    };
    match &route.conditions.methods {
        Some(MethodSet::Only(methods)) => {
            let taken: Option<Vec<_>> = methods.iter().map(|method| taken(Some(method))).collect();
            taken?.first().copied()
        }
        Some(MethodSet::Any) | None => taken(None),
    }
}
