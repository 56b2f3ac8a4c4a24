//! `targets` of an upstream: `scheme://host[:port]`, with or without a base path, or the path of a Unix socket.
//!
//! A socket takes the place of the host, as in nginx: `http://unix:/path` and `h2c://unix:/path`. `unix:/path` is
//! short for the first.

use std::num::NonZeroUsize;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use super::defaults::number;
use super::host_and_port::host_and_port;
use super::resolver::{Refused, Resolved, Resolver, Seen, all};
use super::yaml::schema::allow_short_form;
use super::yaml::wrappers::At;
use crate::address::{SocketPath, SocketPathError};
use crate::route::{CanonicalPath, Strictness};

/// One target; without a weight, the url alone will do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = with_url_alone)]
pub(in crate::config) struct TargetDocument {
    /// `http://`, `https://`, `h2c://` (HTTP/2 without TLS) or `h2://` (HTTP/2 with TLS), a host, and a
    /// port where it is not 80 or 443. A path behind it is put before those of all calls. Or `unix:/path`: HTTP/1.1 over a Unix socket; HTTP/2: `h2c://unix:/path`.
    #[schemars(example = &"http://10.0.0.1:9001")]
    pub(in crate::config) url: At<String>,

    /// Its share of the calls, relative to the other targets'.
    #[serde(default = "number::<1>")]
    #[schemars(range(max = 1000))]
    pub(in crate::config) weight: NonZeroUsize,
}

/// One address of an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// How it is spoken to.
    pub scheme: Scheme,
    /// Where it is.
    pub place: Place,
    /// The path that it has everything below, without a slash at its end.
    pub base_path: String,
    /// Its share of the calls, relative to the other targets'.
    pub weight: NonZeroUsize,
}

/// Where a target is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// At a host.
    Host {
        /// A name or an IP address (IPv6 without brackets).
        host: String,
        /// The port.
        port: u16,
    },
    /// On this machine, at a Unix socket.
    Socket(SocketPath),
}

/// Host for a service at a Unix socket, which has no name of its own. nginx sends the same.
const HOST_OF_SOCKETS: &str = "localhost";

impl Target {
    /// What Host says: `host` or `host:port`, the port left out where it is the scheme's own.
    #[must_use]
    pub fn authority(&self) -> String {
        match &self.place {
            Place::Host { host, port } if *port == self.scheme.default_port() => in_brackets(host),
            Place::Host { host, port } => format!("{}:{port}", in_brackets(host)),
            Place::Socket(_) => HOST_OF_SOCKETS.to_owned(),
        }
    }

    /// What Host says, with the port in any case.
    #[must_use]
    pub fn authority_with_port(&self) -> String {
        match &self.place {
            Place::Host { host, port } => format!("{}:{port}", in_brackets(host)),
            Place::Socket(_) => format!("{HOST_OF_SOCKETS}:{}", self.scheme.default_port()),
        }
    }

    /// Its name in metrics, in the log and for operators: what Host says, or `unix:/path`.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.place {
            Place::Host { .. } => self.authority(),
            Place::Socket(path) => path.to_string(),
        }
    }

    /// Its url in the shortest form that the configuration takes.
    #[must_use]
    pub fn url(&self) -> String {
        match (self.scheme, &self.place) {
            (Scheme::Http, Place::Socket(path)) => path.to_string(),
            (scheme, _) => format!("{}://{}{}", scheme.as_str(), self.name(), self.base_path),
        }
    }
}

fn in_brackets(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// How a target is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// HTTP/1.1 without TLS.
    Http,
    /// HTTP/1.1 or HTTP/2 over TLS, as ALPN says.
    Https,
    /// HTTP/2 without TLS by prior knowledge (RFC 9113 §3.3).
    H2c,
    /// HTTP/2 over TLS only.
    H2,
}

