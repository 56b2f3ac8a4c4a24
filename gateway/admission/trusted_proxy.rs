//! What trusted proxies report about a client: its address (X-Forwarded-For) and whether it used TLS.
//!
//! Each proxy appends the address from which it was called. Read from the right, the first address that does not
//! belong to a trusted proxy is the client's. Everything to the left of it is only the client's own claim.

use std::net::{IpAddr, SocketAddr};

use http::header::HeaderMap;

use crate::config::TrustedProxies;

pub(super) const X_FORWARDED_FOR: &str = "x-forwarded-for";

pub(super) const FORWARDED: &str = "forwarded";

/// The address of the client of a request that came from `peer`; `None` is a peer on a Unix socket. An entry that is
/// not an address ends the search: the client is then the last known proxy.
pub(super) fn client_address(
    trusted: &TrustedProxies,
    peer: Option<IpAddr>,
    headers: &HeaderMap,
) -> Option<IpAddr> {
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

/// Parses an address as proxies write it: bare, in brackets, or with a port.
fn address(written: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(written).ok()?.trim_matches([' ', '\t']);
    let alone = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = alone.parse().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

/// Whether a proxy reports that the client came over TLS. Of several reports, the last one counts.
pub(super) fn says_https(headers: &HeaderMap) -> bool {
    let last = |name: &str| Some(joined(headers, name)?.rsplit(',').next()?.trim().to_ascii_lowercase());
    if let Some(scheme) = last("x-forwarded-proto") {
        return scheme == "https";
    }
    let element = last(FORWARDED).unwrap_or_default();
    element.split(';').any(|pair| matches!(pair.trim(), "proto=https" | "proto=\"https\""))
}

/// A field's values as one (RFC 9110 §5.3); `None` if there are none.
pub(super) fn joined(fields: &HeaderMap, name: &str) -> Option<String> {
    let values: Vec<_> = fields.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
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
        client_address(&trusted(), peer.parse().ok(), &headers)
            .map_or_else(|| "unix".to_owned(), |ip| ip.to_string())
    }

    #[test]
    fn the_rightmost_address_that_is_not_a_proxy_is_the_client() {
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
        fn only_a_trusted_proxy_can_set_the_address(value in "[ -~\t]{0,60}") {
            prop_assert_eq!(found("192.0.2.1", &[value.as_bytes()]), "192.0.2.1");
            let behind = format!("{value}, 198.51.100.7");
            prop_assert_eq!(found("10.0.0.1", &[behind.as_bytes()]), "198.51.100.7");
        }
    }

    fn fields(fields: &[(&'static str, &str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        fields.iter().map(field).collect()
    }

    #[test]
    fn the_last_proxy_says_whether_tls_was_spoken() {
        for (said, is_https) in [
            (&[][..], false),
            (&[("x-forwarded-proto", "HTTPS")], true),
            (&[("x-forwarded-proto", "https, http")], false),
            (&[("x-forwarded-proto", "http"), ("x-forwarded-proto", "https")], true),
            (&[("forwarded", "for=a;proto=http, for=b; Proto=\"https\"")], true),
            (&[("forwarded", "for=a;proto=https, for=b")], false),
            (&[("forwarded", "proto=https"), ("x-forwarded-proto", "http")], false),
        ] {
            assert_eq!(says_https(&fields(said)), is_https, "{said:?}");
        }
    }
}
