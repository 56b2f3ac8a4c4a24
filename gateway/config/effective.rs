//! The configuration in effect, written as a configuration file: every default filled in, secrets
//! as `***`. What the admin's `/config` shows.

use std::num::NonZeroUsize;

use http::{HeaderName, HeaderValue, StatusCode};

use super::document::{
    ApiKeysDocument, AuthDocument, BalanceDocument, BatchDocument, BreakerDocument, BulkDocument,
    CorsDocument, DialectDocument, Document, DrainDocument, FailureDocument, ForwardAuthDocument,
    HeaderValueDocument, HeadersDocument, HealthCheckDocument, Http2Document, JwtAlgorithmDocument,
    JwtDocument, LimitedBatchDocument, LimitsDocument, ListenDocument, LogDocument, LogFormatDocument,
    OrderDocument, RateDocument, RateLimitDocument, ResolverDocument, RespondDocument, RetryDocument,
    RouteDocument, TargetDocument, TimeoutDocument, TlsDocument, UpstreamDocument, UpstreamTlsDocument,
};
use super::resolve::UNIX_PEERS;
use super::yaml::quantity::{ByteSize, Delay, Percent, Rate, TimeLimit, TimeLimitOrOff};
use super::yaml::wrappers::{At, Named, OneOrMany};
use super::{
    Auth, Balance, BatchEndpoint, Breaker, BulkRoute, FailureKinds, HealthCheck, HostPolicy, LimitedBatch,
    ListenAddress, Listener, LogFormat, Order, RateLimit, Retry, Scheme, Settings, Share, Target,
    TrustedProxies, Upstream,
};
use crate::batch::Dialect;
use crate::route::{MethodSet, Route, RouteAction};

/// The settings as YAML, fit to be shown.
#[must_use]
pub fn redacted(settings: &Settings) -> String {
    // Every key and value is text, number or list: nothing that YAML could not carry.
    serde_saphyr::to_string(&document(settings)).unwrap_or_default()
}

fn document(settings: &Settings) -> Document {
    let limits = &settings.limits;
    Document {
        listen: OneOrMany(settings.listen.iter().map(listener).collect()),
        admin: settings.admin.as_ref().map_or_else(|| "off".to_owned(), address).into(),
        upstreams: Named(
            settings.upstreams.iter().map(|item| (item.name.clone().into(), upstream(item))).collect(),
        ),
        routes: settings.routes.routes().iter().map(|item| route(item, settings).into()).collect(),
        batch: settings.batch.iter().map(|endpoint| batch(endpoint).into()).collect(),
        bulk: settings.bulk.iter().map(|route| bulk(route).into()).collect(),
        auth: settings.auth.as_ref().map(|item| auth(item, settings).into()),
        rate_limits: settings.rate_limits.iter().map(|limit| rate_limit(limit, settings).into()).collect(),
        trusted_proxies: trusted_proxies(&settings.trusted_proxies),
        resolver: ResolverDocument {
            servers: settings.resolver.iter().map(|server| server.to_string().into()).collect(),
        },
        limits: LimitsDocument {
            memory: ByteSize(limits.memory).into(),
            connections: limits.connections,
            connections_per_address: limits.connections_per_address,
            hops: limits.hops,
            header_bytes: ByteSize(limits.header_bytes).into(),
            header_fields: limits.header_fields,
            target_bytes: ByteSize(limits.target_bytes).into(),
            header_timeout: TimeLimit(limits.header_timeout),
            body_timeout: TimeLimit(limits.body_timeout),
            write_timeout: TimeLimit(limits.write_timeout),
            idle_connections: u64::try_from(limits.idle_connections).unwrap_or(u64::MAX),
            idle_timeout: TimeLimit(limits.idle_timeout),
            keepalive_timeout: TimeLimit(limits.keepalive_timeout),
            http2_streams: NonZeroUsize::try_from(limits.http2.streams).unwrap_or(NonZeroUsize::MAX),
            http2_stream_window: ByteSize(
                usize::try_from(limits.http2.stream_window.get()).unwrap_or(usize::MAX),
            )
            .into(),
        },
        log: LogDocument {
            format: match settings.log.format {
                LogFormat::Json => LogFormatDocument::Json,
                LogFormat::Text => LogFormatDocument::Text,
            },
            level: literal(&settings.log.level).into(),
        },
        drain: DrainDocument {
            delay: Delay(settings.drain.delay),
            deadline: TimeLimit(settings.drain.deadline),
        },
        threads: settings.threads,
        cors: CorsDocument {
            allow_origins: settings.cors.allow_origins.iter().cloned().map(Into::into).collect(),
            allow_headers: names(&settings.cors.allow_headers),
            allow_credentials: settings.cors.allow_credentials,
            max_age: Delay(settings.cors.max_age),
        },
    }
}

