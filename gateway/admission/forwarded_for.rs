//! Where a client is that came by way of proxies: X-Forwarded-For, as far as those who wrote it are trusted.
//!
//! Each proxy appends the address it was called from. Read from the right, the first address that is no
//! trusted proxy's is the client's; what stands left of it is only what that client says.

use std::net::{IpAddr, SocketAddr};

use http::header::HeaderMap;

use crate::config::TrustedProxies;

pub(crate) const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// The client's address, where `peer` called; `None` is a peer on a Unix socket. What no address can be read from
/// ends the search: the client is then the last proxy that is known.
pub(crate) fn client(trusted: &TrustedProxies, peer: Option<IpAddr>, headers: &HeaderMap) -> Option<IpAddr> {
    let mut client = peer;
    if !trusted.trust(peer) {
        return client;
    }
    for value in headers.get_all(X_FORWARDED_FOR).iter().rev() {
        for written in value.as_bytes().rsplit(|byte| *byte == b',') {
            let Some(address) = address(written) else { return client };
            client = Some(address);
            if !trusted.trust(client) {
                return client;
            }
        }
    }
    client
}

/// An address, as proxies write it: alone, in brackets, or with a port.
fn address(written: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(written).ok()?.trim_matches([' ', '\t']);
    let alone = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = alone.parse().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn trusted() -> TrustedProxies {
        let networks = ["10.0.0.0/8", "2001:db8::/32"].map(|network| network.parse().unwrap());
        TrustedProxies { networks: networks.into(), unix: false }
    }

    fn found(peer: &str, values: &[&[u8]]) -> String {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_bytes(value).unwrap());
        }
        client(&trusted(), peer.parse().ok(), &headers).map_or_else(|| "unix".to_owned(), |ip| ip.to_string())
    }

    #[test]
    fn the_rightmost_address_that_is_no_proxys_is_the_client() {
        let table: [(&str, &[&[u8]], &str); 16] = [
            ("192.0.2.1", &[b"198.51.100.7"], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &[b"198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &[b"6.6.6.6, 198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &[b"6.6.6.6, 198.51.100.7 , 10.0.0.2,10.9.9.9"], "198.51.100.7"),
            ("10.0.0.1", &[b"6.6.6.6", b"198.51.100.7", b"10.0.0.2"], "198.51.100.7"),
            ("10.0.0.1", &[b"10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", &[b"198.51.100.7:4711"], "198.51.100.7"),
            ("2001:db8::1", &[b"2001:db9::7"], "2001:db9::7"),
            ("2001:db8::1", &[b"[2001:db9::7]"], "2001:db9::7"),
            ("2001:db8::1", &[b"[2001:db9::7]:4711"], "2001:db9::7"),
            ("::ffff:10.0.0.1", &[b"::ffff:198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &[b"198.51.100.7, unknown, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &[b"198.51.100.7, , 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &[b"198.51.100.7\xff"], "10.0.0.1"),
            ("unix", &[b"198.51.100.7"], "unix"),
        ];
        for (peer, values, expected) in table {
            assert_eq!(found(peer, values), expected, "{peer} {values:?}");
        }
    }

    proptest! {
        #[test]
        fn nobody_but_a_trusted_proxy_chooses_an_address(value in "[ -~\t]{0,60}") {
            prop_assert_eq!(found("192.0.2.1", &[value.as_bytes()]), "192.0.2.1");
            let behind = format!("{value}, 198.51.100.7");
            prop_assert_eq!(found("10.0.0.1", &[behind.as_bytes()]), "198.51.100.7");
        }
    }
}
