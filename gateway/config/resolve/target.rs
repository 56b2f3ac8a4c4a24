//! Targets: `scheme://host[:port]`, nothing behind it.

use std::net::Ipv6Addr;
use std::num::NonZeroUsize;

use crate::config::{Scheme, Target};

/// Why a url is no target, and what to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TargetError {
    /// Reads on from the url.
    pub(super) problem: &'static str,
    pub(super) help: String,
}

const FORM: &str = "write `http://host:port`; also `https://`, `h2c://` and `h2://`";

/// Reads a target's url.
pub(super) fn parse(url: &str, weight: NonZeroUsize) -> Result<Target, TargetError> {
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
                behind => Some(behind.strip_prefix(':').ok_or("has something behind its `]`")?),
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
        return Err("has a host with characters that no name has");
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
            ("http://a b", "has a host with characters that no name has"),
            ("http://::1:80", "has a host with characters that no name has"),
            ("http://[::1", "has an address without `]`"),
            ("http://[x]", "has no IPv6 address in its brackets"),
            ("http://[::1]x", "has something behind its `]`"),
            ("http://a..b", "has a host with characters that no name has"),
        ] {
            assert_eq!(target(url), Err(problem), "{url}");
        }
    }
}