fn address(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Tcp(tcp) => tcp.to_string(),
        ListenAddress::Unix(path) => literal(&format!("unix:{}", path.display())),
    }
}

fn listener(listener: &Listener) -> ListenDocument {
    let path = |path: &std::path::Path| literal(&path.display().to_string()).into();
    ListenDocument {
        address: address(&listener.address).into(),
        tls: listener.tls.as_ref().map(|files| {
            TlsDocument {
                certificate: path(&files.certificate),
                key: path(&files.key),
                client_ca: files.client_ca.as_deref().map(path),
            }
            .into()
        }),
    }
}

fn upstream(upstream: &Upstream) -> UpstreamDocument {
    let set = upstream.headers.set.iter();
    UpstreamDocument {
        targets: upstream.targets.iter().map(|item| target(item).into()).collect(),
        balance: match &upstream.balance {
            Balance::RoundRobin => BalanceDocument::RoundRobin,
            Balance::LeastBusy => BalanceDocument::LeastBusy,
            Balance::ConsistentHash { .. } => BalanceDocument::ConsistentHash,
        },
        hash_header: match &upstream.balance {
            Balance::ConsistentHash { header } => header.as_ref().map(|name| name.as_str().to_owned().into()),
            Balance::RoundRobin | Balance::LeastBusy => None,
        },
        slow_start: Delay(upstream.slow_start),
        concurrency: upstream.concurrency,
        queue: NonZeroUsize::new(upstream.queue).unwrap_or(NonZeroUsize::MIN),
        client_share: Percent(upstream.client_share.percent()).into(),
        upgraded: upstream.upgraded,
        rate: upstream
            .rate
            .map(|rate| RateDocument { limit: Rate::of_period(rate.interval), burst: Some(rate.burst) }),
        deadline_header: upstream.deadline_header.as_ref().map(|name| name.as_str().to_owned().into()),
        timeout: TimeoutDocument {
            connect: TimeLimit(upstream.timeout.connect).into(),
            item: TimeLimit(upstream.timeout.item).into(),
            request: TimeLimit(upstream.timeout.request).into(),
            idle: TimeLimitOrOff(upstream.timeout.idle),
        },
        retry: retry(&upstream.retry).into(),
        breaker: breaker(&upstream.breaker),
        health_check: upstream.health_check.as_ref().map(health_check),
        headers: HeadersDocument {
            set: Named(
                set.map(|(name, value)| (name.as_str().to_owned().into(), header_value(value).into()))
                    .collect(),
            ),
            remove: upstream.headers.remove.iter().map(|name| name.as_str().to_owned().into()).collect(),
        },
        http2: Http2Document {
            streams: upstream.http2.streams,
            stream_window: ByteSize(usize::try_from(upstream.http2.stream_window).unwrap_or(usize::MAX))
                .into(),
        }
        .into(),
        host: match &upstream.host {
            HostPolicy::Target => "target".to_owned().into(),
            HostPolicy::Preserve => "preserve".to_owned().into(),
            HostPolicy::Fixed(name) => literal(name).into(),
        },
        tls: UpstreamTlsDocument {
            ca: upstream.ca.as_ref().map(|path| literal(&path.display().to_string()).into()),
            verify: upstream.verify.into(),
        }
        .into(),
    }
}

