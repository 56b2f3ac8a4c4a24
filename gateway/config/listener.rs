//! `listen` and `admin`: addresses, plain or with a certificate.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use super::listener_tls::{ListenerTls, TlsDocument};
use super::resolver::{Resolved, Resolver, all};
use super::yaml::schema::allow_short_form;
use super::yaml::span::Span;
use super::yaml::wrappers::At;
use crate::address::SocketPath;

/// One address; without `tls`, the address alone will do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = with_address_alone)]
pub(in crate::config) struct ListenDocument {
    /// An IP address with a port (`0.0.0.0:8080`, `[::]:8080`), or `unix:/path`.
    #[schemars(example = &"0.0.0.0:8080")]
    pub(in crate::config) address: At<String>,

    /// Speaks TLS here, with HTTP/2 by ALPN. Without it: plain HTTP/1.1, and HTTP/2 by prior knowledge.
    pub(in crate::config) tls: Option<At<TlsDocument>>,

    /// Connections begin with a header of the PROXY protocol (version 1 or 2), which says where the client is: `trusted`, those
    /// from `trusted_proxies`. Absent: none.
    pub(in crate::config) proxy_protocol: Option<At<ProxyProtocol>>,

    /// The port of HTTPS to which every request here is redirected (308), with the same host, path and query. Requests that
    /// reached a trusted proxy over HTTPS are served; other requests without a host get 400.
    #[schemars(range(min = 1), example = 443)]
    pub(in crate::config) redirect_to_https: Option<At<u16>>,
}

/// Which connections begin with a header of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProxyProtocol {
    /// Those from `trusted_proxies`, and no others.
    Trusted,
}

/// One listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Its address.
    pub address: ListenAddress,
    /// How it speaks TLS, if it does (then h2 by ALPN; without TLS, h2c by prior knowledge).
    pub tls: Option<ListenerTls>,
    /// Which connections begin with a header of the PROXY protocol; `None`: none.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// The port of HTTPS to which its clients are redirected.
    pub redirect_to_https: Option<u16>,
}

impl Listener {
    /// The ports by which clients reach the gateway, as far as it is known: its own, and that of HTTPS.
    pub(super) fn ports(&self) -> impl Iterator<Item = u16> {
        let own = match &self.address {
            ListenAddress::Tcp(address) => Some(address.port()),
            ListenAddress::Unix(_) => None,
        };
        own.into_iter().chain(self.redirect_to_https)
    }

    /// Whether a connection to this address came through it.
    #[must_use]
    pub fn takes(&self, local: SocketAddr) -> bool {
        let ListenAddress::Tcp(bound) = &self.address else { return false };
        bound.port() == local.port() && (bound.ip().is_unspecified() || bound.ip() == local.ip())
    }
}

/// An address to listen on: `host:port`, or `unix:/path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// TCP; a literal IP address and a port.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl std::fmt::Display for ListenAddress {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(formatter),
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
        }
    }
}

impl Resolver<'_> {
    pub(super) fn listeners(&mut self, documents: &[ListenDocument]) -> Resolved<Vec<Listener>> {
        let mut taken: Vec<(ListenAddress, Option<Span>)> = Vec::new();
        all(documents.iter().map(|document| {
            let tls = document.tls.as_ref().map(|tls| self.listener_tls(tls));
            let address = self.address(&document.address)?;
            let redirect_to_https = self.redirect_to_https(document, &address)?;
            self.free(&address, &document.address, &taken)?;
            taken.push((address.clone(), document.address.span));
            let proxy_protocol = document.proxy_protocol.as_ref().map(|at| at.value);
            Ok(Listener { address, tls: tls.transpose()?, proxy_protocol, redirect_to_https })
        }))
    }

    /// Warns of listeners that wait for a header of proxies, where there are none.
    pub(super) fn unused_proxy_protocol(
        &mut self,
        listen: &[ListenDocument],
        trusted_proxies: &[At<String>],
    ) {
        if !trusted_proxies.is_empty() {
            return;
        }
        for protocol in listen.iter().filter_map(|listener| listener.proxy_protocol.as_ref()) {
            let help = "name the proxies' networks under `trusted_proxies`, or remove it";
            self.warn(protocol.span, "`proxy_protocol` does nothing without `trusted_proxies`", help);
        }
    }

    fn redirect_to_https(
        &mut self,
        document: &ListenDocument,
        address: &ListenAddress,
    ) -> Resolved<Option<u16>> {
        let Some(port) = &document.redirect_to_https else { return Ok(None) };
        let problem = match address {
            ListenAddress::Unix(_) => "a Unix socket has no clients to redirect",
            ListenAddress::Tcp(_) if document.tls.is_some() => "a listener with `tls` speaks HTTPS already",
            ListenAddress::Tcp(_) => return Ok(Some(port.value)),
        };
        self.refuse(port.span, problem, "remove `redirect_to_https`")
    }

    /// `None` where it is off.
    pub(super) fn admin(
        &mut self,
        admin: &At<String>,
        listen: &[ListenDocument],
    ) -> Resolved<Option<ListenAddress>> {
        if admin.value == "off" {
            return Ok(None);
        }
        let address = self.address(admin)?;
        let taken: Vec<_> = listen
            .iter()
            .filter_map(|other| Some((parse(&other.address.value).ok()?, other.address.span)))
            .collect();
        self.free(&address, admin, &taken)?;
        if let ListenAddress::Tcp(tcp) = &address
            && tcp.ip().is_unspecified()
        {
            self.warn(
                admin.span,
                "the admin listener is open to every network",
                "it has no password; bind it to 127.0.0.1 or to a private address",
            );
        }
        Ok(Some(address))
    }

    fn address(&mut self, address: &At<String>) -> Resolved<ListenAddress> {
        match parse(&address.value) {
            Ok(address) => Ok(address),
            Err(help) => {
                let message = format!("{} is not an address to listen on", address.shown());
                self.refuse(
                    address.span,
                    message,
                    if address.from_environment { FORM.to_owned() } else { help },
                )
            }
        }
    }

    fn free(
        &mut self,
        address: &ListenAddress,
        written: &At<String>,
        taken: &[(ListenAddress, Option<Span>)],
    ) -> Resolved<()> {
        let Some((_, span)) = taken.iter().find(|(other, _)| collide(address, other)) else {
            return Ok(());
        };
        // An admin address by default has no place; the listener that is in its way has one.
        let (shown, help) = match written.span {
            Some(_) => (written.span, self.findings.already(*span)),
            None => (*span, "it is admin's default; set `admin` to another address, or to `off`".to_owned()),
        };
        self.refuse(shown, format!("the address {} is used twice", written.shown()), help)
    }
}

