//! `trusted_proxies`: networks, addresses, or everybody on a Unix socket. And `forwarded`: whether services get the field of
//! RFC 7239.

use std::net::IpAddr;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::resolver::{Resolved, Resolver};
use super::yaml::wrappers::At;

/// The word for all peers on Unix sockets.
const UNIX_PEERS: &str = "unix";

/// Who may say in X-Forwarded-For where a client is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    /// Networks that their addresses are in.
    pub networks: Vec<IpNet>,
    /// Any peer on a Unix socket.
    pub unix: bool,
}

/// When services get Forwarded (RFC 7239) beside X-Forwarded-*.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Forwarded {
    /// If a trusted proxy has begun it: with one more element.
    #[default]
    Extend,
    /// Always.
    Add,
}

impl TrustedProxies {
    /// Whether this peer is one; `None` is a peer on a Unix socket. An IPv4 address mapped to IPv6 is that IPv4
    /// address.
    #[must_use]
    pub fn trust(&self, peer: Option<IpAddr>) -> bool {
        match peer.map(|address| address.to_canonical()) {
            Some(address) => self.networks.iter().any(|network| network.contains(&address)),
            None => self.unix,
        }
    }
}

impl Resolver<'_> {
    pub(super) fn trusted_proxies(&mut self, proxies: &[At<String>]) -> Resolved<TrustedProxies> {
        let mut trusted = TrustedProxies::default();
        let mut complete = Ok(());
        for proxy in proxies {
            if proxy.value == UNIX_PEERS {
                trusted.unix = true;
                continue;
            }
            match self.network(proxy) {
                Ok(network) => trusted.networks.push(network),
                Err(refused) => complete = Err(refused),
            }
        }
        complete.map(|()| trusted)
    }

    fn network(&mut self, text: &At<String>) -> Resolved<IpNet> {
        let address = text.value.parse::<IpAddr>().map(IpNet::from);
        let Ok(network) = text.value.parse::<IpNet>().or(address) else {
            let message = format!("{} is not a network or an address", text.shown());
            let help = "write `10.0.0.0/8`, `2001:db8::/32`, one address, or `unix`";
            return self.refuse(text.span, message, help);
        };
        if network.trunc() != network {
            let message = format!("{} is an address within a network", text.shown());
            let help = format!("write `{}` for the network, or `{}` alone", network.trunc(), network.addr());
            return self.refuse(text.span, message, help);
        }
        if network.prefix_len() == 0 {
            let message = format!("{} trusts every client to say where it is", text.shown());
            self.warn(text.span, message, "name the networks of the proxies only");
        }
        Ok(network)
    }
}
