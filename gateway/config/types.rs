//! The settings themselves: plain data that can't be wrong.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, StatusCode};

use super::{Auth, Breaker, HealthCheck, RateLimit, Retry, TrustedProxies};
use crate::batch::{BatchLimits, Dialect};
use crate::http1::HeadLimits;
use crate::limiter::{ClientShare, Rate};
use crate::route::{CanonicalPath, RouteIndex, RouteTable, UpstreamIndex, UrlTemplate};

/// A gateway's settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where clients come in; at least one.
    pub listen: Vec<Listener>,
    /// Where operators come in: `/metrics`, `/healthz`, `/readyz`, `/config`. `None`: nowhere.
    pub admin: Option<ListenAddress>,
    /// The upstreams; a [`UpstreamIndex`] points here.
    pub upstreams: Vec<Upstream>,
    /// The routes.
    pub routes: RouteTable,
    /// The batch endpoints, each with its own path.
    pub batch: Vec<BatchEndpoint>,
    /// The bulk routes, each with its own path, which no batch endpoint has.
    pub bulk: Vec<BulkRoute>,
    /// Who may come in; `None`: all.
    pub auth: Option<Auth>,
    /// The rate limits, in the order of the file.
    pub rate_limits: Vec<RateLimit>,
    /// Who may say where a client is.
    pub trusted_proxies: TrustedProxies,
    /// The name servers that are asked for targets; none: the system's.
    pub resolver: Vec<std::net::SocketAddr>,
    /// Limits of the whole gateway.
    pub limits: Limits,
    /// What is logged, and how.
    pub log: LogSettings,
    /// How the gateway ends.
    pub drain: Drain,
    /// Worker threads; `None`: one for each core.
    pub threads: Option<NonZeroUsize>,
    /// Web pages of other origins that may use batch endpoints.
    pub cors: Cors,
}

impl Settings {
    /// The upstream at this index.
    #[must_use]
    pub fn upstream(&self, index: UpstreamIndex) -> Option<&Upstream> {
        self.upstreams.get(index.0)
    }

    /// The fields that only the service that authenticates clients may set.
    #[must_use]
    pub fn reserved_fields(&self) -> &[HeaderName] {
        self.auth.as_ref().map_or(&[], Auth::added)
    }

    /// The batch endpoint with this path. One slash more or less at the end is the same path, unless a route, a bulk route
    /// or another endpoint has exactly that one.
    #[must_use]
    pub fn batch_endpoint(&self, path: &CanonicalPath) -> Option<&BatchEndpoint> {
        let exact = self.batch.iter().find(|endpoint| endpoint.path == *path);
        exact.or_else(|| {
            let twin = self.batch.iter().find(|endpoint| endpoint.path.differs_by_last_slash(path));
            twin.filter(|_| !self.is_claimed(path))
        })
    }

    /// The bulk route with exactly this path, if it takes this method. With a slash more it would be a resource of the
    /// service, such as the root of a collection.
    #[must_use]
    pub fn bulk_route(&self, path: &CanonicalPath, method: &Method) -> Option<&BulkRoute> {
        self.bulk.iter().find(|bulk| bulk.endpoint.path == *path && bulk.methods.contains(method))
    }

    /// Whether something is configured at exactly this path.
    fn is_claimed(&self, path: &CanonicalPath) -> bool {
        self.routes.routes().iter().any(|route| route.path == *path)
            || self.batch.iter().any(|endpoint| endpoint.path == *path)
            || self.bulk.iter().any(|bulk| bulk.endpoint.path == *path)
    }
}

/// One listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Its address.
    pub address: ListenAddress,
    /// Its certificate, if it speaks TLS (then h2 by ALPN; without TLS, h2c by prior knowledge).
    pub tls: Option<TlsFiles>,
}

/// An address to listen on: `host:port`, or `unix:/path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// TCP; a literal IP address and a port.
    Tcp(std::net::SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// A certificate chain and its key, PEM files that exist and fit each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
    /// Certificates one of which has to have signed a client's; `None`: clients need none.
    pub client_ca: Option<PathBuf>,
}

