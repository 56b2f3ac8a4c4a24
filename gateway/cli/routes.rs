//! The routes of a configuration in their order of precedence, for `batchgate check --routes`.
//!
//! In: settings. Out: one row for each route at each of its hosts. Where two rows fit a request, the upper one wins; why is in
//! its first columns: the host, then the path, then the conditions. Batch endpoints and bulk routes come before all of them.

use std::fmt;

use serde::Serialize;

use crate::config::{BatchEndpoint, Settings};
use crate::route::{MethodSet, Placed, Route, RouteAction};

/// What an empty column shows.
const NOTHING: &str = "-";
/// The names of the columns.
const COLUMNS: [&str; 7] = ["host", "path", "match", "leads to", "methods", "auth", "name"];

/// Every way in, in the order of precedence.
#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct RouteRows(Vec<Row>);

/// A way in.
#[derive(Serialize)]
struct Row {
    /// The host that it is for; `None`: any.
    host: Option<String>,
    path: String,
    /// What else a request has to have.
    #[serde(rename = "match")]
    conditions: Vec<String>,
    leads_to: String,
    /// The methods that it allows; `None`: any.
    methods: Option<String>,
    /// Who has access, if it says so itself: `off`, a way or a name; `None`: as `auth` says.
    auth: Option<String>,
    /// Its name in metrics and logs.
    name: String,
}

impl RouteRows {
    /// The rows of a configuration.
    pub(super) fn new(settings: &Settings) -> Self {
        let endpoints = settings.batch.iter().map(|endpoint| Row::of_items(endpoint, "batch endpoint", None));
        let bulk = settings.bulk.iter().map(|bulk| {
            let methods = MethodSet::Only(bulk.methods.clone()).allow_value();
            Row::of_items(&bulk.endpoint, "bulk route", Some(methods))
        });
        let routes = settings.routes.by_precedence();
        let routes = routes.into_iter().map(|placed| Row::of_route(&placed, settings));
        Self(endpoints.chain(bulk).chain(routes).collect())
    }
}

impl Row {
    fn of_items(endpoint: &BatchEndpoint, what: &str, methods: Option<String>) -> Self {
        let (path, leads_to) = (endpoint.url(), what.to_owned());
        let auth = endpoint.auth.as_ref().map(ToString::to_string);
        Self { host: None, name: path.clone(), path, conditions: Vec::new(), leads_to, methods, auth }
    }

    fn of_route(placed: &Placed<'_>, settings: &Settings) -> Self {
        let Placed { host, route, index } = placed;
        let auth = settings.policy(*index).and_then(|policy| policy.auth.as_ref());
        Self {
            auth: auth.map(ToString::to_string),
            host: host.as_ref().map(ToString::to_string),
            path: route.path.as_str().to_owned(),
            conditions: words(route),
            leads_to: leads_to(route, settings),
            methods: match &route.methods {
                MethodSet::Any => None,
                MethodSet::Only(_) => Some(route.methods.allow_value()),
            },
            name: route.name.clone(),
        }
    }

    fn cells(&self) -> [String; 7] {
        let or_nothing = |cell: String| if cell.is_empty() { NOTHING.to_owned() } else { cell };
        [
            self.host.clone().unwrap_or_default(),
            self.path.clone(),
            self.conditions.join(", "),
            self.leads_to.clone(),
            self.methods.clone().unwrap_or_default(),
            self.auth.clone().unwrap_or_default(),
            self.name.clone(),
        ]
        .map(or_nothing)
    }
}

/// The conditions of a route, without values that may be secret.
fn words(route: &Route) -> Vec<String> {
    let conditions = &route.conditions;
    let exact = route.path.is_exact().then(|| "exact path".to_owned());
    let methods = conditions.methods.as_ref().map(MethodSet::allow_value);
    let fields = conditions.fields.iter().map(|(name, value)| match value.to_str() {
        Ok(text) if !value.is_sensitive() => format!("{name}: {text}"),
        Ok(_) | Err(_) => name.to_string(),
    });
    exact.into_iter().chain(methods).chain(fields).collect()
}

/// What becomes of a request for a route.
fn leads_to(route: &Route, settings: &Settings) -> String {
    match &route.action {
        RouteAction::Forward { upstream, mapping } => {
            let name = settings.upstreams.get(upstream.0).map_or(NOTHING, |upstream| &upstream.name);
            let path = mapping.to_upstream(route.path.as_str());
            if mapping.is_identity() { name.to_owned() } else { format!("{name}, as {path}") }
        }
        RouteAction::Respond(respond) => format!("answer {}", respond.status.as_u16()),
        RouteAction::Redirect(redirect) => {
            format!("redirect {} to {}{}", redirect.status.as_u16(), redirect.origin, redirect.to.as_str())
        }
    }
}

impl fmt::Display for RouteRows {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<_> =
            [COLUMNS.map(str::to_owned)].into_iter().chain(self.0.iter().map(Row::cells)).collect();
        for row in &rows {
            let width = |column: usize| {
                rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
            };
            let cells = row
                .iter()
                .enumerate()
                .map(|(column, cell)| format!("{cell:0$}", width(column).unwrap_or_default()));
            writeln!(formatter, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }
}
