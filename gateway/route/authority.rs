//! Absolute urls, and whether two authorities are the same (RFC 9110 §4.2.3): case does not matter, nor does a default
//! port.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use http::header;
use http::request::Parts;

/// An absolute url with an authority, in its parts (RFC 3986 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbsoluteUrl<'url> {
    /// As it was written, in any case.
    scheme: &'url str,
    /// Between `://` and the path.
    pub authority: &'url str,
    /// Path, query and fragment; may be empty.
    pub rest: &'url str,
}

impl<'url> AbsoluteUrl<'url> {
    /// The parts of a url. `None` for a relative one: the `://` in `/login?next=https://host/` is a part of its query.
    #[must_use]
    pub fn parse(url: &'url str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        if scheme.contains(['/', '?', '#']) {
            return None;
        }
        let (authority, rest) = split_authority(rest);
        Some(Self { scheme, authority, rest })
    }

    /// Whether its scheme is `http` or `https`.
    #[must_use]
    pub fn is_http(&self) -> bool {
        ["http", "https"].iter().any(|http| self.scheme.eq_ignore_ascii_case(http))
    }

    /// Path, query and fragment; `/` if there is no path (RFC 9110 §4.2.3).
    #[must_use]
    pub fn target(&self) -> &'url str {
        if self.rest.is_empty() { "/" } else { self.rest }
    }
}

/// A url as others than its client may see it: without the user and password before the `@` of an authority. Whatever might be
/// read as an authority counts as one, because a url that is refused is shown, too.
#[must_use]
pub fn without_user(url: &str) -> Cow<'_, str> {
    let Some(last_at) = url.rfind('@') else { return url.into() };
    let start = authority_start(url);
    let behind = url.get(start..).unwrap_or_default();
    if start == 1 && url.starts_with('/') {
        return url.into();
    }
    let authority = behind.split(['/', '\\', '?', '#']).next().unwrap_or_default();
    let end = match authority.rfind('@') {
        Some(at) => start + at + 1,
        // A password may have a slash that was not encoded. A port has none.
        None if has_port_of_digits(authority) => return url.into(),
        None => last_at + 1,
    };
    [url.get(..start), url.get(end..)].into_iter().flatten().collect::<String>().into()
}

/// The host and port of an authority, without a user.
#[must_use]
pub fn without_user_of(authority: &str) -> &str {
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

/// The path of a url as others than its client may see it: without its user, query and fragment.
#[must_use]
pub fn shown_path(url: &str) -> Cow<'_, str> {
    let without_rest = |url: &str| url.find(['?', '#']).unwrap_or(url.len());
    match without_user(url) {
        Cow::Borrowed(url) => url.get(..without_rest(url)).unwrap_or_default().into(),
        Cow::Owned(mut url) => {
            url.truncate(without_rest(&url));
            url.into()
        }
    }
}

/// Where the authority of a url would begin: behind its scheme and its slashes, which some servers read from backslashes.
fn authority_start(url: &str) -> usize {
    let is_of_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let scheme = url.bytes().take_while(|byte| is_of_scheme(*byte)).count();
    let rest = url.get(scheme..).unwrap_or_default();
    let start = if rest.starts_with(":/") || rest.starts_with(":\\") { scheme + 1 } else { 0 };
    start + url.bytes().skip(start).take_while(|byte| b"/\\".contains(byte)).count()
}

fn has_port_of_digits(authority: &str) -> bool {
    let port = authority.rsplit_once(':').filter(|_| !authority.ends_with(']')).map(|(_, port)| port);
    port.is_none_or(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The authority, and what follows it.
pub(super) fn split_authority(rest: &str) -> (&str, &str) {
    rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()))
}

/// What a request calls the gateway: the authority of its url, or Host.
#[must_use]
pub fn authority_of(head: &Parts) -> &str {
    let host = head.headers.get(header::HOST).and_then(|value| value.to_str().ok());
    head.uri.authority().map(http::uri::Authority::as_str).or(host).unwrap_or_default()
}

/// Splits `host[:port]`: the host as it is written, with the brackets of an IPv6 address, and the text of the port. An IPv6
/// address without brackets has no port.
#[must_use]
pub fn split_port(authority: &str) -> (&str, Option<&str>) {
    let behind_brackets = authority.rfind(']').map_or(0, |end| end + 1);
    let (address, rest) = authority.split_at(behind_brackets);
    let is_host =
        |before: &str| address.is_empty() && authority.parse::<Ipv6Addr>().is_err() || before.is_empty();
    let port = rest.rsplit_once(':').filter(|(before, _)| is_host(before)).map(|(_, port)| port);
    let host = port.and_then(|port| authority.get(..authority.len() - port.len() - 1));
    (host.unwrap_or(authority), port)
}

