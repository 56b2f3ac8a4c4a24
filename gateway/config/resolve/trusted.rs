//! The proxies that are trusted: networks, addresses, or whoever comes over a Unix socket.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Resolved, Resolver};
use crate::config::TrustedProxies;
use crate::config::yaml::wrappers::At;

/// What stands for all peers on Unix sockets.
pub(in crate::config) const UNIX_PEERS: &str = "unix";

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
            let message = format!("{} is no network and no address", text.shown());
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
