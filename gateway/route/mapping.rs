//! How urls map between the gateway and an upstream: `strip_prefix` is taken off on the way out and put back on the
//! way in.

use std::borrow::Cow;

use super::authority::{AbsoluteUrl, split_authority};
use super::canonical::{CanonicalPath, decoded_to_compare};

/// The mapping of one route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    strip_prefix: Option<Box<str>>,
}

impl Mapping {
    /// A mapping that takes `strip_prefix` off outgoing paths.
    #[must_use]
    pub fn stripping(strip_prefix: &CanonicalPath) -> Self {
        let prefix = strip_prefix.as_str().trim_end_matches('/');
        Self { strip_prefix: (!prefix.is_empty()).then(|| prefix.into()) }
    }

    /// Whether paths change at all.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.strip_prefix.is_none()
    }

    /// Maps a path of the gateway to the upstream's. Its spelling stays.
    #[must_use]
    pub fn to_upstream<'path>(&self, path: &'path str) -> &'path str {
        match self.strip_prefix.as_deref().and_then(|prefix| behind_prefix(path, prefix)) {
            Some("") => "/",
            Some(rest) if rest.starts_with('/') => rest,
            Some(_) | None => path,
        }
    }

    /// Maps a path of the upstream to the gateway's.
    #[must_use]
    pub fn to_gateway(&self, path: &str) -> String {
        format!("{}{path}", self.strip_prefix.as_deref().unwrap_or_default())
    }

    /// Maps an upstream's url (in Location, Content-Location or a DAV href) to the gateway's. An absolute url whose
    /// authority is one of the `upstream` gets the gateway's `origin` (`scheme://authority`), a path gets the prefix
    /// back, and everything else stays.
    #[must_use]
    pub fn reference_to_gateway<'url>(
        &self,
        url: &'url str,
        upstream: impl Fn(&str) -> bool,
        origin: &str,
    ) -> Cow<'url, str> {
        if let Some(rest) = url.strip_prefix("//") {
            let (authority, path) = split_authority(rest);
            if upstream(authority) {
                return format!("{origin}{}", self.to_gateway(path)).into();
            }
        } else if let Some(absolute) = AbsoluteUrl::parse(url) {
            if absolute.is_http() && upstream(absolute.authority) {
                return format!("{origin}{}", self.to_gateway(absolute.rest)).into();
            }
        } else if url.starts_with('/') && !self.is_identity() {
            return self.to_gateway(url).into();
        }
        url.into()
    }
}

/// What follows a prefix, which may be encoded otherwise in the path. It may begin within a segment.
#[must_use]
pub fn behind_prefix<'path>(path: &'path str, prefix: &str) -> Option<&'path str> {
    if let Some(rest) = path.strip_prefix(prefix) {
        return Some(rest);
    }
    let end = path.match_indices('/').nth(prefix.matches('/').count()).map_or(path.len(), |(at, _)| at);
    let (first, rest) = path.split_at(end);
    (comparable(first) == comparable(prefix)).then_some(rest)
}

/// The text with needless encodings decoded. What stays encoded is `%2F` and the like, whose digits can have either case.
fn comparable(text: &str) -> String {
    let mut text = decoded_to_compare(text).unwrap_or_else(|| text.to_owned());
    let encoded: Vec<_> = text.match_indices('%').map(|(at, _)| at + 1..at + 3).collect();
    for digits in encoded {
        text.get_mut(digits).into_iter().for_each(str::make_ascii_uppercase);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::Strictness;

    #[test]
    fn a_prefix_is_stripped_however_it_is_encoded() {
        let mapping = Mapping::stripping(&CanonicalPath::parse("/od/$x", Strictness::Item).unwrap());
        for (path, expected) in [
            ("/od/$x/a", "/a"),
            ("/od/%24x/a%24", "/a%24"),
            ("/od/%24x", "/"),
            ("/od/%24xy/a", "/od/%24xy/a"),
            ("/od/%24", "/od/%24"),
        ] {
            assert_eq!(mapping.to_upstream(path), expected);
        }
        let mapping = Mapping::stripping(&CanonicalPath::parse("/k%C3%B6ln", Strictness::Item).unwrap());
        assert_eq!(mapping.to_upstream("/%6b%c3%b6ln/a%c3%a4"), "/a%c3%a4");
        assert_eq!(mapping.to_upstream("/K%c3%b6ln/a"), "/K%c3%b6ln/a");
    }

    #[test]
    fn replies_map_back() {
        let mapping = Mapping::stripping(&CanonicalPath::parse("/dav", Strictness::Item).unwrap());
        let back =
            |url| mapping.reference_to_gateway(url, |a| a == "up:81", "https://gw.example").into_owned();
        assert_eq!(back("http://up:81/x?y"), "https://gw.example/dav/x?y");
        assert_eq!(back("//up:81/x?y"), "https://gw.example/dav/x?y");
        assert_eq!(back("//elsewhere/x"), "//elsewhere/x");
        assert_eq!(back("/x"), "/dav/x");
        assert_eq!(back("/login?next=https://elsewhere/"), "/dav/login?next=https://elsewhere/");
        assert_eq!(back("http://up:81/a?next=http://up:81/"), "https://gw.example/dav/a?next=http://up:81/");
        assert_eq!(back("http://elsewhere/x"), "http://elsewhere/x");
        assert_eq!(back("relative"), "relative");
    }
}
