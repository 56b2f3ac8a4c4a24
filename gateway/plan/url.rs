//! An item's url: origin-form, or absolute with the gateway's own authority (protocol §1). It can't name another host,
//! and its path passes the canonicaliser.
//!
//! Clients write urls as people read them: `?$filter=city eq 'Köln'`. A character that has only one meaning in a url is
//! percent-encoded, the same in every format. `#` and, in a path, a `%` that begins no encoding could mean two
//! things, so they refuse the url.
//!
//! A backslash is encoded like the others, and some servers take `%5C` for a slash. So do routes: a path has to lead to the
//! same route read either way (`PlanContext::find_route`).

use std::borrow::Cow;

use crate::batch::ItemRejection;
use crate::route::{
    AbsoluteUrl, CanonicalPath, Mapping, PathError, Strictness, UrlCharacter, check_characters, encoded_path,
    encoded_query, is_query_byte, same_authority, separator,
};

/// A url that stays at the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemUrl<'url> {
    /// Its path.
    pub path: CanonicalPath,
    /// Its query with the leading `?`, or nothing.
    pub query: Cow<'url, str>,
    /// The first slash or backslash of the path that the client encoded. Only some routes take one.
    pub separator: Option<UrlCharacter>,
}

impl ItemUrl<'_> {
    /// The path and query as the upstream sees them.
    pub(super) fn to_upstream(&self, mapping: &Mapping) -> Box<str> {
        format!("{}{}", mapping.to_upstream(self.path.as_written()), self.query).into_boxed_str()
    }
}

/// Parses an item's url. `own_authority` is the authority that the client used to reach the gateway.
///
/// # Errors
/// Says why the url is refused.
pub fn parse_item_url<'url>(url: &'url str, own_authority: &str) -> Result<ItemUrl<'url>, ItemRejection> {
    let target = origin_form(url, own_authority)?;
    let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
    if path == "*" {
        return Err(refused("names the server (`*`); an item has to name a resource"));
    }
    check_characters(url, target)?;
    let separator = separator(url, target);
    let query = encoded_query(query);
    if !query.bytes().all(is_query_byte) {
        return Err(refused("has a query with a control character"));
    }
    let canonical = CanonicalPath::parse(&encoded_path(path), Strictness::ItemWithSlashes);
    Ok(ItemUrl { path: canonical.map_err(|error| refused(words(error, path)))?, query, separator })
}

/// The url without the gateway's own authority.
fn origin_form<'url>(url: &'url str, own_authority: &str) -> Result<&'url str, ItemRejection> {
    match AbsoluteUrl::parse(url).filter(AbsoluteUrl::is_http) {
        Some(absolute) if same_authority(absolute.authority, own_authority) => Ok(absolute.target()),
        Some(_) => Err(refused("names a host other than this gateway")),
        None => Ok(url),
    }
}

const fn refused(problem: &'static str) -> ItemRejection {
    ItemRejection::ForbiddenUrl { problem }
}

fn words(error: PathError, path: &str) -> &'static str {
    match error {
        PathError::NotAbsolute => not_absolute(path),
        PathError::EmptySegment => "has an empty path segment (`//`)",
        PathError::DotSegment => "has a dot segment (`.` or `..`, plain or percent-encoded)",
        PathError::BrokenEncoding => "has a broken percent-encoding",
        PathError::EncodedSeparator => "has an encoded control character or a doubly encoded character",
        PathError::Character => "has a character that must be percent-encoded",
    }
}

