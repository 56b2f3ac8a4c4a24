//! `upstreams`: where a service runs and how it is called.

use std::num::NonZeroUsize;
use std::time::Duration;

use http::HeaderName;
use http::uri::Authority;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::circuit::Breaker;
use super::defaults::number;
use super::engine::{Engine, Pipeline};
use super::headers::{HeadersDocument, Toward};
use super::health_check::HealthCheck;
use super::http2::{Http2, Http2Upstream};
use super::rate::RateDocument;
use super::resolver::{Resolved, Resolver, all};
use super::retry::Retry;
use super::target::Target;
use super::targets::TargetDocument;
use super::timeout::UpstreamTimeouts;
use super::upstream_tls::{UpstreamTls, UpstreamTlsDocument};
use super::yaml::quantity::{Delay, Percent};
use super::yaml::wrappers::{At, Named};
use crate::header::changes::HeaderChanges;
use crate::header::field::is_forbidden_in_item;
use crate::limiter::{ClientShare, Rate};

/// A service that knows one resource at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct UpstreamDocument {
    /// The addresses it runs at; calls are shared among them.
    #[schemars(length(min = 1), extend("examples" = [["http://10.0.0.1:9001"]]))]
    pub(in crate::config) targets: Vec<At<TargetDocument>>,

    /// How the targets share the calls.
    #[serde(default)]
    pub(in crate::config) balance: BalanceDocument,

    /// With `consistent_hash`, the field of the call whose value chooses the target. The path chooses it for calls without
    /// that field, and for all calls if this is absent.
    pub(in crate::config) hash_header: Option<At<String>>,

    /// How long a target that is back takes to get its full share of the calls; `0s`: none.
    #[serde(default, with = "Delay")]
    pub(in crate::config) slow_start: Duration,

    /// Calls under way at once, of all batches and of single requests. Over HTTP/1.1 each has a
    /// connection.
    #[serde(default = "number::<64>")]
    #[schemars(range(max = 65536))]
    pub(in crate::config) concurrency: NonZeroUsize,

    /// Batches and requests that may wait at once for their turn; more are turned away (503).
    #[serde(default = "number::<1000>")]
    #[schemars(range(max = 1_000_000))]
    pub(in crate::config) queue: NonZeroUsize,

    /// The most of `concurrency`, `queue` and `upgraded` that one client may hold, so that another finds room at
    /// once; rounded down, at least 1. `100%`: all of them.
    #[serde(default = "default_client_share")]
    #[schemars(with = "Percent")]
    pub(in crate::config) client_share: At<Percent>,

    /// Upgraded connections (WebSocket) and streaming exchanges that may be open at once. They are not counted
    /// in `concurrency`. More upgrades and event streams are refused (503); other streams then stay in `concurrency`.
    #[serde(default = "number::<1000>")]
    #[schemars(range(max = 1_000_000))]
    pub(in crate::config) upgraded: NonZeroUsize,

    /// How fast calls may start. Absent: as fast as they come.
    pub(in crate::config) rate: Option<RateDocument>,

    /// Time limits of a call.
    #[serde(default)]
    pub(in crate::config) timeout: UpstreamTimeouts,

    /// The name of a header field in which each item's call says how many milliseconds are left of its
    /// time. Items can't set it. Absent: none.
    #[schemars(example = &"X-Request-Timeout-Ms")]
    pub(in crate::config) deadline_header: Option<At<String>>,

    /// When a call is made once more.
    #[serde(default)]
    pub(in crate::config) retry: Retry,

    /// When a target that keeps failing gets no calls for a while.
    #[serde(default)]
    pub(in crate::config) breaker: Breaker,

    /// How each target is asked whether it is well; absent: it is not.
    pub(in crate::config) health_check: Option<HealthCheck>,

    /// How calls share connections of HTTP/2.
    #[serde(default)]
    pub(in crate::config) http2: Http2,

    /// Sends requests ahead of the replies over HTTP/1.1. Absent: one at a time on each connection.
    pub(in crate::config) pipeline: Option<Pipeline>,

    /// Header fields of the calls.
    #[serde(default)]
    pub(in crate::config) headers: HeadersDocument,

    /// The Host of the calls: `target` (the target's own; `localhost` for a Unix socket), `preserve` (the client's), or a
    /// name.
    #[serde(default = "default_host")]
    pub(in crate::config) host: At<String>,

    /// What becomes of the trailers of requests that are not a batch.
    #[serde(default)]
    pub(in crate::config) request_trailers: RequestTrailers,

    /// How TLS is spoken with `https` and `h2` targets.
    #[serde(default)]
    pub(in crate::config) tls: At<UpstreamTlsDocument>,
}

