//! How urls map between the gateway and an upstream: the only place that knows it, for items and single requests alike.
//!
//! In: a path or url of one side. Out: the same of the other side. Either a prefix is replaced by another one
//! (`strip_prefix`, `add_prefix`, the base path of the targets), or a pattern by another one (`rewrite.path`). What is below the
//! prefix or the pattern stays, in its spelling. What the service has elsewhere has no url at the gateway, and stays as it is.

use std::borrow::Cow;

use super::authority::{AbsoluteUrl, split_authority};
use super::canonical::{CanonicalPath, decoded_to_compare};
use super::pattern::{Covers, PathPattern, Segment};

/// The mapping of one route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping(Way);

/// In the order of how much it costs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Way {
    /// Nothing changes.
    #[default]
    Same,
    /// A prefix is replaced. Neither has a slash at its end.
    Prefix { gateways: Box<str>, upstreams: Box<str> },
    /// A pattern is replaced.
    Pattern(Box<Patterns>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Patterns {
    gateways: PathPattern,
    upstreams: PathPattern,
}

impl Mapping {
    /// A mapping that takes `strip_prefix` off outgoing paths.
    #[must_use]
    pub fn stripping(strip_prefix: &CanonicalPath) -> Self {
        Self::of_prefixes(strip_prefix.as_str(), "")
    }

    /// A mapping that replaces a prefix of outgoing paths by another one.
    #[must_use]
    pub fn of_prefixes(gateways: &str, upstreams: &str) -> Self {
        let prefix = |text: &str| Box::<str>::from(text.trim_end_matches('/'));
        let (gateways, upstreams) = (prefix(gateways), prefix(upstreams));
        if gateways.is_empty() && upstreams.is_empty() {
            return Self::default();
        }
        Self(Way::Prefix { gateways, upstreams })
    }

    /// A mapping that replaces a pattern of outgoing paths by another one.
    #[must_use]
    pub fn of_patterns(gateways: PathPattern, upstreams: PathPattern) -> Self {
        Self(Way::Pattern(Box::new(Patterns { gateways, upstreams })))
    }

    /// The same for an upstream that has everything below this path, which has no slash at its end.
    #[must_use]
    pub fn below(self, base: &str) -> Self {
        match self.0 {
            Way::Same => Self::of_prefixes("", base),
            Way::Prefix { gateways, upstreams } => {
                Self::of_prefixes(&gateways, &format!("{base}{upstreams}"))
            }
            Way::Pattern(patterns) => {
                let Patterns { gateways, upstreams } = *patterns;
                Self::of_patterns(gateways, upstreams.below(base))
            }
        }
    }

    /// Whether paths change at all.
    #[must_use]
    pub const fn is_identity(&self) -> bool {
        matches!(self.0, Way::Same)
    }

    /// The prefix that stands before the service's own paths: what links that the service makes have to begin with.
    #[must_use]
    pub fn stripped_prefix(&self) -> Option<&str> {
        match &self.0 {
            Way::Prefix { gateways, .. } => Some(&**gateways).filter(|prefix| !prefix.is_empty()),
            Way::Same | Way::Pattern(_) => None,
        }
    }

    /// Maps a path of the gateway to the upstream's.
    #[must_use]
    pub fn to_upstream<'path>(&self, path: &'path str) -> Cow<'path, str> {
        let mapped = match &self.0 {
            Way::Same => None,
            Way::Prefix { gateways, upstreams } => {
                below_prefix(path, gateways).map(|rest| joined(upstreams, rest))
            }
            Way::Pattern(patterns) => {
                patterns.gateways.captured(path).map(|found| patterns.upstreams.filled(&found).into())
            }
        };
        mapped.unwrap_or(path.into())
    }

    /// Maps a path of the upstream to the gateway's, with whatever follows it. `None`: the gateway has no such path.
    #[must_use]
    pub fn to_gateway(&self, url: &str) -> Option<String> {
        let (path, more) = url.split_at(url.find(['?', '#']).unwrap_or(url.len()));
        let mapped = match &self.0 {
            Way::Same => path.to_owned(),
            // The root of the service, named without a path.
            Way::Prefix { gateways, upstreams } if path.is_empty() => {
                upstreams.is_empty().then(|| gateways.to_string())?
            }
            Way::Prefix { gateways, upstreams } => {
                joined(gateways, below_prefix(path, upstreams)?).into_owned()
            }
            Way::Pattern(patterns) => {
                let Patterns { gateways, upstreams } = &**patterns;
                let is_known = |name: &str| upstreams.variables().any(|other| other == name);
                if !gateways.variables().all(is_known) {
                    return None;
                }
                gateways.filled(&upstreams.captured(path)?)
            }
        };
        Some(format!("{mapped}{more}"))
    }

    /// Maps the Path of a cookie: where the gateway has what the service has there. A path above all that the service has
    /// here becomes the one above all that clients reach it by, so that no other service gets the cookie.
    #[must_use]
    pub fn cookie_path_to_gateway(&self, path: &str) -> Option<String> {
        if !path.starts_with('/') || self.is_identity() {
            return None;
        }
        let (above, gateways) = match &self.0 {
            Way::Same => return None,
            Way::Prefix { gateways, upstreams } => (upstreams.to_string(), gateways.to_string()),
            Way::Pattern(patterns) => (patterns.upstreams.literal_head(), patterns.gateways.literal_head()),
        };
        let is_above = below_prefix(&above, path.trim_end_matches('/')).is_some();
        if !is_above {
            return self.to_gateway(path);
        }
        Some(if gateways.is_empty() { "/".to_owned() } else { gateways })
    }

    /// Maps an upstream's url (in Location, Content-Location, Link or a DAV href) to the gateway's. An absolute url whose
    /// authority is one of the `upstream` gets the gateway's `origin` (`scheme://authority`), and its path is mapped; so is a path
    /// alone. Everything else stays.
    #[must_use]
    pub fn reference_to_gateway<'url>(
        &self,
        url: &'url str,
        upstream: impl Fn(&str) -> bool,
        origin: &str,
    ) -> Cow<'url, str> {
        let mapped = if let Some(rest) = url.strip_prefix("//") {
            let (authority, path) = split_authority(rest);
            if upstream(authority) {
                self.to_gateway(path).map(|path| format!("{origin}{path}"))
            } else {
                None
            }
        } else if let Some(absolute) = AbsoluteUrl::parse(url) {
            let is_upstreams = absolute.is_http() && upstream(absolute.authority);
            if is_upstreams {
                self.to_gateway(absolute.rest).map(|path| format!("{origin}{path}"))
            } else {
                None
            }
        } else if url.starts_with('/') && !self.is_identity() {
            self.to_gateway(url)
        } else {
            None
        };
        mapped.map_or(url.into(), Cow::from)
    }
}

