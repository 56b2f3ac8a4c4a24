//! `rate_limits`: how many items and requests a client may send in a time.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::defaults::number;
use super::resolver::{Resolved, Resolver, Seen, all};
use super::route::{RouteDocument, route_names};
use super::yaml::diagnostic::nearest;
use super::yaml::quantity::Rate;
use super::yaml::wrappers::At;
use crate::route::RouteIndex;

/// What `per` can be, for messages.
const SHARES: &str = "write `address`, `client`, `header:NAME`, `route` or `all`";

/// A rate limit. An item of a batch, a line of a stream, a record of a bulk and a single request all cost
/// one; what no route takes costs nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RateLimitDocument {
    /// Its name in replies, metrics and logs.
    #[schemars(example = &"clients")]
    pub(in crate::config) name: At<String>,
    /// Who has a share of its own: each client `address` (of IPv6, its /64 network), each
    /// `client` that has a name by `auth` (others by address), each value of a field
    /// (`header:X-Tenant`), each `route`; or `all` share one.
    #[schemars(example = &"address")]
    pub(in crate::config) per: At<String>,
    /// How fast room comes back: `100/s`, `10/m`, `1000/h`, `5/d`.
    #[schemars(example = &"100/s")]
    pub(in crate::config) rate: Rate,
    /// How many may come at once after a pause.
    #[schemars(range(max = 1_000_000_000), example = &1000)]
    pub(in crate::config) burst: At<NonZeroUsize>,
    /// The names of the routes that it counts, which share it. All where this is absent.
    #[schemars(length(min = 1))]
    pub(in crate::config) routes: Option<Vec<At<String>>>,
    /// What happens to a batch that exceeds the limit.
    #[serde(default)]
    pub(in crate::config) batch: LimitedBatch,
    /// Shares that are remembered. Beyond that the one that was not used for the longest time is forgotten,
    /// and starts with the full burst again.
    #[serde(default = "number::<65536>")]
    #[schemars(range(max = 16_777_216))]
    pub(in crate::config) max_clients: NonZeroUsize,
}

/// What happens to a batch that exceeds the limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LimitedBatch {
    /// Its first items run, as many as there is room for; the others end in 429.
    #[default]
    Cut,
    /// All of it is refused with 429, so that it runs as a whole or not at all. A stream is cut.
    Whole,
}

/// A rate limit: a token bucket for each of those that have a share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Its name.
    pub name: Arc<str>,
    /// Who has a share.
    pub per: Share,
    /// The time in which room for one comes back; not zero.
    pub period: Duration,
    /// Room after a pause.
    pub burst: NonZeroU32,
    /// The routes that it counts; `None`: all.
    pub routes: Option<Vec<RouteIndex>>,
    /// What happens to a batch that exceeds the limit.
    pub batch: LimitedBatch,
    /// Shares that are remembered.
    pub max_clients: NonZeroUsize,
}

impl RateLimit {
    /// Whether it counts what meets this route.
    #[must_use]
    pub fn counts(&self, route: RouteIndex) -> bool {
        self.routes.as_ref().is_none_or(|routes| routes.contains(&route))
    }
}

/// Who has a share of a rate limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Share {
    /// Each address that connects; of IPv6 each /64 network.
    Address,
    /// Each value of a request's field; those without it have one together.
    Header(HeaderName),
    /// Each client that has a name; those without one by address.
    Client,
    /// Each route.
    Route,
    /// All have one together.
    All,
}

/// Whether clients have names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clients {
    /// `auth` or a listener's `client_ca` gives them one.
    Named,
    /// Nothing does.
    Anonymous,
}

/// What rate limits have to fit.
#[derive(Clone, Copy)]
pub(super) struct Limited<'a> {
    /// The routes that they may name.
    pub(super) routes: &'a [At<RouteDocument>],
    /// Whether `per: client` is possible.
    pub(super) clients: Clients,
    /// The most items of one batch or bulk.
    pub(super) largest_batch: usize,
}

