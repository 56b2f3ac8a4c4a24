//! The three addresses of the demonstration, all on the loopback interface.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use crate::listener::bind::check_free;

/// The largest `--port`: the two after it must be ports too.
pub(crate) const LAST_FIRST_PORT: u16 = u16::MAX - 2;

/// The addresses to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ports {
    /// The gateway.
    pub(super) gateway: SocketAddr,
    /// The legacy API.
    pub(super) legacy: SocketAddr,
    /// The gateway's admin listener.
    pub(super) admin: SocketAddr,
}

impl Ports {
    /// 8080, 8081 and 9901; or `first` and the two after it.
    pub(super) fn new(first: Option<u16>) -> Self {
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let (gateway, legacy, admin) = match first.map(|first| first.min(LAST_FIRST_PORT)) {
            Some(first) => (first, first + 1, first + 2),
            None => (8080, 8081, 9901),
        };
        Self { gateway: local(gateway), legacy: local(legacy), admin: local(admin) }
    }

    /// The addresses that are not free, each with the name of the server that needs it.
    pub(super) fn taken(&self) -> Vec<(&'static str, io::Error)> {
        [("the gateway", self.gateway), ("the legacy API", self.legacy), ("the admin listener", self.admin)]
            .into_iter()
            .filter_map(|(whose, address)| Some((whose, check_free(address).err()?)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(ports: Ports) -> [u16; 3] {
        [ports.gateway.port(), ports.legacy.port(), ports.admin.port()]
    }

    #[test]
    fn ports_follow_the_first() {
        assert_eq!(numbers(Ports::new(None)), [8080, 8081, 9901]);
        assert_eq!(numbers(Ports::new(Some(7000))), [7000, 7001, 7002]);
        assert_eq!(numbers(Ports::new(Some(u16::MAX))), [65533, 65534, 65535]);
    }

    #[test]
    fn all_taken_ports_are_reported() {
        let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = holder.local_addr().unwrap();
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let taken = Ports { gateway: address, legacy: free, admin: address }.taken();
        let whose: Vec<_> = taken.iter().map(|(whose, _)| *whose).collect();
        assert_eq!(whose, ["the gateway", "the admin listener"]);
        assert!(taken[0].1.to_string().contains(&address.to_string()));
    }
}