/// Compares `host[:port]` with `host[:port]`.
#[must_use]
pub fn same_authority(one: &str, other: &str) -> bool {
    without_default_port(one).eq_ignore_ascii_case(without_default_port(other))
}

fn without_default_port(authority: &str) -> &str {
    let stripped = authority.strip_suffix(":80").or_else(|| authority.strip_suffix(":443"));
    // `[::80` without its bracket would be half an address.
    stripped.filter(|host| !host.starts_with('[') || host.ends_with(']')).unwrap_or(authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_absolute_urls_have_a_scheme() {
        for (url, scheme, authority, rest) in [
            ("http://a/b?c", "http", "a", "/b?c"),
            ("HTTPS://a:1", "HTTPS", "a:1", ""),
            ("http://a?x=http://b/", "http", "a", "?x=http://b/"),
            ("http://a#b", "http", "a", "#b"),
            ("ftp://a/", "ftp", "a", "/"),
        ] {
            assert_eq!(AbsoluteUrl::parse(url), Some(AbsoluteUrl { scheme, authority, rest }), "{url}");
        }
        for url in
            ["/a?next=https://b/", "a?next=https://b/", "?http://b/", "#http://b", "//a/b", "/a", "a:b", ""]
        {
            assert_eq!(AbsoluteUrl::parse(url), None, "{url}");
        }
    }

    #[test]
    fn a_url_is_shown_without_its_user() {
        for (url, shown) in [
            ("http://user:PW@host/x", "http://host/x"),
            ("HTTPS://PW@host", "HTTPS://host"),
            ("//u:PW@h/x?q=PW", "//h/x"),
            ("ftp://u:PW@h/#PW", "ftp://h/"),
            ("http:/u:PW@h/x", "http:/h/x"),
            ("http:u:PW@h/x", "h/x"),
            ("\\\\u:PW@h/x", "\\\\h/x"),
            ("/\\u:PW@h/x", "/\\h/x"),
            ("///u:PW@h/x", "///h/x"),
            ("u:PW@h/x", "h/x"),
            ("PW@h", "h"),
            ("http://u:P@PW@h/x", "http://h/x"),
            ("http://u:P/PW@h/x", "http://h/x"),
            ("http://u:P?PW@h/x", "http://h/x"),
            ("//u:P#PW@h/x", "//h/x"),
            // These have no user.
            ("/users/@me?q=PW", "/users/@me"),
            ("/u:p@h/x", "/u:p@h/x"),
            ("http://h:80/users/@me", "http://h:80/users/@me"),
            ("http://[::1]/users/@me", "http://[::1]/users/@me"),
            ("orders/@me", "orders/@me"),
            ("/a?x=http://u:PW@h/", "/a"),
            ("/a#PW", "/a"),
            ("*", "*"),
            ("", ""),
        ] {
            assert_eq!(shown_path(url), shown, "{url}");
        }
        assert_eq!(without_user("http://u:PW@h/x?y=1"), "http://h/x?y=1", "the query stays");
        assert_eq!((without_user_of("u:PW@h:80"), without_user_of("[::1]:80")), ("h:80", "[::1]:80"));
    }

    #[test]
    fn a_port_is_behind_the_last_colon_that_no_address_has() {
        for (authority, host, port) in [
            ("shop.test", "shop.test", None),
            ("shop.test:8080", "shop.test", Some("8080")),
            ("shop.test:", "shop.test", Some("")),
            ("10.0.0.1:80", "10.0.0.1", Some("80")),
            ("[::1]:81", "[::1]", Some("81")),
            ("[::1]", "[::1]", None),
            ("::1", "::1", None),
            ("::1:80", "::1:80", None),
            ("fe80::1", "fe80::1", None),
            ("[::1]x", "[::1]x", None),
            ("[::1]x:80", "[::1]x:80", None),
            ("[::1", "[:", Some("1")),
            (":80", "", Some("80")),
            ("a:b:80", "a:b", Some("80")),
            ("", "", None),
        ] {
            assert_eq!(split_port(authority), (host, port), "{authority}");
        }
    }

    #[test]
    fn default_ports_and_case_do_not_matter() {
        for (one, other) in [("a:80", "A"), ("a:443", "a"), ("[::1]:80", "[::1]"), ("a:81", "a:81")] {
            assert!(same_authority(one, other), "{one} {other}");
        }
        for (one, other) in [("a:81", "a"), ("a", "b"), ("a.", "a"), ("", "a")] {
            assert!(!same_authority(one, other), "{one} {other}");
        }
    }
}