impl Resolver<'_> {
    pub(super) fn rate_limits(
        &mut self,
        documents: &[At<RateLimitDocument>],
        around: Limited<'_>,
    ) -> Resolved<Vec<RateLimit>> {
        let mut names = Seen::new();
        all(documents.iter().map(|limit| {
            let resolved = self.rate_limit(&limit.value, around);
            let name = &limit.value.name;
            let message = |name| format!("two rate limits have the name {name}");
            self.only_once(&mut names, name.value.clone(), name, message)?;
            resolved
        }))
    }

    fn rate_limit(&mut self, limit: &RateLimitDocument, around: Limited<'_>) -> Resolved<RateLimit> {
        let named = self.limit_name(&limit.name);
        let per = self.share(&limit.per, around.clients);
        let routes = limit.routes.as_deref();
        let routes = routes.map(|names| all(names.iter().map(|name| self.route_named(name, around.routes))));
        if limit.batch == LimitedBatch::Whole {
            self.batches_over_burst(limit, around.largest_batch);
        }
        named?;
        Ok(RateLimit {
            name: limit.name.value.as_str().into(),
            per: per?,
            period: limit.rate.period(),
            burst: NonZeroU32::try_from(limit.burst.value).unwrap_or(NonZeroU32::MAX),
            routes: routes.transpose()?,
            batch: limit.batch,
            max_clients: limit.max_clients,
        })
    }

    /// It is a string in a header field, which has ASCII only (RFC 9651 §3.3.3).
    fn limit_name(&mut self, name: &At<String>) -> Resolved<()> {
        self.label(name)?;
        if name.value.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '"' | '\\') || c == ' ') {
            return Ok(());
        }
        let message = format!("{} can't be the name of a rate limit", name.shown());
        self.refuse(name.span, message, "replies carry it: use ASCII letters, digits, `-` and `_`")
    }

    fn share(&mut self, per: &At<String>, clients: Clients) -> Resolved<Share> {
        if let Some(name) = per.value.strip_prefix("header:") {
            let name = HeaderName::from_bytes(name.trim().as_bytes());
            return name.map(Share::Header).or_else(|_| {
                let message = format!("{} does not name a header field", per.shown());
                self.refuse(per.span, message, "write it as `header:X-Tenant`")
            });
        }
        match per.value.as_str() {
            "address" => Ok(Share::Address),
            "client" if clients == Clients::Named => Ok(Share::Client),
            "client" => {
                let help =
                    "add `auth` or a listener's `client_ca`, which say who a client is, or take `address`";
                self.refuse(per.span, "no client has a name here", help)
            }
            "route" => Ok(Share::Route),
            "all" => Ok(Share::All),
            other => {
                let help = match nearest(other, ["address", "client", "route", "all"]) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => SHARES.to_owned(),
                };
                self.refuse(per.span, format!("a rate limit can't be per {}", per.shown()), help)
            }
        }
    }

    fn route_named(&mut self, name: &At<String>, routes: &[At<RouteDocument>]) -> Resolved<RouteIndex> {
        let known = route_names(routes);
        let names = || known.iter();
        if let Some(index) = names().position(|known| known.value == name.value) {
            return Ok(RouteIndex(index));
        }
        let help = match nearest(&name.value, names().map(|known| known.value.as_str())) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "write a route's name, or its path where it has none".to_owned(),
        };
        self.refuse(name.span, format!("unknown route {}", name.shown()), help)
    }

    /// A batch that passes as a whole or not at all never passes if it is larger than the burst.
    fn batches_over_burst(&mut self, limit: &RateLimitDocument, largest: usize) {
        let burst = limit.burst.value.get();
        if burst < largest {
            let message = format!("a batch of more than {burst} items can never pass this rate limit");
            let help =
                format!("`max_items` is {largest}: raise `burst`, lower `max_items`, or set `batch: cut`");
            self.warn(limit.burst.span, message, help);
        }
    }
}