/// What becomes of the trailers of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RequestTrailers {
    /// They end at the gateway: some services close the connection when a request has any.
    #[default]
    Drop,
    /// The service gets them, behind a chunked body or over HTTP/2.
    Pass,
}

/// How targets share the calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum BalanceDocument {
    /// In turn, by weight.
    #[default]
    RoundRobin,
    /// To the target with the fewest calls under way, by weight.
    LeastBusy,
    /// The same target for the same path or field (`hash_header`), by weight.
    ConsistentHash,
}

/// A service that knows one resource at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Upstream {
    /// Its name in metrics and logs.
    pub name: String,
    /// Where it runs; at least one.
    pub targets: Vec<Target>,
    /// The path that all of them have everything below, without a slash at its end.
    pub base_path: String,
    /// How targets are chosen.
    pub balance: Balance,
    /// How long a target that is back takes to get its full share; zero: none.
    pub slow_start: Duration,
    /// How calls are made.
    pub engine: Engine,
    /// Calls under way at once, of all batches and of single requests.
    pub concurrency: NonZeroUsize,
    /// Batches and requests that may wait for their turn.
    pub queue: usize,
    /// The most permits, and upgraded connections, that one client may hold.
    pub client_share: ClientShare,
    /// Upgraded connections and streaming exchanges that may be open at once.
    pub upgraded: NonZeroUsize,
    /// How fast calls may start; `None`: as fast as they come.
    pub rate: Option<Rate>,
    /// Time limits of a call.
    pub timeout: UpstreamTimeouts,
    /// The field that says how much of a call's time is left.
    pub deadline_header: Option<HeaderName>,
    /// When a call is made once more.
    pub retry: Retry,
    /// When a target gets no calls for a while.
    pub breaker: Breaker,
    /// How targets are asked whether they are well.
    pub health_check: Option<HealthCheck>,
    /// How connections of HTTP/2 are shared.
    pub http2: Http2,
    /// Fields set on and removed from every call.
    pub headers: HeaderChanges,
    /// The Host of a call.
    pub host: HostPolicy,
    /// What becomes of the trailers of requests.
    pub request_trailers: RequestTrailers,
    /// How TLS is spoken with `https` and `h2` targets.
    pub tls: UpstreamTls,
}

/// How an upstream's targets share its calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// In turn, by weight.
    #[default]
    RoundRobin,
    /// To the one with the fewest calls under way, by weight.
    LeastBusy,
    /// The same key to the same target, by weight.
    ConsistentHash {
        /// The field of the call that is the key; `None`, or where a call lacks it: its path.
        header: Option<HeaderName>,
    },
}

/// The Host (`:authority`) that calls carry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HostPolicy {
    /// The chosen target's own authority.
    #[default]
    Target,
    /// What the client sent to the gateway.
    Preserve,
    /// This one.
    Fixed(String),
}