/// A prefix without a slash at its end, and what is below it. Together they are at least a slash.
fn joined<'path>(prefix: &str, rest: &'path str) -> Cow<'path, str> {
    match (prefix, rest) {
        ("", "") => "/".into(),
        ("", rest) => rest.into(),
        (prefix, rest) => format!("{prefix}{rest}").into(),
    }
}

/// What follows a prefix that ends with a segment: nothing, or what begins with a slash.
fn below_prefix<'path>(path: &'path str, prefix: &str) -> Option<&'path str> {
    behind_prefix(path, prefix).filter(|rest| rest.is_empty() || rest.starts_with('/'))
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

/// The texts that a path has in place of the variables of a pattern that covers it, and what is below the pattern.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Captured<'text> {
    values: Vec<Value<'text>>,
    /// Nothing, or what begins with a slash.
    rest: &'text str,
}

#[derive(Debug, PartialEq, Eq)]
struct Value<'text> {
    name: &'text str,
    text: &'text str,
}

impl PathPattern {
    /// What a path, however it is encoded, has in place of the variables; `None` if the pattern's segments are not those of the
    /// path, or an exact pattern has another path.
    pub(super) fn captured<'text>(&'text self, path: &'text str) -> Option<Captured<'text>> {
        let mut rest = path;
        let mut values = Vec::new();
        for segment in self.segments() {
            let behind = rest.strip_prefix('/')?;
            let (text, below) = behind.split_at(behind.find('/').unwrap_or(behind.len()));
            match segment {
                Segment::Literal(literal) if **literal == *text || **literal == comparable(text) => {}
                Segment::Variable(name) if !text.is_empty() => values.push(Value { name, text }),
                Segment::Literal(_) | Segment::Variable(_) => return None,
            }
            rest = below;
        }
        match (self.is_exact(), self.covers(), rest) {
            (false, _, _) => Some(Captured { values, rest }),
            (true, Covers::Itself, "") | (true, Covers::Below, "/") => Some(Captured { values, rest: "" }),
            (true, Covers::Itself | Covers::Below, _) => None,
        }
    }