/// What is wrong with a path that does not begin with a single slash. Where the endpoint's dialect has relative urls, a plain
/// relative path was resolved before, and is not among these.
fn not_absolute(path: &str) -> &'static str {
    let first = path.split('/').next().unwrap_or_default();
    if path.starts_with("//") {
        "begins with `//`, which names another host; begin it with a single `/`"
    } else if first.contains(['\\', '@']) {
        "has `\\` or `@` in its first segment, which some servers read as another host; begin it with `/`"
    } else if first.contains(':') {
        "has a colon in its first segment, so that it reads like another scheme than http; begin it with `/`"
    } else if first.is_empty() {
        "has no path; begin it with `/`"
    } else {
        "is a relative path, which this endpoint has no base for; begin it with `/`"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<(String, String), ItemRejection> {
        parse_item_url(url, "gw.example:8080")
            .map(|url| (url.path.as_str().to_owned(), url.query.into_owned()))
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
    fn characters_with_one_meaning_are_encoded() {
        for (url, path, query) in [
            ("/a b/\"<>^`{|}[]é", "/a%20b/%22%3C%3E%5E%60%7B%7C%7D%5B%5D%C3%A9", ""),
            ("/a?b=c d&\"<>\\^`{|}é€", "/a", "?b=c%20d&%22%3C%3E%5C%5E%60%7B%7C%7D%C3%A9%E2%82%AC"),
            ("/a\\b", "/a%5Cb", ""),
            ("/Orders('x y')?$filter=(P  eq 'x')", "/Orders('x%20y')", "?$filter=(P%20%20eq%20'x')"),
            // What is encoded already, and what needs no encoding, stays.
            ("/a%20b?c=%20+[]'()*!$&,;:@/?~", "/a%20b", "?c=%20+[]'()*!$&,;:@/?~"),
            ("/a?b=100%&c=%zz", "/a", "?b=100%&c=%zz"),
            ("http://gw.example:8080/a b", "/a%20b", ""),
        ] {
            assert_eq!(parse(url), Ok((path.to_owned(), query.to_owned())), "{url}");
        }
    }

    #[test]
    fn a_character_with_two_meanings_is_named_with_its_place() {
        for (url, text, position) in [
            ("/a#b", "#", 3),
            ("/é?b=#c", "#", 6),
            ("http://gw.example:8080/a#b", "#", 25),
            ("/a%", "%", 3),
            ("/é/%zz?%zz", "%", 4),
            ("/a%2é", "%", 3),
            ("/é%00", "%00", 3),
            ("/a%2525", "%2525", 3),
            ("/ab%25%32e", "%25%32e", 4),
        ] {
            let rejected = parse(url);
            let Err(ItemRejection::UrlCharacter { text: found, position: at, .. }) = rejected else {
                panic!("{url}: {rejected:?}");
            };
            assert_eq!((found.as_str(), at), (text, position), "{url}");
        }
    }

    #[test]
    fn encoded_slashes_are_found_with_their_place() {
        for (url, found) in
            [("/é/a%2fb%5c", Some(("%2f", 5))), ("/a%5Cb", Some(("%5C", 3))), ("/a\\b?c=%2f", None)]
        {
            let separator = parse_item_url(url, "gw").unwrap().separator;
            let separator = separator.as_ref();
            assert_eq!(separator.map(|found| (found.text.as_str(), found.position)), found, "{url}");
        }
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
    fn a_url_that_is_not_a_path_learns_why() {
        for (url, part) in [
            ("//evil.example/", "`//`"),
            ("\\\\evil", "another host"),
            ("@evil/x", "another host"),
            ("a:b/c", "colon"),
            ("ftp://gw/x", "colon"),
            ("?x=1", "no path"),
            ("", "no path"),
            ("orders/7", "relative"),
        ] {
            let said = parse(url).unwrap_err().to_string();
            assert!(said.contains(part) && said.contains("begin it with"), "{url}: {said}");
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
            "*",
            "*?x",
            "",
            "/a?b\nc",
            "/a#b",
            "/a?b#c",
            "/a/../b",
            "/a\\..\\b",
            "/a/.. /../b",
            "/a\u{7f}b",
        ] {
            let rejected = parse(url);
            let is_refused = matches!(
                rejected,
                Err(ItemRejection::ForbiddenUrl { .. } | ItemRejection::UrlCharacter { .. })
            );
            assert!(is_refused, "{url}: {rejected:?}");
        }
    }
}