const FORM: &str = "write an IP address and a port, such as `0.0.0.0:8080`, or `unix:/path`";

fn parse(text: &str) -> Result<ListenAddress, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        return match SocketPath::parse(path) {
            Ok(path) => Ok(ListenAddress::Unix(path.as_path().to_owned())),
            Err(_) => Err("a socket's path is absolute and shorter than 108 bytes".to_owned()),
        };
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(ListenAddress::Tcp(address));
    }
    Err(match text.rsplit_once(':') {
        Some(("" | "*", port)) if is_port(port) => format!("write `0.0.0.0:{port}`"),
        Some(("localhost", port)) if is_port(port) => format!("write `127.0.0.1:{port}`"),
        _ if is_port(text) => format!("write `0.0.0.0:{text}`"),
        _ if text.parse::<IpAddr>().is_ok() => "add a port, such as `:8080`".to_owned(),
        _ => FORM.to_owned(),
    })
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok()
}

/// Whether both can't be bound at once. Port 0 is a free one each time; `0.0.0.0` takes the port on
/// every IPv4 address, and so does `[::]` for IPv6.
fn collide(one: &ListenAddress, other: &ListenAddress) -> bool {
    match (one, other) {
        (ListenAddress::Tcp(one), ListenAddress::Tcp(other)) => {
            let any = one.ip().is_unspecified() || other.ip().is_unspecified();
            let same_family = one.is_ipv4() == other.is_ipv4();
            one.port() == other.port() && one.port() != 0 && (one.ip() == other.ip() || (any && same_family))
        }
        (ListenAddress::Unix(one), ListenAddress::Unix(other)) => one == other,
        (ListenAddress::Tcp(_), ListenAddress::Unix(_)) | (ListenAddress::Unix(_), ListenAddress::Tcp(_)) => {
            false
        }
    }
}

fn with_address_alone(schema: &mut Schema) {
    allow_short_form(schema, "address");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_literal() {
        assert!(parse("0.0.0.0:8080").is_ok());
        assert!(parse("[::1]:8080").is_ok());
        assert!(parse("unix:/run/batchgate.sock").is_ok());
        for (text, help) in [
            (":8080", "write `0.0.0.0:8080`"),
            ("8080", "write `0.0.0.0:8080`"),
            ("localhost:1", "write `127.0.0.1:1`"),
            ("127.0.0.1", "add a port, such as `:8080`"),
            ("gw.example:80", FORM),
            ("1.2.3.4:99999", FORM),
        ] {
            assert_eq!(parse(text).map_err(|found| found == help), Err(true), "{text}");
        }
    }

    #[test]
    fn an_unspecified_address_takes_the_port_everywhere() {
        let address = |text| parse(text).unwrap();
        assert!(collide(&address("0.0.0.0:80"), &address("127.0.0.1:80")));
        assert!(!collide(&address("0.0.0.0:80"), &address("0.0.0.0:81")));
        assert!(!collide(&address("[::]:80"), &address("0.0.0.0:80")));
        assert!(!collide(&address("127.0.0.1:0"), &address("127.0.0.1:0")));
        assert!(collide(&address("unix:/a"), &address("unix:/a")));
    }
}
