//! One target of an upstream: how it is spoken to, where it is, and what it is called.

use std::num::NonZeroUsize;

use crate::address::SocketPath;

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
    /// At the hosts and ports that the SRV records of a name say (RFC 2782).
    Service {
        /// The name with the records: `_http._tcp.orders.example`.
        name: String,
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
            Place::Service { name } => domain_of(name).to_owned(),
            Place::Socket(_) => HOST_OF_SOCKETS.to_owned(),
        }
    }

    /// What Host says, with the port in any case.
    #[must_use]
    pub fn authority_with_port(&self) -> String {
        match &self.place {
            Place::Host { host, port } => format!("{}:{port}", in_brackets(host)),
            Place::Service { .. } | Place::Socket(_) => {
                format!("{}:{}", self.authority(), self.scheme.default_port())
            }
        }
    }

    /// The name that its certificate must have, and that SNI says.
    #[must_use]
    pub fn tls_name(&self) -> &str {
        match &self.place {
            Place::Host { host, .. } => host,
            // What the records say is not authenticated (RFC 9525 §6.1).
            Place::Service { name } => domain_of(name),
            Place::Socket(_) => "",
        }
    }

    /// Its name in metrics, in the log and for operators: what Host says, the name of a service, or `unix:/path`.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.place {
            Place::Host { .. } => self.authority(),
            Place::Service { name } => name.clone(),
            Place::Socket(path) => path.to_string(),
        }
    }

    /// Its url in the shortest form that the configuration takes.
    #[must_use]
    pub fn url(&self) -> String {
        match (self.scheme, &self.place) {
            (Scheme::Http, Place::Socket(path)) => path.to_string(),
            (scheme, Place::Service { name }) => {
                format!("{}{OF_SERVICES}://{name}{}", scheme.as_str(), self.base_path)
            }
            (scheme, _) => format!("{}://{}{}", scheme.as_str(), self.name(), self.base_path),
        }
    }
}

/// Behind the scheme of a target whose hosts and ports are in SRV records.
pub(super) const OF_SERVICES: &str = "+srv";

/// The domain of a service: its name without the labels of RFC 2782 in front, `_http._tcp.`.
pub(super) fn domain_of(name: &str) -> &str {
    let mut rest = name;
    while let Some((_, behind)) = rest.split_once('.').filter(|(label, _)| label.starts_with('_')) {
        rest = behind;
    }
    rest
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
    pub(crate) const fn default_port(self) -> u16 {
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
