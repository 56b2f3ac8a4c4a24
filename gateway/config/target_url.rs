//! Reads the url of a target: `scheme://host[:port]`, with or without a base path, or the path of a Unix socket.
//!
//! With `+srv` behind the scheme, the host is a name whose SRV records say hosts and ports.
//!
//! A socket takes the place of the host, as in nginx: `http://unix:/path` and `h2c://unix:/path`. `unix:/path` is
//! short for the first.

use std::net::Ipv4Addr;
use std::num::NonZeroUsize;

use super::host_and_port::host_and_port;
use super::target::{OF_SERVICES, Place, Scheme, Target, domain_of};
use crate::address::{SocketPath, SocketPathError};
use crate::route::{CanonicalPath, Strictness, is_host_name};

/// Why a url is not a target, and what to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TargetError {
    /// Reads on from the url.
    pub(super) problem: &'static str,
    pub(super) help: String,
}

const FORM: &str = "write `http://host:port`; also `https://`, `h2c://` and `h2://`, `http+srv://name` for SRV records, or `unix:/path`";

pub(super) const USER_NAME: &str = "has a user name";

/// Reads a target's url.
pub(super) fn parse(url: &str, weight: NonZeroUsize) -> Result<Target, TargetError> {
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
    let (scheme, is_service) = match scheme.to_ascii_lowercase().strip_suffix(OF_SERVICES) {
        Some(scheme) => (scheme_of(scheme), true),
        None => (scheme_of(scheme), false),
    };
    let Some(scheme) = scheme else { return refuse("has an unknown scheme", FORM) };
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
    if is_service {
        return Ok(Target { scheme, place: service(authority, weight)?, base_path, weight });
    }
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

/// Reads the name of a service. The port and the weights are in its records.
fn service(name: &str, weight: NonZeroUsize) -> Result<Place, TargetError> {
    let refuse = |problem, help: &str| Err(TargetError { problem, help: help.to_owned() });
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    if name.contains(':') {
        return refuse("has a port, and the records of a service have that", "remove the port");
    }
    let domain = domain_of(&name);
    if !is_host_name(&name) || domain.starts_with('_') || domain.parse::<Ipv4Addr>().is_ok() {
        return refuse("has no name of a service", "write `http+srv://_http._tcp.orders.example`");
    }
    if weight != NonZeroUsize::MIN {
        return refuse("has a weight, and the records of a service have those", "remove `weight`");
    }
    Ok(Place::Service { name })
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
    fn a_service_is_a_name_with_records() {
        for (url, scheme, name, shortest, authority) in [
            (
                "http+srv://_http._tcp.orders.example",
                Scheme::Http,
                "_http._tcp.orders.example",
                "",
                "orders.example",
            ),
            (
                "H2+SRV://_GRPC._tcp.Orders.Example.",
                Scheme::H2,
                "_grpc._tcp.orders.example",
                "h2+srv://_grpc._tcp.orders.example",
                "orders.example",
            ),
            (
                "https+srv://orders.service.consul",
                Scheme::Https,
                "orders.service.consul",
                "",
                "orders.service.consul",
            ),
        ] {
            let target = target(url).unwrap();
            assert_eq!(
                (target.scheme, &target.place),
                (scheme, &Place::Service { name: name.to_owned() }),
                "{url}"
            );
            assert_eq!(target.url(), if shortest.is_empty() { url } else { shortest });
            assert_eq!(
                (&*target.name(), &*target.authority(), target.tls_name()),
                (name, authority, authority)
            );
            assert_eq!(target.authority_with_port(), format!("{authority}:{}", scheme.default_port()));
        }
        assert_eq!(target("http+srv://orders.example/api").unwrap().base_path, "/api");
        let with_weight = parse("http+srv://orders.example", NonZeroUsize::new(2).unwrap());
        assert_eq!(with_weight.unwrap_err().problem, "has a weight, and the records of a service have those");
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
            ("http://::1:80", "has an IPv6 address without brackets"),
            ("http://::1", "has an IPv6 address without brackets"),
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
            ("srv://_http._tcp.orders.example", "has an unknown scheme"),
            ("http+srv://_http._tcp.orders.example:80", "has a port, and the records of a service have that"),
            ("http+srv://_http._tcp", "has no name of a service"),
            ("http+srv://", "has no name of a service"),
            ("http+srv://10.0.0.1", "has no name of a service"),
            ("http+srv://a:b@orders.example", "has a user name"),
            ("unix@/run/a.sock", "has no scheme"),
        ] {
            assert_eq!(target(url), Err(problem), "{url}");
        }
    }
}