/// A service that knows one resource at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Upstream {
    /// Its name in metrics and logs.
    pub name: String,
    /// Where it runs; at least one.
    pub targets: Vec<Target>,
    /// How targets are chosen.
    pub balance: Balance,
    /// How long a target that is back takes to get its whole share; zero: none.
    pub slow_start: Duration,
    /// How calls are made.
    pub engine: Engine,
    /// Calls under way at once, of all batches and of requests that are none.
    pub concurrency: NonZeroUsize,
    /// Batches and requests that may wait for their turn.
    pub queue: usize,
    /// The most of these, and of what is upgraded, that one client may hold.
    pub client_share: ClientShare,
    /// Upgraded connections and streaming exchanges that may be open at once.
    pub upgraded: NonZeroUsize,
    /// How fast calls may start; `None`: as fast as they come.
    pub rate: Option<Rate>,
    /// Time limits of a call.
    pub timeout: UpstreamTimeouts,
    /// The field that tells the upstream what is left of a call's time.
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
    /// A file of PEM certificates to trust instead of the system's; TLS targets only.
    pub ca: Option<PathBuf>,
    /// Whether a TLS target's certificate is checked.
    pub verify: bool,
}

/// How connections of HTTP/2 to an upstream are shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http2 {
    /// Calls that share one connection.
    pub streams: NonZeroUsize,
    /// Bytes of one reply that the target may send before they are read.
    pub stream_window: u32,
}

impl Http2 {
    /// The largest window that HTTP/2 knows (RFC 9113 §6.9.1).
    pub const MAX_WINDOW: u32 = (1 << 31) - 1;

    /// Bytes of all replies on a connection that may come before they are read: more than all streams may have
    /// together, so that replies that nobody reads never stop another.
    #[must_use]
    pub fn connection_window(&self) -> u32 {
        let streams = u32::try_from(self.streams.get()).unwrap_or(u32::MAX);
        self.stream_window.saturating_mul(streams.saturating_add(1)).min(Self::MAX_WINDOW)
    }
}

/// One address of an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// How it is spoken to.
    pub scheme: Scheme,
    /// Its host: a name or an IP address (IPv6 without brackets).
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Its share of the calls, relative to the other targets'.
    pub weight: NonZeroUsize,
}

impl Target {
    /// `host` or `host:port`, the port left out where it is the scheme's own; what Host says.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let default_port = if self.scheme.is_tls() { 443 } else { 80 };
        if self.port == default_port { host } else { format!("{host}:{}", self.port) }
    }
}

/// How a target is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// HTTP/1.1 over TCP.
    Http,
    /// HTTP/1.1 or HTTP/2 over TLS, as ALPN says.
    Https,
    /// HTTP/2 over TCP by prior knowledge (RFC 9113 §3.3).
    H2c,
    /// HTTP/2 over TLS only.
    H2,
}

impl Scheme {
    /// Whether the connection is encrypted.
    #[must_use]
    pub const fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::H2)
    }

    /// The scheme in urls of the hop: `http` or `https`.
    #[must_use]
    pub const fn url_scheme(self) -> &'static str {
        if self.is_tls() { "https" } else { "http" }
    }
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

/// How calls are made (`gateway/ARCHITECTURE.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// HTTP/1.1: a few connections of a batch, each held for a run of calls.
    Held,
    /// HTTP/2: many calls share a connection. Follows from `h2://` and `h2c://` targets.
    H2,
}

/// Time limits of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamTimeouts {
    /// To open a connection, TLS handshake included.
    pub connect: Duration,
    /// From the start of the call to the last byte of its reply; of a proxied request, the time without a byte.
    pub item: Duration,
    /// Of a proxied request, from its turn to the last byte of its reply.
    pub request: Duration,
    /// The same for a reply that streams, which has no limit unless one was set.
    pub stream: Option<Duration>,
    /// Of an upgraded connection or a streaming exchange: the time without a byte in either direction; `None`: no limit.
    pub idle: Option<Duration>,
}

/// Fields an upstream's calls get and lose.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeaderChanges {
    /// Set, in place of what was there.
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// Removed, before anything is set.
    pub remove: Vec<HeaderName>,
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

