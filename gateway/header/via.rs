//! The gateway's own name, and Via (RFC 9110 §7.6.3): each gateway that forwards a request adds one entry, so a request
//! that goes round in a circle can be recognised.

use http::Version;
use http::header::{self, HeaderMap};

/// The name of this gateway in Via and Proxy-Status (RFC 9209 §2).
pub const GATEWAY_NAME: &str = "batchgate";

/// The entry for a request that came over this version of HTTP.
#[must_use]
pub const fn via_entry(received: Version) -> &'static str {
    match received {
        Version::HTTP_2 => "2 batchgate",
        Version::HTTP_10 => "1.0 batchgate",
        _ => "1.1 batchgate",
    }
}

/// Counts the gateways of this kind that a request with these fields has passed.
#[must_use]
pub fn hops(fields: &HeaderMap) -> usize {
    let entries =
        fields.get_all(header::VIA).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let names_us = |entry: &&[u8]| {
        let mut words = entry.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        words.nth(1).is_some_and(|name| name.eq_ignore_ascii_case(GATEWAY_NAME.as_bytes()))
    };
    entries.filter(names_us).count()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn gateways_of_this_kind_are_counted_in_via() {
        for (fields, expected) in [
            (&[][..], 0),
            (&["1.1 batchgate"], 1),
            (&["1.1 batchgate, 2 other,HTTP/1.0  Batchgate (a, comment)"], 2),
            (&["1.1 batchgate", "1.0 x, 2 batchgate"], 2),
            (&["1.1 batchgate.example, 1.1 x (batchgate), batchgate, 1.1 my-batchgate, ,"], 0),
        ] {
            let value = |text: &&str| (header::VIA, HeaderValue::from_str(text).unwrap());
            assert_eq!(hops(&fields.iter().map(value).collect()), expected, "{fields:?}");
        }
    }

    #[test]
    fn an_entry_names_the_version_and_the_gateway() {
        for (version, entry) in [
            (Version::HTTP_10, "1.0 batchgate"),
            (Version::HTTP_11, "1.1 batchgate"),
            (Version::HTTP_2, "2 batchgate"),
        ] {
            assert_eq!(via_entry(version), entry);
        }
    }
}