fn retry(retry: &Retry) -> RetryDocument {
    RetryDocument {
        attempts: retry.attempts.into(),
        budget: Percent(retry.budget),
        on: failures(retry.on).into_iter().map(Into::into).collect(),
        status: retry.status.iter().map(StatusCode::as_u16).collect(),
        timeout: retry.timeout.map(|timeout| TimeLimit(timeout).into()),
    }
}

fn breaker(breaker: &Breaker) -> BreakerDocument {
    BreakerDocument {
        failures: breaker.failures,
        on: failures(breaker.on),
        status: breaker.status.iter().map(StatusCode::as_u16).collect(),
        base: TimeLimit(breaker.base),
        max: TimeLimit(breaker.max).into(),
        max_ejected: Percent(breaker.max_ejected),
    }
}

fn failures(kinds: FailureKinds) -> Vec<FailureDocument> {
    let all = [
        (FailureDocument::Connect, kinds.connect),
        (FailureDocument::Lost, kinds.lost),
        (FailureDocument::Timeout, kinds.timeout),
    ];
    all.into_iter().filter(|(_, counts)| *counts).map(|(kind, _)| kind).collect()
}

fn health_check(check: &HealthCheck) -> HealthCheckDocument {
    HealthCheckDocument {
        path: literal(check.path.as_str()).into(),
        interval: TimeLimit(check.interval),
        timeout: TimeLimit(check.timeout),
        healthy: check.healthy,
        unhealthy: check.unhealthy,
        status: check.status.iter().map(StatusCode::as_u16).collect(),
    }
}

fn header_value(value: &HeaderValue) -> HeaderValueDocument {
    let shown = if value.is_sensitive() {
        "***".to_owned()
    } else {
        literal(&String::from_utf8_lossy(value.as_bytes()))
    };
    HeaderValueDocument { text: Some(shown.into()), file: None }
}

fn names(names: &[HeaderName]) -> Vec<At<String>> {
    names.iter().map(|name| name.as_str().to_owned().into()).collect()
}

fn auth(auth: &Auth, settings: &Settings) -> AuthDocument {
    let file = |path: &std::path::Path| literal(&path.display().to_string()).into();
    AuthDocument {
        paths: auth
            .paths
            .as_ref()
            .map(|paths| paths.iter().map(|path| literal(path.as_str()).into()).collect()),
        api_keys: auth.api_keys.as_ref().map(|keys| ApiKeysDocument {
            file: file(&keys.file),
            header: keys.header.as_str().to_owned().into(),
        }),
        jwt: auth.jwt.as_ref().map(|jwt| JwtDocument {
            jwks: file(&jwt.file),
            issuer: literal(&jwt.issuer).into(),
            audience: literal(&jwt.audience).into(),
            algorithms: JwtAlgorithmDocument::of(&jwt.algorithms),
        }),
        forward: auth.forward.as_ref().map(|forward| ForwardAuthDocument {
            upstream: settings
                .upstream(forward.upstream)
                .map_or_else(String::new, |to| literal(&to.name))
                .into(),
            path: literal(&forward.path).into(),
            headers: names(&forward.headers),
            add: names(&forward.add),
            name: forward.name.as_ref().map(|name| name.as_str().to_owned().into()),
            timeout: TimeLimit(forward.timeout),
        }),
        pass_credentials: auth.pass_credentials,
    }
}

/// Text that stays as it is when it is read again.
fn literal(text: &str) -> String {
    text.replace('$', "$$")
}

fn target(target: &Target) -> TargetDocument {
    let scheme = match target.scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
        Scheme::H2c => "h2c",
        Scheme::H2 => "h2",
    };
    TargetDocument { url: format!("{scheme}://{}", target.authority()).into(), weight: target.weight }
}

