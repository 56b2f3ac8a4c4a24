//! Rate limits: each counts something, and can let something through.

use std::num::NonZeroU32;

use http::HeaderName;

use super::{Resolved, Resolver, Seen, all};
use crate::config::document::{Document, LimitedBatchDocument, RateLimitDocument, RouteDocument};
use crate::config::yaml::diagnostic::nearest;
use crate::config::yaml::wrappers::At;
use crate::config::{LimitedBatch, RateLimit, Share};
use crate::route::RouteIndex;

/// What `per` can be, for messages.
const SHARES: &str = "possible here: address, client, header:NAME, route, all";

impl Resolver<'_> {
    pub(super) fn rate_limits(&mut self, document: &Document) -> Resolved<Vec<RateLimit>> {
        let mut names = Seen::new();
        let limits = document.rate_limits.iter().map(|limit| {
            let resolved = self.rate_limit(&limit.value, document);
            let name = &limit.value.name;
            if let Some(earlier) = names.earlier(name.value.clone(), name.span) {
                let message = format!("the name {} has two rate limits", name.shown());
                return self.refuse(name.span, message, earlier);
            }
            resolved
        });
        let limits = limits.collect();
        all(limits)
    }

    fn rate_limit(&mut self, limit: &RateLimitDocument, document: &Document) -> Resolved<RateLimit> {
        let named = self.limit_name(&limit.name);
        let per = self.share(&limit.per, names_clients(document));
        let routes = limit.routes.as_deref().map(|names| {
            let routes = names.iter().map(|name| self.route_named(name, &document.routes)).collect();
            all(routes)
        });
        let batch = match limit.batch {
            LimitedBatchDocument::Cut => LimitedBatch::Cut,
            LimitedBatchDocument::Whole => LimitedBatch::Whole,
        };
        if batch == LimitedBatch::Whole {
            self.batches_over_burst(limit, document);
        }
        named?;
        Ok(RateLimit {
            name: limit.name.value.as_str().into(),
            per: per?,
            period: limit.rate.period(),
            burst: NonZeroU32::try_from(limit.burst.value).unwrap_or(NonZeroU32::MAX),
            routes: routes.transpose()?,
            batch,
            max_clients: limit.max_clients,
        })
    }

    /// It stands in a field as a string, which has ASCII only (RFC 9651 §3.3.3).
    fn limit_name(&mut self, name: &At<String>) -> Resolved<()> {
        self.label(name)?;
        if name.value.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '"' | '\\') || c == ' ') {
            return Ok(());
        }
        let message = format!("{} can't be the name of a rate limit", name.shown());
        self.refuse(name.span, message, "it stands in replies: use ASCII letters, digits, `-` and `_`")
    }

    fn share(&mut self, per: &At<String>, has_names: bool) -> Resolved<Share> {
        if let Some(name) = per.value.strip_prefix("header:") {
            let name = HeaderName::from_bytes(name.trim().as_bytes());
            return name.map(Share::Header).or_else(|_| {
                let message = format!("{} names no header field", per.shown());
                self.refuse(per.span, message, "write it as `header:X-Tenant`")
            });
        }
        match per.value.as_str() {
            "address" => Ok(Share::Address),
            "client" if has_names => Ok(Share::Client),
            "client" => {
                let help =
                    "add `auth` or a listener's `client_ca`, which tell who a client is, or take `address`";
                self.refuse(per.span, "no client has a name here", help)
            }
            "route" => Ok(Share::Route),
            "all" => Ok(Share::All),
            other => {
                let help = match nearest(other, ["address", "client", "route", "all"]) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => SHARES.to_owned(),
                };
                self.refuse(per.span, format!("{} has no share of a rate limit", per.shown()), help)
            }
        }
    }

    fn route_named(&mut self, name: &At<String>, routes: &[At<RouteDocument>]) -> Resolved<RouteIndex> {
        let names = || routes.iter().map(|route| route.value.name.as_ref().unwrap_or(&route.value.path));
        if let Some(index) = names().position(|known| known.value == name.value) {
            return Ok(RouteIndex(index));
        }
        let help = match nearest(&name.value, names().map(|known| known.value.as_str())) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "write a route's name, or its path where it has none".to_owned(),
        };
        self.refuse(name.span, format!("unknown route {}", name.shown()), help)
    }

    /// A batch that is let in whole or not at all can never pass if it is larger than the burst.
    fn batches_over_burst(&mut self, limit: &RateLimitDocument, document: &Document) {
        let batch = document.batch.iter().map(|endpoint| endpoint.value.max_items.get());
        let bulk = document.bulk.iter().map(|bulk| bulk.value.max_items.get());
        let largest = batch.chain(bulk).max().unwrap_or_default();
        let burst = limit.burst.value.get();
        if burst < largest {
            let message = format!("a batch of more than {burst} items can never pass this rate limit whole");
            let help =
                format!("`max_items` is {largest}: raise `burst`, lower `max_items`, or take `batch: cut`");
            self.warn(limit.burst.span, message, help);
        }
    }
}

/// Whether anything tells who a client is.
fn names_clients(document: &Document) -> bool {
    let mut certificates = document.listen.0.iter().filter_map(|listener| listener.tls.as_ref());
    document.auth.is_some() || certificates.any(|tls| tls.value.client_ca.is_some())
}