    /// The path with these texts in place of the variables, and what is below.
    pub(super) fn filled(&self, found: &Captured<'_>) -> String {
        let value = |name: &str| found.values.iter().find(|value| value.name == name).map(|value| value.text);
        let mut path = String::with_capacity(self.as_str().len() + found.rest.len() + 16);
        for segment in self.as_str().split('/').skip(1) {
            let name = segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}'));
            path.extend(["/", name.and_then(value).unwrap_or(segment)]);
        }
        if !found.rest.is_empty() {
            path.truncate(path.trim_end_matches('/').len());
            path.push_str(found.rest);
        }
        path
    }

    /// The path before the first variable, without a slash at its end.
    fn literal_head(&self) -> String {
        let text = self.as_str();
        text.split("/{").next().unwrap_or(text).trim_end_matches('/').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::Strictness;

    fn path(text: &str) -> CanonicalPath {
        CanonicalPath::parse(text, Strictness::Item).unwrap()
    }

    /// A mapping that is written `/gateway/prefix -> /upstream/prefix`, or with patterns.
    fn mapping(text: &str) -> Mapping {
        let (gateways, upstreams) = text.split_once(" -> ").unwrap();
        if text.contains('{') {
            let pattern = |text| PathPattern::parse(text).unwrap();
            Mapping::of_patterns(pattern(gateways), pattern(upstreams))
        } else {
            Mapping::of_prefixes(gateways, upstreams)
        }
    }

    #[test]
    fn a_prefix_is_stripped_however_it_is_encoded() {
        let mapping = Mapping::stripping(&path("/od/$x"));
        for (path, expected) in [
            ("/od/$x/a", "/a"),
            ("/od/%24x/a%24", "/a%24"),
            ("/od/%24x", "/"),
            ("/od/%24xy/a", "/od/%24xy/a"),
            ("/od/%24", "/od/%24"),
        ] {
            assert_eq!(mapping.to_upstream(path), expected);
        }
        let mapping = Mapping::stripping(&path("/k%C3%B6ln"));
        assert_eq!(mapping.to_upstream("/%6b%c3%b6ln/a%c3%a4"), "/a%c3%a4");
        assert_eq!(mapping.to_upstream("/K%c3%b6ln/a"), "/K%c3%b6ln/a");
    }

    #[test]
    fn paths_map_to_the_upstream_and_back() {
        for (text, gateways, upstreams) in [
            (" -> ", "/a", "/a"),
            ("/old -> ", "/old/a", "/a"),
            ("/old/ -> /v1/", "/old/a/", "/v1/a/"),
            (" -> /app/rest", "/orders/7", "/app/rest/orders/7"),
            (" -> /app/rest", "/", "/app/rest/"),
            ("/old -> /v1", "/old", "/v1"),
            ("/orders/{id} -> /rest/{id}", "/orders/7", "/rest/7"),
            ("/orders/{id}/lines -> /rest/{id}", "/orders/7/lines/3", "/rest/7/3"),
            ("/orders/{id}/lines/ -> /{id}/l/", "/orders/7/lines/3", "/7/l/3"),
            ("/{a}/{b} -> /x/{b}/{a}", "/1/2/", "/x/2/1/"),
            ("/t/{a}/ -> /{a}", "/t/x%2Fy/%24", "/x%2Fy/%24"),
        ] {
            let mapping = mapping(text);
            assert_eq!(mapping.to_upstream(gateways), upstreams, "{text}");
            let more = format!("{upstreams}?x=/{{id}}#y");
            assert_eq!(mapping.to_gateway(&more), Some(format!("{gateways}?x=/{{id}}#y")), "{text}");
        }
    }

    #[test]
    fn what_the_gateway_has_no_path_for_does_not_map_back() {
        for (text, upstreams) in [
            (" -> /v1", "/login"),
            (" -> /v1", "/v1x/7"),
            ("/old -> /v1", "/v2/a"),
            ("/old -> /v1", "/v1x"),
            ("/old -> /v1", "/"),
            ("/old -> /v1", ""),
            ("/orders/{id} -> /rest/{id}", "/rest"),
            ("/orders/{id} -> /rest/{id}", "/rest//x"),
            ("/orders/{id} -> /other/{id}", "/rest/7"),
            ("/orders/{id} -> /all", "/all/7"),
        ] {
            assert_eq!(mapping(text).to_gateway(upstreams), None, "{text} {upstreams}");
        }
    }

    #[test]
    fn a_base_path_is_before_everything() {
        for (text, gateways, upstreams) in [
            (" -> ", "/a", "/app/a"),
            ("/old -> ", "/old/a", "/app/a"),
            ("/old -> /v1", "/old", "/app/v1"),
            ("/orders/{id} -> /rest/{id}", "/orders/7/x", "/app/rest/7/x"),
        ] {
            let based = mapping(text).below("/app");
            assert_eq!(based.to_upstream(gateways), upstreams, "{text}");
            assert_eq!(based.to_gateway(upstreams).as_deref(), Some(gateways), "{text}");
            assert_eq!(mapping(text).below(""), mapping(text));
        }
    }

    #[test]
    fn a_cookie_is_for_the_same_resources() {
        for (text, upstreams, gateways) in [
            (" -> ", "/a", None),
            ("/old -> ", "/", Some("/old")),
            ("/old -> ", "/a/", Some("/old/a/")),
            ("/old -> /app/rest", "/app/rest", Some("/old")),
            ("/old -> /app/rest", "/app", Some("/old")),
            ("/old -> /app/rest", "/", Some("/old")),
            ("/old -> /app/rest", "/app/rest/x", Some("/old/x")),
            ("/old -> /app/rest", "/apple", None),
            (" -> /app/rest", "/app/rest", Some("/")),
            (" -> /app/rest", "/app/rest/x", Some("/x")),
            ("/orders/{id} -> /rest/{id}", "/rest/7", Some("/orders/7")),
            ("/orders/{id} -> /rest/{id}", "/rest", Some("/orders")),
            ("/old -> /app", "relative", None),
        ] {
            assert_eq!(
                mapping(text).cookie_path_to_gateway(upstreams).as_deref(),
                gateways,
                "{text} {upstreams}"
            );
        }
    }

    #[test]
    fn replies_map_back() {
        let mapping = Mapping::stripping(&path("/dav"));
        let back =
            |url| mapping.reference_to_gateway(url, |a| a == "up:81", "https://gw.example").into_owned();
        assert_eq!(back("http://up:81/x?y"), "https://gw.example/dav/x?y");
        assert_eq!(back("http://up:81"), "https://gw.example/dav");
        assert_eq!(back("//up:81/x?y"), "https://gw.example/dav/x?y");
        assert_eq!(back("//elsewhere/x"), "//elsewhere/x");
        assert_eq!(back("/x"), "/dav/x");
        assert_eq!(back("/login?next=https://elsewhere/"), "/dav/login?next=https://elsewhere/");
        assert_eq!(back("http://up:81/a?next=http://up:81/"), "https://gw.example/dav/a?next=http://up:81/");
        assert_eq!(back("http://elsewhere/x"), "http://elsewhere/x");
        assert_eq!(back("relative"), "relative");
    }
}