fn route(route: &Route, settings: &Settings) -> RouteDocument {
    let mut document = RouteDocument {
        path: literal(route.path.as_str()).into(),
        upstream: None,
        methods: match &route.methods {
            MethodSet::Any => None,
            MethodSet::Only(methods) => {
                Some(methods.iter().map(|method| method.as_str().to_owned().into()).collect())
            }
        },
        batch: route.batchable,
        coalesce: route.coalesce.into(),
        strip_prefix: None,
        respond: None,
        name: Some(literal(&route.name).into()),
    };
    match &route.action {
        RouteAction::Forward { upstream, mapping } => {
            document.upstream = settings.upstream(*upstream).map(|upstream| literal(&upstream.name).into());
            let prefix = mapping.to_gateway("");
            document.strip_prefix = (!prefix.is_empty()).then(|| literal(&prefix).into());
        }
        RouteAction::Respond(respond) => {
            document.respond = Some(
                RespondDocument {
                    status: respond.status.as_u16(),
                    body: literal(&String::from_utf8_lossy(&respond.body)).into(),
                    content_type: literal(&respond.content_type).into(),
                }
                .into(),
            );
        }
    }
    document
}

fn number(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap_or(NonZeroUsize::MIN)
}

fn rate_limit(limit: &RateLimit, settings: &Settings) -> RateLimitDocument {
    let per = match &limit.per {
        Share::Address => "address".to_owned(),
        Share::Header(name) => format!("header:{name}"),
        Share::Client => "client".to_owned(),
        Share::Route => "route".to_owned(),
        Share::All => "all".to_owned(),
    };
    let routes = limit.routes.as_ref().map(|routes| {
        let names = routes.iter().filter_map(|index| settings.routes.get(*index));
        names.map(|route| literal(&route.name).into()).collect()
    });
    RateLimitDocument {
        name: literal(&limit.name).into(),
        per: per.into(),
        rate: Rate::of_period(limit.period),
        burst: number(usize::try_from(limit.burst.get()).unwrap_or(usize::MAX)).into(),
        routes,
        batch: match limit.batch {
            LimitedBatch::Cut => LimitedBatchDocument::Cut,
            LimitedBatch::Whole => LimitedBatchDocument::Whole,
        },
        max_clients: limit.max_clients,
    }
}

fn batch(endpoint: &BatchEndpoint) -> BatchDocument {
    let limits = &endpoint.limits;
    BatchDocument {
        path: literal(endpoint.path.as_str()).into(),
        dialect: dialect(endpoint.dialect),
        max_items: number(limits.max_items),
        max_stream_items: number(limits.max_stream_items),
        max_body: ByteSize(limits.max_body),
        concurrency: endpoint.concurrency,
        deadline: TimeLimit(endpoint.deadline).into(),
        order: match endpoint.order {
            Order::Parallel => OrderDocument::Parallel,
            Order::Sequential => OrderDocument::Sequential,
        },
        reply_status: Some(endpoint.reply_status.as_u16().into()),
        inherit: endpoint
            .inherit
            .as_ref()
            .map(|names| names.iter().map(|name| name.as_str().to_owned().into()).collect()),
        max_depth: number(limits.max_depth),
        max_id: ByteSize(limits.max_id),
        max_url: ByteSize(limits.max_url),
        max_headers: number(limits.max_headers),
        max_header_bytes: ByteSize(limits.max_header_bytes),
        max_item_reply: ByteSize(limits.max_item_reply).into(),
        max_reply: ByteSize(limits.max_reply),
    }
}

fn trusted_proxies(trusted: &TrustedProxies) -> Vec<At<String>> {
    let networks = trusted.networks.iter().map(|network| network.to_string().into());
    networks.chain(trusted.unix.then(|| UNIX_PEERS.to_owned().into())).collect()
}

const fn dialect(dialect: Dialect) -> DialectDocument {
    match dialect {
        Dialect::Batchgate => DialectDocument::Batchgate,
        Dialect::Odata => DialectDocument::Odata,
        Dialect::Graph => DialectDocument::Graph,
        Dialect::Apisix => DialectDocument::Apisix,
        Dialect::Tyk => DialectDocument::Tyk,
    }
}

fn bulk(route: &BulkRoute) -> BulkDocument {
    let methods = route.methods.iter().map(|method| method.as_str().to_owned().into()).collect();
    BulkDocument::of(batch(&route.endpoint), methods, literal(route.each.as_str()).into())
}
