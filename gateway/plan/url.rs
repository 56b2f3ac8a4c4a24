//! An item's url: origin-form, or absolute with the gateway's own authority (protocol §1). It can't name another host,
//! and its path passes the canonicaliser.

use crate::batch::ItemRejection;
use crate::route::{CanonicalPath, Mapping, PathError, Strictness, is_query_byte, same_authority};

/// A url that stays at the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemUrl<'url> {
    /// Its path.
    pub path: CanonicalPath,
    /// Its query with the leading `?`, or nothing.
    pub query: &'url str,
}

impl ItemUrl<'_> {
    /// The path and query as the upstream sees them.
    pub(super) fn to_upstream(&self, mapping: &Mapping) -> Box<str> {
        format!("{}{}", mapping.to_upstream(self.path.as_str()), self.query).into_boxed_str()
    }
}

/// Parses an item's url. `own_authority` is the authority that the client used to reach the gateway.
///
/// # Errors
/// Says why the url is refused.
pub fn parse_item_url<'url>(url: &'url str, own_authority: &str) -> Result<ItemUrl<'url>, ItemRejection> {
    let refuse = |problem| ItemRejection::ForbiddenUrl { problem };
    let origin_form = match url.split_once("://") {
        Some((scheme, rest))
            if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") =>
        {
            let (authority, target) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
            if !same_authority(authority, own_authority) {
                return Err(refuse("names a host other than this gateway"));
            }
            if target.is_empty() { "/" } else { target }
        }
        Some(_) | None => url,
    };
    let (path, query) = origin_form.split_at(origin_form.find('?').unwrap_or(origin_form.len()));
    if query.contains('#') || path.contains('#') {
        return Err(refuse("has a fragment"));
    }
    if !query.bytes().all(is_query_byte) {
        return Err(refuse("has a query with a character that must be percent-encoded"));
    }
    let path = CanonicalPath::parse(path, Strictness::Item).map_err(|error| refuse(words(error)))?;
    Ok(ItemUrl { path, query })
}

const fn words(error: PathError) -> &'static str {
    match error {
        PathError::NotAbsolute => "must start with a single `/`",
        PathError::EmptySegment => "has an empty path segment (`//`)",
        PathError::DotSegment => "has a dot segment (`.` or `..`, plain or percent-encoded)",
        PathError::BrokenEncoding => "has a broken percent-encoding",
        PathError::EncodedSeparator => {
            "has an encoded slash, backslash, control character or doubly encoded character"
        }
        PathError::Character => "has a character that must be percent-encoded",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<(String, String), ItemRejection> {
        parse_item_url(url, "gw.example:8080").map(|url| (url.path.as_str().to_owned(), url.query.to_owned()))
    }

    #[test]
    fn urls_of_the_gateway_are_accepted() {
        let expect = |url, path: &str, query: &str| {
            assert_eq!(parse(url), Ok((path.to_owned(), query.to_owned())), "{url}");
        };
        expect("/orders/7", "/orders/7", "");
        expect("/orders?a=1&b=//x/../%2f", "/orders", "?a=1&b=//x/../%2f");
        expect("http://gw.example:8080/orders", "/orders", "");
        expect("HTTPS://GW.example:8080", "/", "");
        expect("/login?back=http://other/", "/login", "?back=http://other/");
    }

    #[test]
    fn every_url_that_passes_can_be_sent() {
        for byte in 0..=u8::MAX {
            for url in [format!("/a{}", char::from(byte)), format!("/a?b={}", char::from(byte))] {
                if let Ok((path, query)) = parse(&url) {
                    assert!(format!("{path}{query}").parse::<http::Uri>().is_ok(), "{url}");
                }
            }
        }
    }

    #[test]
    fn no_url_leads_elsewhere() {
        for url in [
            "http://169.254.169.254/",
            "//evil.example/",
            "http://[::1]/",
            "\\\\evil.example",
            "@evil.example/",
            "http:evil.example",
            "http://gw.example:8080@evil.example/",
            "http://evil.example#http://gw.example:8080/",
            "ftp://gw.example:8080/x",
            "http:///orders",
            "http://gw.example:8080\\@evil/",
            "unix:/run/x.sock",
            "orders/7",
            "",
            "/a b",
            "/a?b c",
            "/a?b\nc",
            "/a?b=\"c\"",
            "/a?b=<c",
            "/a?b=c>",
            "/a?b\\c",
            "/a#b",
            "/a?b#c",
            "/a/../b",
        ] {
            assert!(matches!(parse(url), Err(ItemRejection::ForbiddenUrl { .. })), "{url}");
        }
    }
}