impl Scheme {
    /// Whether every connection speaks HTTP/2.
    #[must_use]
    pub const fn is_http2(self) -> bool {
        match self {
            Self::Http | Self::Https => false,
            Self::H2c | Self::H2 => true,
        }
    }

    /// Whether the connection is encrypted.
    #[must_use]
    pub const fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::H2)
    }

    /// The port where a url names none.
    const fn default_port(self) -> u16 {
        if self.is_tls() { 443 } else { 80 }
    }

    /// Its name in the urls of targets.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::H2c => "h2c",
            Self::H2 => "h2",
        }
    }

    /// The scheme in urls of the hop: `http` or `https`.
    #[must_use]
    pub const fn url_scheme(self) -> &'static str {
        if self.is_tls() { "https" } else { "http" }
    }
}

impl Resolver<'_> {
    pub(super) fn targets(&mut self, documents: &[At<TargetDocument>]) -> Resolved<Vec<Target>> {
        let mut seen = Seen::new();
        let targets = all(documents.iter().map(|document| {
            let TargetDocument { url, weight } = &document.value;
            let target = match parse(&url.value, *weight) {
                Ok(target) => target,
                Err(error) => {
                    let shown = if error.problem == USER_NAME {
                        "the target".to_owned()
                    } else {
                        format!("the target {}", url.shown())
                    };
                    return self.refuse(url.span, format!("{shown} {}", error.problem), error.help);
                }
            };
            if let Some(earlier) = seen.earlier(target.place.clone(), url.span, self.findings) {
                let help = format!("{earlier}; for a larger share, give it a `weight`");
                self.warn(url.span, format!("duplicate target {}", url.shown()), help);
            }
            Ok(target)
        }))?;
        self.one_protocol(documents, &targets)?;
        self.one_base_path(documents, &targets)?;
        Ok(targets)
    }

    /// A path is mapped before a target is chosen.
    fn one_base_path(&mut self, documents: &[At<TargetDocument>], targets: &[Target]) -> Resolved<()> {
        let first = targets.first().map(|target| &target.base_path);
        let Some(odd) = targets.iter().position(|target| Some(&target.base_path) != first) else {
            return Ok(());
        };
        let span = documents.get(odd).and_then(|document| document.value.url.span);
        self.refuse(span, "the targets of one upstream have different base paths", "make it two upstreams")
    }

    /// An upstream has one engine, so its targets have one version of HTTP.
    fn one_protocol(&mut self, documents: &[At<TargetDocument>], targets: &[Target]) -> Resolved<()> {
        let first = targets.first().ok_or(Refused)?.scheme.is_http2();
        let Some(odd) = targets.iter().position(|target| target.scheme.is_http2() != first) else {
            return Ok(());
        };
        let span = documents.get(odd).and_then(|document| document.value.url.span);
        self.refuse(
            span,
            "the targets of one upstream can't mix HTTP/1.1 (`http`, `https`) and HTTP/2 (`h2c`, `h2`)",
            "make it two upstreams",
        )
    }
}

/// Why a url is not a target, and what to write.
#[derive(Clone, Debug, PartialEq, Eq)]
struct TargetError {
    /// Reads on from the url.
    problem: &'static str,
    help: String,
}

const FORM: &str = "write `http://host:port`; also `https://`, `h2c://` and `h2://`, or `unix:/path`";

const USER_NAME: &str = "has a user name";