impl Resolver<'_> {
    pub(super) fn upstreams(&mut self, documents: &Named<UpstreamDocument>) -> Resolved<Vec<Upstream>> {
        all(documents.0.iter().map(|(name, document)| self.upstream(name, document)))
    }

    fn upstream(&mut self, name: &At<String>, document: &UpstreamDocument) -> Resolved<Upstream> {
        let written = self.written.key("upstreams").key(&name.value);
        let named = self.label(name);
        let targets = self.targets(&document.targets);
        let headers = self.headers(&document.headers, Toward::Service);
        let host = self.host(&document.host);
        let deadline_header = self.deadline_header(document.deadline_header.as_ref());
        let tls = self.upstream_tls(name, &document.tls, targets.as_deref().ok());
        let balance = self.balance(document);
        let shown = name.shown();
        let targets_found = targets.as_deref().ok();
        let http2_of = Http2Upstream { name: &shown, targets: targets_found, written };
        let http2 = self.http2(&document.http2, http2_of);
        let timeout = self.timeouts(&document.timeout, written);
        let client_share = self.client_share(&document.client_share);
        let retry = self.retry(&document.retry, &document.timeout, written);
        let breaker = self.breaker(&document.breaker, written);
        let health_check =
            document.health_check.as_ref().map(|check| self.health_check(check, written)).transpose();
        let targets = targets?;
        let engine = self.engine(document.pipeline, &targets, written);
        named?;
        Ok(Upstream {
            name: name.value.clone(),
            base_path: targets.first().map(|target| target.base_path.clone()).unwrap_or_default(),
            targets,
            balance: balance?,
            slow_start: document.slow_start,
            engine,
            concurrency: document.concurrency,
            queue: document.queue.get(),
            client_share: client_share?,
            upgraded: document.upgraded,
            rate: document.rate.as_ref().map(RateDocument::in_use),
            deadline_header: deadline_header?,
            timeout: timeout?,
            retry: retry?,
            breaker: breaker?,
            health_check: health_check?,
            http2: http2?,
            headers: headers?,
            host: host?,
            request_trailers: document.request_trailers,
            tls: tls?,
        })
    }

    fn balance(&mut self, document: &UpstreamDocument) -> Resolved<Balance> {
        let header = document.hash_header.as_ref().map(|name| self.header_name(name)).transpose()?;
        if let (Some(name), false) =
            (&document.hash_header, document.balance == BalanceDocument::ConsistentHash)
        {
            let help = "write `balance: consistent_hash`, or remove it";
            self.warn(name.span, "`hash_header` does nothing without `consistent_hash`", help);
        }
        Ok(match document.balance {
            BalanceDocument::RoundRobin => Balance::RoundRobin,
            BalanceDocument::LeastBusy => Balance::LeastBusy,
            BalanceDocument::ConsistentHash => Balance::ConsistentHash { header },
        })
    }

    fn client_share(&mut self, percent: &At<Percent>) -> Resolved<ClientShare> {
        match ClientShare::from_percent(percent.value.0) {
            Some(share) => Ok(share),
            None => self.refuse(
                percent.span,
                "a client needs a share (`client_share`) above `0%`",
                "write `1%` to `99%`, or `100%` for no limit of a client's own",
            ),
        }
    }

    fn host(&mut self, host: &At<String>) -> Resolved<HostPolicy> {
        match host.value.as_str() {
            "target" => Ok(HostPolicy::Target),
            "preserve" => Ok(HostPolicy::Preserve),
            name if name.parse::<Authority>().is_ok() && !name.contains('@') => {
                Ok(HostPolicy::Fixed(name.to_owned()))
            }
            _ => {
                let message = format!("{} is not a host", host.shown());
                self.refuse(host.span, message, "write `target`, `preserve`, or a name such as `api.example`")
            }
        }
    }

    fn deadline_header(&mut self, name: Option<&At<String>>) -> Resolved<Option<HeaderName>> {
        let Some(at) = name else { return Ok(None) };
        let name = self.header_name(at)?;
        if is_forbidden_in_item(&name) || name.as_str().starts_with("content-") {
            let message = format!("{} can't carry a deadline", at.shown());
            return self.refuse(at.span, message, "write a name of its own, such as `X-Request-Timeout-Ms`");
        }
        Ok(Some(name))
    }

    /// Warns about upstreams that nothing leads to.
    pub(super) fn unused_upstreams(&mut self, documents: &Named<UpstreamDocument>, used: &[&str]) {
        for (name, _) in &documents.0 {
            if !used.contains(&name.value.as_str()) {
                let message = format!("no route leads to the upstream {}", name.shown());
                self.warn(name.span, message, "remove it, or add a route");
            }
        }
    }

    /// Warns about time limits that another one makes void. `longest`: the longest deadline of a batch; `batched`: the upstreams that
    /// get items of batches.
    pub(super) fn deadlines(
        &mut self,
        upstreams: &Named<UpstreamDocument>,
        longest: Option<Duration>,
        batched: &[&str],
    ) {
        for (name, upstream) in &upstreams.0 {
            let UpstreamTimeouts { connect, item, .. } = upstream.timeout;
            let written = self.written.key("upstreams").key(&name.value).key("timeout");
            let item_span = written.key("item").span();
            let longest = longest.filter(|_| batched.contains(&name.value.as_str()));
            if longest.is_some_and(|longest| item > longest) {
                let message = format!("a call to {} may take longer than any batch", name.shown());
                let help = "lower `timeout.item`, or raise a batch endpoint's `deadline`";
                self.warn(item_span.or(name.span), message, help);
            }
            if connect > item {
                let message = format!("connecting to {} may take longer than a complete call", name.shown());
                let span = written.key("connect").span().or(item_span);
                self.warn(span, message, "lower `timeout.connect`, or raise `timeout.item`");
            }
        }
    }
}

impl UpstreamDocument {
    /// Fills in what depends on other keys, and hides secrets.
    pub(super) fn prepare_to_show(&mut self) {
        self.timeout = self.timeout.in_effect();
        self.headers.mask();
        if let Some(rate) = &mut self.rate {
            rate.burst = Some(rate.in_use().burst);
        }
    }
}

fn default_host() -> At<String> {
    "target".to_owned().into()
}

fn default_client_share() -> At<Percent> {
    Percent(75).into()
}