/// A batch endpoint: POST sends a batch, GET tells its limits.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchEndpoint {
    /// Its exact path; its label in metrics.
    pub path: CanonicalPath,
    /// Whose conventions it keeps.
    pub dialect: Dialect,
    /// What a batch may cost here.
    pub limits: BatchLimits,
    /// Items of one batch under way at once.
    pub concurrency: NonZeroUsize,
    /// From the batch's last byte in to the reply's first byte out.
    pub deadline: Duration,
    /// Whether items run side by side or one by one.
    pub order: Order,
    /// The reply's status once a batch was accepted: 207, 200 or 202.
    pub reply_status: StatusCode,
    /// The outer fields that items inherit; `None`: all but those of protocol §1.
    pub inherit: Option<Vec<HeaderName>>,
}

/// A bulk route: records at its path become items, with the url that its template makes of each.
#[derive(Clone, Debug, PartialEq)]
pub struct BulkRoute {
    /// Its path and limits, which are of the same kind as a batch endpoint's.
    pub endpoint: BatchEndpoint,
    /// The methods that bring records.
    pub methods: Vec<Method>,
    /// The url of each record.
    pub each: UrlTemplate,
    /// The route that the template lies under; no record leaves it.
    pub route: RouteIndex,
}

/// In which order a batch's items run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Side by side.
    #[default]
    Parallel,
    /// One by one.
    Sequential,
}

/// Limits of the whole gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of bodies held at once, of all batches together.
    pub memory: usize,
    /// Connections of clients at once.
    pub connections: NonZeroUsize,
    /// Connections at once from one address.
    pub connections_per_address: NonZeroUsize,
    /// How often a request may pass a gateway of this kind, this time included.
    pub hops: NonZeroUsize,
    /// Bytes of a request's head over HTTP/1.1.
    pub header_bytes: usize,
    /// Field lines of a request over HTTP/1.1.
    pub header_fields: NonZeroUsize,
    /// Bytes of a request's target over HTTP/1.1.
    pub target_bytes: usize,
    /// A request's whole header must have arrived by then, from its first byte.
    pub header_timeout: Duration,
    /// A batch's whole body must have arrived by then; of other requests, how long is waited for it.
    pub body_timeout: Duration,
    /// A reply may stand still for so long.
    pub write_timeout: Duration,
    /// Idle connections kept to all upstreams together.
    pub idle_connections: usize,
    /// How long a connection to an upstream is kept idle.
    pub idle_timeout: Duration,
    /// How long a client's connection is kept idle.
    pub keepalive_timeout: Duration,
    /// What one HTTP/2 connection of a client may use.
    pub http2: ClientHttp2,
}

impl Limits {
    /// How large the head of a request may be.
    #[must_use]
    pub const fn heads(&self) -> HeadLimits {
        HeadLimits { bytes: self.header_bytes, fields: self.header_fields.get(), target: self.target_bytes }
    }
}

/// What one HTTP/2 connection of a client may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientHttp2 {
    /// Requests at once.
    pub streams: NonZeroU32,
    /// Bytes that one of them may send ahead of whoever reads them.
    pub stream_window: NonZeroU32,
}

/// What is logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// One JSON object a line, or text for people.
    pub format: LogFormat,
    /// A `tracing` filter: `info`, `warn,batchgate=debug`, …
    pub level: String,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// Text for people.
    Text,
}

/// How the gateway ends on SIGTERM, or after a hand-over (SIGQUIT).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// Keeps accepting for so long after `/readyz` turned 503.
    pub delay: Duration,
    /// Ends the last batches after so long, at the latest.
    pub deadline: Duration,
}

/// Web pages of other origins that may use batch endpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cors {
    /// `scheme://host[:port]` of the pages, as browsers send it.
    pub allow_origins: Vec<String>,
    /// The fields that they may send beside those that any page may.
    pub allow_headers: Vec<HeaderName>,
    /// Whether cookies and other credentials of the browser go along.
    pub allow_credentials: bool,
    /// How long a browser may remember what a preflight was answered.
    pub max_age: Duration,
}
