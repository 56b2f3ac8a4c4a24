//! `targets` of an upstream: `scheme://host[:port]` with nothing after it.

use std::net::Ipv6Addr;
use std::num::NonZeroUsize;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use super::defaults::number;
use super::resolver::{Refused, Resolved, Resolver, Seen, all};
use super::yaml::schema::allow_short_form;
use super::yaml::wrappers::At;

/// One target; without a weight, the url alone will do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = with_url_alone)]
pub(in crate::config) struct TargetDocument {
    /// `http://`, `https://`, `h2c://` (HTTP/2 without TLS) or `h2://` (HTTP/2 with TLS), a host, and a
    /// port where it is not 80 or 443.
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
                    let shown = if error.problem == "has a user name" {
                        "the target".to_owned()
                    } else {
                        format!("the target {}", url.shown())
                    };
                    return self.refuse(url.span, format!("{shown} {}", error.problem), error.help);
                }
            };
            let address = (target.host.clone(), target.port);
            if let Some(earlier) = seen.earlier(address, url.span) {
                let help = format!("{earlier}; for a larger share, give it a `weight`");
                self.warn(url.span, format!("duplicate target {}", url.shown()), help);
            }
            Ok(target)
        }))?;
        self.one_protocol(documents, &targets)?;
        Ok(targets)
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

const FORM: &str = "write `http://host:port`; also `https://`, `h2c://` and `h2://`";

/// Reads a target's url.
fn parse(url: &str, weight: NonZeroUsize) -> Result<Target, TargetError> {
    let refuse = |problem, help: &str| Err(TargetError { problem, help: help.to_owned() });
    let Some((scheme, rest)) = url.split_once("://") else {
        let help = if parse_authority(url, Scheme::Http).is_ok() {
            format!("write `http://{url}`")
        } else {
            FORM.to_owned()
        };
        return Err(TargetError { problem: "has no scheme", help });
    };
    let Some(scheme) = scheme_of(scheme) else { return refuse("has an unknown scheme", FORM) };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains('@') {
        return refuse("has a user name", "set `headers.set.Authorization` instead");
    }
    if authority.contains(['/', '?', '#']) {
        return refuse(
            "has a path",
            "a target is a host; what paths upstreams see is up to routes (`strip_prefix`)",
        );
    }
    match parse_authority(authority, scheme) {
        Ok((host, port)) => Ok(Target { scheme, host, port, weight }),
        Err(problem) => refuse(problem, FORM),
    }
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

fn parse_authority(authority: &str, scheme: Scheme) -> Result<(String, u16), &'static str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, behind) = rest.split_once(']').ok_or("has an address without `]`")?;
            address.parse::<Ipv6Addr>().map_err(|_| "has no IPv6 address in its brackets")?;
            let port = match behind {
                "" => None,
                behind => Some(behind.strip_prefix(':').ok_or("has something after its `]`")?),
            };
            (address, port)
        }
        None => match authority.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    if host.is_empty() {
        return Err("has no host");
    }
    if !authority.starts_with('[') && !is_host(host) {
        return Err("has a host with characters that are not allowed in a name");
    }
    let port = match port {
        None => {
            if scheme.is_tls() {
                443
            } else {
                80
            }
        }
        Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or("has no port from 1 to 65535")?,
    };
    Ok((host.to_ascii_lowercase(), port))
}

fn is_host(host: &str) -> bool {
    host.len() <= 253
        && host.split('.').all(|label| {
            label.len() <= 63
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        })
        && !host.starts_with('.')
        && !host.contains("..")
}

fn with_url_alone(schema: &mut Schema) {
    allow_short_form(schema, "url");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Result<(Scheme, String, u16), &'static str> {
        parse(url, NonZeroUsize::MIN)
            .map(|target| (target.scheme, target.host, target.port))
            .map_err(|error| error.problem)
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
            assert_eq!(target(url), Ok((scheme, host.to_owned(), port)), "{url}");
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
            ("http://x/api", "has a path"),
            ("http://x?y", "has a path"),
            ("http://x:0", "has no port from 1 to 65535"),
            ("http://x:", "has no port from 1 to 65535"),
            ("http://x:70000", "has no port from 1 to 65535"),
            ("http://a b", "has a host with characters that are not allowed in a name"),
            ("http://::1:80", "has a host with characters that are not allowed in a name"),
            ("http://[::1", "has an address without `]`"),
            ("http://[x]", "has no IPv6 address in its brackets"),
            ("http://[::1]x", "has something after its `]`"),
            ("http://a..b", "has a host with characters that are not allowed in a name"),
        ] {
            assert_eq!(target(url), Err(problem), "{url}");
        }
    }
}
