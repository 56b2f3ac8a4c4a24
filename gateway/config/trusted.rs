//! The proxies whose word about a client's address is taken.

use std::net::IpAddr;

use ipnet::IpNet;

/// Who may say in X-Forwarded-For where a client is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    /// Networks that their addresses are in.
    pub networks: Vec<IpNet>,
    /// Whoever comes over a Unix socket.
    pub unix: bool,
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
