//! The identity that distinguishes clients: for permits, long-lived exchanges, memory, rate limits and
//! connections.
//!
//! A client is identified by `auth` or by its certificate. Without a name it is identified by its address, for IPv6
//! by the /64 network (RFC 4291 §2.5.1): otherwise one host could pose as many clients. The address is the one that
//! trusted proxies report. A client is a key in many maps, so it is a number of 16 bytes that is copied.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::OnceLock;

/// One client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Client {
    /// Whether `key` represents a name. A name and an address are never the same client.
    is_named: bool,
    key: u128,
}

impl Client {
    /// The client at this address; `None` for a client on a Unix socket, which has no address.
    #[must_use]
    pub fn at(address: Option<IpAddr>) -> Self {
        let key = match address.map(|address| address.to_canonical()) {
            Some(IpAddr::V4(address)) => address.to_ipv6_mapped().to_bits(),
            Some(IpAddr::V6(address)) => address.to_bits() >> 64 << 64,
            None => 0,
        };
        Self { is_named: false, key }
    }

    /// The client with this name. The key is a hash of the name with keys that only this process knows, so that no client
    /// can choose a name that collides with another client's.
    #[must_use]
    pub fn named(name: &str) -> Self {
        static HASHES: OnceLock<[RandomState; 2]> = OnceLock::new();
        let [high, low] = HASHES.get_or_init(|| [RandomState::new(), RandomState::new()]);
        let key = u128::from(high.hash_one(name)) << 64 | u128::from(low.hash_one(name));
        Self { is_named: true, key }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_an_address_or_a_subnet() {
        let at = |address: &str| Client::at(Some(address.parse().unwrap()));
        assert_eq!(at("2001:db8::1"), at("2001:db8::2:3"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
        assert_eq!(at("::ffff:10.0.0.1"), at("10.0.0.1"));
        assert_ne!(at("10.0.0.2"), at("10.0.0.1"));
        assert_ne!(at("10.0.0.2"), Client::at(None));
    }

    #[test]
    fn a_client_with_a_name_is_that_name() {
        assert_eq!(Client::named("shop"), Client::named("shop"));
        assert_ne!(Client::named("shop"), Client::named("stock"));
        assert_ne!(Client::named("10.0.0.1"), Client::at(Some(IpAddr::from([10, 0, 0, 1]))));
        assert_ne!(Client::named(""), Client::at(None));
    }
}
