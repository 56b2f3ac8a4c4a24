//! What trusted proxies report about a client: its address (X-Forwarded-For, or without that Forwarded) and whether it used
//! TLS.
//!
//! Each proxy appends the address from which it was called. Read from the right, the first address that does not
//! belong to a trusted proxy is the client's. Everything to the left of it is only the client's own claim.

use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow;

use http::header::{FORWARDED, HeaderMap, HeaderName};

use crate::config::TrustedProxies;
use crate::header::inherit::as_list;

pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

pub(super) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

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
    let from_the_right = |address: Option<IpAddr>| {
        let Some(address) = address else { return ControlFlow::Break(()) };
        client = Some(address);
        if trusted.trust(client) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let _ = if headers.contains_key(X_FORWARDED_FOR) {
        let values = headers.get_all(X_FORWARDED_FOR).iter().rev();
        let written = values.flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','));
        written.map(address).try_for_each(from_the_right)
    } else {
        let values = headers.get_all(FORWARDED).iter().rev();
        let elements = values.flat_map(|value| outside_of_quotes(value.as_bytes(), b','));
        elements.map(address_for).try_for_each(from_the_right)
    };
    client
}

/// The address of an element of Forwarded (RFC 7239 §4, §6).
fn address_for(element: &[u8]) -> Option<IpAddr> {
    let value = outside_of_quotes(element, b';').find_map(|pair| {
        let (name, value) = pair.trim_ascii().split_at_checked(b"for=".len())?;
        name.eq_ignore_ascii_case(b"for=").then_some(value)
    })?;
    let bare = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    address(bare.unwrap_or(value))
}

/// The pieces between separators that are not within a quoted string, from the right. What a client has written to the left of
/// a proxy's own piece can't change that piece.
fn outside_of_quotes(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut left = Some(text);
    std::iter::from_fn(move || {
        let rest = left?;
        let mut is_quoted = false;
        let found = (0..rest.len()).rev().find(|at| {
            let byte = rest.get(*at).copied();
            is_quoted ^= byte == Some(b'"') && !is_escaped(rest, *at);
            !is_quoted && byte == Some(separator)
        });
        left = found.and_then(|at| rest.get(..at));
        rest.get(found.map_or(0, |at| at + 1)..)
    })
}

/// Whether a byte of a quoted string follows an odd number of backslashes.
fn is_escaped(text: &[u8], at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default();
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// Parses an address as proxies write it: bare, in brackets, or with a port.
pub(super) fn address(written: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(written).ok()?.trim_matches([' ', '\t']);
    let alone = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = alone.parse().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

/// Whether a proxy reports that the client came over TLS. Of several reports, the last one counts.
pub(super) fn says_https(headers: &HeaderMap) -> bool {
    let last =
        |name: &HeaderName| Some(as_list(headers, name)?.rsplit(',').next()?.trim().to_ascii_lowercase());
    if let Some(scheme) = last(&X_FORWARDED_PROTO) {
        return scheme == "https";
    }
    let element = last(&FORWARDED).unwrap_or_default();
    element.split(';').any(|pair| matches!(pair.trim(), "proto=https" | "proto=\"https\""))
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

    #[test]
    fn without_the_other_field_forwarded_says_who_the_client_is() {
        let found = |values: &[&str]| {
            let values: Vec<_> = values.iter().map(|value| ("forwarded", *value)).collect();
            client_address(&trusted(), "10.0.0.1".parse().ok(), &fields(&values)).unwrap().to_string()
        };
        for (values, expected) in [
            (&["for=198.51.100.7"][..], "198.51.100.7"),
            (&["proto=http; For=\"198.51.100.7:4711\" ;by=10.0.0.1"], "198.51.100.7"),
            (&["for=\"[2001:db9::7]:4711\""], "2001:db9::7"),
            (&["for=6.6.6.6, for=198.51.100.7;host=\"a\", for=10.0.0.2"], "198.51.100.7"),
            (&["for=6.6.6.6", "for=198.51.100.7", "for=10.0.0.2"], "198.51.100.7"),
            (&["for=198.51.100.7;host=\"a,for=6.6.6.6;b\""], "198.51.100.7"),
            (&["for=198.51.100.7;host=\"a\\\",for=6.6.6.6;b\""], "198.51.100.7"),
            (&["for=\"a, for=198.51.100.7;host=\"h\""], "198.51.100.7"),
            (&["for=198.51.100.7, for=unknown, for=10.0.0.2"], "10.0.0.2"),
            (&["for=198.51.100.7, for=_hidden"], "10.0.0.1"),
            (&["for=198.51.100.7, proto=https"], "10.0.0.1"),
            (&[""], "10.0.0.1"),
            (&[], "10.0.0.1"),
        ] {
            assert_eq!(found(values), expected, "{values:?}");
        }
        let both = fields(&[("forwarded", "for=6.6.6.6"), ("x-forwarded-for", "198.51.100.7")]);
        let client = client_address(&trusted(), "10.0.0.1".parse().ok(), &both);
        assert_eq!(client, "198.51.100.7".parse().ok());
    }

    proptest! {
        #[test]
        fn nothing_before_a_proxys_own_element_counts(value in "[ -~\t]{0,60}") {
            let forwarded = format!("{value}, for=198.51.100.7;host=\"a\"");
            let client = client_address(&trusted(), "10.0.0.1".parse().ok(), &fields(&[("forwarded", &forwarded)]));
            prop_assert_eq!(client, "198.51.100.7".parse().ok());
        }

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