/// Reads a target's url.
fn parse(url: &str, weight: NonZeroUsize) -> Result<Target, TargetError> {
    let refuse = |problem, help: &str| Err(TargetError { problem, help: help.to_owned() });
    if let Some(path) = url.strip_prefix("unix:") {
        let place = socket(path)?;
        return Ok(Target { scheme: Scheme::Http, place, base_path: String::new(), weight });
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        let help =
            if host_and_port(url, 80).is_ok() { format!("write `http://{url}`") } else { FORM.to_owned() };
        return Err(TargetError { problem: "has no scheme", help });
    };
    let Some(scheme) = scheme_of(scheme) else { return refuse("has an unknown scheme", FORM) };
    if let Some(path) = rest.strip_prefix("unix:").filter(|path| path.starts_with('/')) {
        if scheme.is_tls() {
            let help =
                "write `unix:/path`, or `h2c://unix:/path` for HTTP/2: a socket never leaves the machine";
            return refuse("has TLS over a Unix socket", help);
        }
        return Ok(Target { scheme, place: socket(path)?, base_path: String::new(), weight });
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if authority.contains('@') {
        return refuse(USER_NAME, "set `headers.set.Authorization` instead");
    }
    if path.contains(['?', '#']) {
        return refuse("has a query or a fragment", "only a path can follow the host");
    }
    let base_path = base_path(path)?;
    match host_and_port(authority, scheme.default_port()) {
        Ok((host, port)) => Ok(Target { scheme, place: Place::Host { host, port }, base_path, weight }),
        Err(problem) => refuse(problem, FORM),
    }
}

/// Reads the path behind a host: nothing, or one without a slash at its end.
fn base_path(path: &str) -> Result<String, TargetError> {
    if path.is_empty() {
        return Ok(String::new());
    }
    match CanonicalPath::parse(path, Strictness::Item) {
        Ok(path) => Ok(path.as_str().trim_end_matches('/').to_owned()),
        Err(error) => Err(TargetError {
            problem: "has a path that servers could read differently",
            help: format!("the path {error}"),
        }),
    }
}

/// Reads the path of a socket.
fn socket(path: &str) -> Result<Place, TargetError> {
    let refuse = |problem, help: &str| Err(TargetError { problem, help: help.to_owned() });
    // nginx lets a url's path follow the socket, behind a colon.
    if path.contains(":/") || path.ends_with(':') {
        return refuse(
            "has a path behind its socket",
            "a target is a socket alone; `rewrite: { add_prefix: /api }` of a route adds a path",
        );
    }
    let problem = match SocketPath::parse(path) {
        Ok(path) => return Ok(Place::Socket(path)),
        Err(SocketPathError::Abstract) => {
            let help = "write `unix:/path`: an abstract socket has no permissions, so any process can use it";
            return refuse("has an abstract socket", help);
        }
        Err(SocketPathError::TooLong) => {
            let help = "the system allows no more; a symbolic link to its folder makes it shorter";
            return refuse("has a path longer than 107 bytes", help);
        }
        Err(SocketPathError::Empty) => "has no path",
        Err(SocketPathError::Relative) => "has a path that does not start with `/`",
        Err(SocketPathError::Folder) => "has a path that ends with `/`",
        Err(SocketPathError::Control) => "has a path with control characters",
    };
    refuse(problem, "write `unix:/run/orders.sock`")
}

fn scheme_of(name: &str) -> Option<Scheme> {
    match name.to_ascii_lowercase().as_str() {
        "http" => Some(Scheme::Http),
        "https" => Some(Scheme::Https),
        "h2c" => Some(Scheme::H2c),
        "h2" => Some(Scheme::H2),
        _ => None,
    }
}

fn with_url_alone(schema: &mut Schema) {
    allow_short_form(schema, "url");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Result<Target, &'static str> {
        parse(url, NonZeroUsize::MIN).map_err(|error| error.problem)
    }

    #[test]
    fn targets_are_hosts() {
        for (url, scheme, host, port) in [
            ("http://10.0.0.1:9001", Scheme::Http, "10.0.0.1", 9001),
            ("https://API.example/", Scheme::Https, "api.example", 443),
            ("h2c://orders_1:8080", Scheme::H2c, "orders_1", 8080),
            ("h2://[::1]", Scheme::H2, "::1", 443),
            ("http://[fe80::1]:81", Scheme::Http, "fe80::1", 81),
            ("http://host.", Scheme::Http, "host.", 80),
        ] {
            let place = Place::Host { host: host.to_owned(), port };
            let base_path = String::new();
            assert_eq!(
                target(url),
                Ok(Target { scheme, place, base_path, weight: NonZeroUsize::MIN }),
                "{url}"
            );
        }
    }

    #[test]
    fn a_base_path_follows_the_host() {
        for (url, base_path, shortest) in [
            ("http://x/api", "/api", "http://x/api"),
            ("http://x:81/app/rest/", "/app/rest", "http://x:81/app/rest"),
            ("http://x/%61", "/a", "http://x/a"),
            ("http://x/", "", "http://x"),
        ] {
            let target = target(url).unwrap();
            assert_eq!((&*target.base_path, &*target.url()), (base_path, shortest), "{url}");
            assert!(!target.name().contains('/'));
        }
    }

    #[test]
    fn targets_have_names() {
        for (url, shortest, name, authority, with_port) in [
            ("http://10.0.0.1:80", "http://10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.1:80"),
            ("https://[::1]:80", "https://[::1]:80", "[::1]:80", "[::1]:80", "[::1]:80"),
            ("unix:/run/a.sock", "unix:/run/a.sock", "unix:/run/a.sock", "localhost", "localhost:80"),
            ("unix:///run/a b", "unix:/run/a b", "unix:/run/a b", "localhost", "localhost:80"),
            ("http://unix:/run/a:b", "unix:/run/a:b", "unix:/run/a:b", "localhost", "localhost:80"),
            ("h2c://unix:/run/a", "h2c://unix:/run/a", "unix:/run/a", "localhost", "localhost:80"),
            ("http://unix:81", "http://unix:81", "unix:81", "unix:81", "unix:81"),
        ] {
            let target = target(url).unwrap();
            assert_eq!(target.url(), shortest);
            assert_eq!((&*target.name(), &*target.authority()), (name, authority), "{url}");
            assert_eq!(target.authority_with_port(), with_port, "{url}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for (url, problem) in [
            ("10.0.0.1:9001", "has no scheme"),
            ("ftp://x", "has an unknown scheme"),
            ("http://", "has no host"),
            ("http://:80", "has no host"),
            ("http://a:b@c", "has a user name"),
            ("http://x/api?y", "has a query or a fragment"),
            ("http://x?y", "has a query or a fragment"),
            ("http://x/#y", "has a query or a fragment"),
            ("http://x//api", "has a path that servers could read differently"),
            ("http://x/a/..", "has a path that servers could read differently"),
            ("http://x/{a}", "has a path that servers could read differently"),
            ("http://x:0", "has no port from 1 to 65535"),
            ("http://x:", "has no port from 1 to 65535"),
            ("http://x:70000", "has no port from 1 to 65535"),
            ("http://a b", "has a host with characters that are not allowed in a name"),
            ("http://::1:80", "has a host with characters that are not allowed in a name"),
            ("http://[::1", "has an address without `]`"),
            ("http://[x]", "has no IPv6 address in its brackets"),
            ("http://[::1]x", "has something after its `]`"),
            ("http://a..b", "has a host with characters that are not allowed in a name"),
            ("unix:", "has no path"),
            ("unix:run/a.sock", "has a path that does not start with `/`"),
            ("unix:@orders", "has an abstract socket"),
            ("unix:/run/", "has a path that ends with `/`"),
            ("unix:/run/a\u{0}", "has a path with control characters"),
            ("http://unix:/run/a.sock:/api/", "has a path behind its socket"),
            ("unix:/run/a.sock:", "has a path behind its socket"),
            ("https://unix:/run/a.sock", "has TLS over a Unix socket"),
            ("h2://unix:/run/a.sock", "has TLS over a Unix socket"),
            ("http+unix://%2Frun%2Fa.sock", "has an unknown scheme"),
            ("unix@/run/a.sock", "has no scheme"),
        ] {
            assert_eq!(target(url), Err(problem), "{url}");
        }
    }
}
