//! Upstreams: targets that fit each other, headers, Host and trust.

use std::num::NonZeroUsize;
use std::time::Duration;

use http::HeaderName;
use http::uri::Authority;

use super::{Refused, Resolved, Resolver, Seen, all, pem, target};
use crate::config::document::{
    BalanceDocument, Document, Http2Document, RateDocument, TargetDocument, TimeoutDocument,
    UpstreamDocument, UpstreamTlsDocument,
};
use crate::config::yaml::quantity::Percent;
use crate::config::yaml::span::{At, Named};
use crate::config::{Balance, Engine, HostPolicy, Http2, Scheme, Target, Upstream, UpstreamTimeouts};
use crate::header::field::is_forbidden_in_item;
use crate::limiter::{ClientShare, Rate};

/// The least that a target may send of a reply before it is read: one frame (RFC 9113 §4.2).
const MIN_WINDOW: usize = 16 << 10;

/// Characters of a name, which is a label of every metric.
const MAX_NAME: usize = 64;

impl Resolver<'_> {
    pub(super) fn upstreams(&mut self, documents: &Named<UpstreamDocument>) -> Resolved<Vec<Upstream>> {
        all(documents.0.iter().map(|(name, document)| self.upstream(name, document)).collect())
    }

    fn upstream(&mut self, name: &At<String>, document: &UpstreamDocument) -> Resolved<Upstream> {
        let named = self.label(name);
        let targets = self.targets(&document.targets);
        let headers = self.headers(&document.headers);
        let host = self.host(&document.host);
        let deadline_header = self.deadline_header(document.deadline_header.as_ref());
        let encrypted =
            targets.as_ref().map_or(true, |targets| targets.iter().any(|target| target.scheme.is_tls()));
        let ca = self.trust(name, &document.tls, encrypted);
        let balance = self.balance(document);
        let http2 = self.http2(name, &document.http2, targets.as_deref().ok());
        let timeout = self.timeouts(&document.timeout);
        let client_share = self.client_share(&document.client_share);
        let retry = self.retry(&document.retry, &document.timeout);
        let breaker = self.breaker(&document.breaker);
        let health_check = document.health_check.as_ref().map(|check| self.health_check(check)).transpose();
        let targets = targets?;
        let engine =
            if targets.iter().any(|target| is_h2(target.scheme)) { Engine::H2 } else { Engine::Held };
        named?;
        Ok(Upstream {
            name: name.value.clone(),
            targets,
            balance: balance?,
            slow_start: document.slow_start.0,
            engine,
            concurrency: document.concurrency,
            queue: document.queue.get(),
            client_share: client_share?,
            upgraded: document.upgraded,
            rate: document.rate.as_ref().map(rate),
            deadline_header: deadline_header?,
            timeout: timeout?,
            retry: retry?,
            breaker: breaker?,
            health_check: health_check?,
            http2: http2?,
            headers: headers?,
            host: host?,
            ca: ca?,
            verify: document.tls.value.verify.value,
        })
    }

    fn balance(&mut self, document: &UpstreamDocument) -> Resolved<Balance> {
        let header = document.hash_header.as_ref().map(|name| self.header_name(name)).transpose()?;
        if let (Some(name), false) =
            (&document.hash_header, document.balance == BalanceDocument::ConsistentHash)
        {
            let help = "write `balance: consistent_hash`, or remove it";
            self.warn(name.place, "`hash_header` does nothing without `consistent_hash`", help);
        }
        Ok(match document.balance {
            BalanceDocument::RoundRobin => Balance::RoundRobin,
            BalanceDocument::LeastBusy => Balance::LeastBusy,
            BalanceDocument::ConsistentHash => Balance::ConsistentHash { header },
        })
    }

    fn http2(
        &mut self,
        name: &At<String>,
        document: &At<Http2Document>,
        targets: Option<&[Target]>,
    ) -> Resolved<Http2> {
        let Http2Document { streams, stream_window } = &document.value;
        let may_be = |target: &Target| target.scheme != Scheme::Http;
        if document.place.is_some() && targets.is_some_and(|targets| !targets.iter().any(may_be)) {
            let message = format!("`http2` does nothing: no target of {} speaks HTTP/2", name.shown());
            self.warn(document.place, message, "write `h2c://`, `h2://` or `https://` targets");
        }
        let window = stream_window.value.0;
        let most = usize::try_from(Http2::MAX_WINDOW).unwrap_or(usize::MAX) / (streams.get() + 1);
        match u32::try_from(window) {
            Ok(stream_window) if (MIN_WINDOW..=most).contains(&window) => {
                Ok(Http2 { streams: *streams, stream_window })
            }
            Ok(_) | Err(_) => self.refuse(
                stream_window.place.or(document.place),
                format!("`stream_window` is not between 16 KiB and {} KiB", most >> 10),
                format!("a connection has room for the windows of {streams} streams, and for 2 GiB at most"),
            ),
        }
    }

    fn timeouts(&mut self, document: &TimeoutDocument) -> Resolved<UpstreamTimeouts> {
        let TimeoutDocument { connect, item, request, idle } = document;
        let (connect, item, whole) = (connect.value.0, item.value.0, request.value.0);
        if request.place.is_some() && whole < item {
            return self.refuse(
                request.place,
                "a whole request (`timeout.request`) has less time than one wait for a byte of it (`timeout.item`)",
                "make `timeout.request` at least as long as `timeout.item`",
            );
        }
        // A default that is written out changes nothing.
        let stream = (whole != TimeoutDocument::default().request.value.0).then_some(whole);
        Ok(UpstreamTimeouts { connect, item, request: whole.max(item), stream, idle: idle.0 })
    }

    fn client_share(&mut self, percent: &At<Percent>) -> Resolved<ClientShare> {
        match ClientShare::from_percent(percent.value.0) {
            Some(share) => Ok(share),
            None => self.refuse(
                percent.place,
                "a client needs a share (`client_share`) above `0%`",
                "write `1%` to `99%`, or `100%` for no limit of a client's own",
            ),
        }
    }

    /// A name that can be a metric's label.
    pub(super) fn label(&mut self, name: &At<String>) -> Resolved<()> {
        let good = !name.value.trim().is_empty()
            && name.value.chars().count() <= MAX_NAME
            && !name.value.chars().any(char::is_control);
        if good {
            return Ok(());
        }
        let message = format!("{} can't be a name", name.shown());
        self.refuse(name.place, message, format!("a name has 1 to {MAX_NAME} characters on one line"))
    }

    fn targets(&mut self, documents: &[At<TargetDocument>]) -> Resolved<Vec<Target>> {
        let mut seen = Seen::new();
        let targets = documents.iter().map(|document| {
            let TargetDocument { url, weight } = &document.value;
            let target = match target::parse(&url.value, *weight) {
                Ok(target) => target,
                Err(error) => {
                    let shown = if error.problem == "has a user name" {
                        "the target".to_owned()
                    } else {
                        format!("the target {}", url.shown())
                    };
                    return self.refuse(url.place, format!("{shown} {}", error.problem), error.help);
                }
            };
            let address = (target.host.clone(), target.port);
            if let Some(earlier) = seen.earlier(address, url.place) {
                let help = format!("{earlier}; for a larger share, give it a `weight`");
                self.warn(url.place, format!("the target {} is there twice", url.shown()), help);
            }
            Ok(target)
        });
        let targets = all(targets.collect())?;
        self.one_protocol(documents, &targets)?;
        Ok(targets)
    }

    /// An upstream has one engine, so its targets have one version of HTTP.
    fn one_protocol(&mut self, documents: &[At<TargetDocument>], targets: &[Target]) -> Resolved<()> {
        let first = is_h2(targets.first().ok_or(Refused)?.scheme);
        let Some(odd) = targets.iter().position(|target| is_h2(target.scheme) != first) else {
            return Ok(());
        };
        let place = documents.get(odd).and_then(|document| document.value.url.place);
        self.refuse(
            place,
            "the targets of one upstream can't mix HTTP/1.1 (`http`, `https`) and HTTP/2 (`h2c`, `h2`)",
            "make it two upstreams",
        )
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
                self.refuse(
                    host.place,
                    message,
                    "write `target`, `preserve`, or a name such as `api.example`",
                )
            }
        }
    }

    fn deadline_header(&mut self, name: Option<&At<String>>) -> Resolved<Option<HeaderName>> {
        let Some(at) = name else { return Ok(None) };
        let name = self.header_name(at)?;
        if is_forbidden_in_item(&name) || name.as_str().starts_with("content-") {
            let message = format!("{} can't tell a deadline", at.shown());
            return self.refuse(at.place, message, "write a name of its own, such as `X-Request-Timeout-Ms`");
        }
        Ok(Some(name))
    }

    /// `None`: the system's certificates.
    fn trust(
        &mut self,
        name: &At<String>,
        tls: &At<UpstreamTlsDocument>,
        encrypted: bool,
    ) -> Resolved<Option<std::path::PathBuf>> {
        if tls.place.is_some() && !encrypted {
            let message = format!("`tls` does nothing: no target of {} speaks TLS", name.shown());
            self.warn(tls.place, message, "write `https://` or `h2://` targets");
        }
        if !tls.value.verify.value {
            let message = format!("the certificates of {} are not checked", name.shown());
            self.warn(tls.value.verify.place, message, "give the file of its `ca` instead");
        }
        let Some(ca) = &tls.value.ca else { return Ok(None) };
        let path = self.file(ca);
        let read = self.watched_file(ca, pem::MAX_PEM).and_then(|_| pem::roots(&path));
        self.pem(ca, read)?;
        Ok(Some(path))
    }

    /// Warns about upstreams that no route leads to.
    pub(super) fn unused_upstreams(&mut self, document: &Document) {
        for (name, _) in &document.upstreams.0 {
            let used = document.routes.iter().any(|route| {
                route.value.upstream.as_ref().is_some_and(|upstream| upstream.value == name.value)
            });
            let auth = document.auth.as_ref().and_then(|auth| auth.value.forward.as_ref());
            if !used && auth.is_none_or(|forward| forward.upstream.value != name.value) {
                let message = format!("no route leads to the upstream {}", name.shown());
                self.warn(name.place, message, "remove it, or add a route");
            }
        }
    }
}

/// How long the steps of a burst that nobody asked for may be: sleeps are no finer than a millisecond, so
/// without one a high rate would not be reached.
const SMALL_BURST: Duration = Duration::from_millis(10);

fn rate(document: &RateDocument) -> Rate {
    let interval = document.limit.period();
    let in_small_burst = SMALL_BURST.as_nanos() / interval.as_nanos().max(1);
    let small = usize::try_from(in_small_burst).ok().and_then(NonZeroUsize::new);
    Rate { interval, burst: document.burst.or(small).unwrap_or(NonZeroUsize::MIN) }
}

const fn is_h2(scheme: Scheme) -> bool {
    match scheme {
        Scheme::Http | Scheme::Https => false,
        Scheme::H2c | Scheme::H2 => true,
    }
}
