//! `Destination` and `If` (RFC 4918 §10.3, §10.4): their urls are mapped by the rules of item urls, and must stay at
//! the upstream of their request.

use http::header::{HeaderName, HeaderValue};
use http::uri::Authority;

use super::authority::{AbsoluteUrl, same_authority};
use super::canonical::{CanonicalPath, EncodedSlashes, Strictness};
use super::character::{UrlCharacter, check_characters, check_fragment, separator};
use super::encoding::{encoded_path, encoded_query};
use super::facts::RequestFacts;
use super::index::UpstreamIndex;
use super::query::is_query_byte;
use super::reading::Ambiguity;
use super::table::{RouteAction, RouteTable};

const DESTINATION: &str = "Destination";
const NO_UPSTREAM: ReferenceProblem = ReferenceProblem::Forbidden("leads to no upstream");
/// The fields that have such urls.
const FIELDS: [&str; 2] = [DESTINATION, "If"];

/// Text with gaps for the upstream's origin (`scheme://authority`), which is known only once a target is chosen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OriginText(Vec<String>);

impl OriginText {
    /// The text for a target.
    #[must_use]
    pub fn with_origin(&self, origin: &str) -> String {
        self.0.join(origin)
    }
}

/// The rules by which the urls in a request's own fields are mapped. They are the rules of the request's url.
#[derive(Clone, Copy)]
pub struct ReferenceRules<'request> {
    /// The routes.
    pub routes: &'request RouteTable,
    /// The request itself, whose fields these are.
    pub facts: RequestFacts<'request>,
    /// The upstream that the request itself goes to.
    pub upstream: UpstreamIndex,
    /// The strictness that applies to the request's own path. Of items: [`Strictness::ItemWithSlashes`], as the route
    /// that a url leads to has its say.
    pub strictness: Strictness,
}

/// A field whose url is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedReference {
    /// The field's name.
    pub field: &'static str,
    /// The problem with it.
    pub problem: ReferenceProblem,
}

/// Why the url in a field is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceProblem {
    /// It leads to another host, another upstream, or no route.
    #[error("{0}")]
    Forbidden(&'static str),
    /// It can't be read as a url.
    #[error("{0}")]
    Malformed(String),
}

impl From<UrlCharacter> for ReferenceProblem {
    fn from(character: UrlCharacter) -> Self {
        Self::Malformed(character.to_string())
    }
}

/// Whether a field has urls that are mapped by these rules.
#[must_use]
pub fn is_reference(name: &HeaderName) -> bool {
    field_of(name).is_some()
}

fn field_of(name: &HeaderName) -> Option<&'static str> {
    FIELDS.iter().find(|field| name.as_str().eq_ignore_ascii_case(field)).copied()
}

impl ReferenceRules<'_> {
    /// Maps the url of `Destination`, or the tagged urls of `If`. Returns `None` for all other fields.
    ///
    /// # Errors
    /// Says why the field is refused.
    #[must_use]
    pub fn map(
        &self,
        name: &HeaderName,
        value: &HeaderValue,
    ) -> Option<Result<OriginText, RefusedReference>> {
        let field = field_of(name)?;
        let mapped = self.text(value).and_then(|text| match field {
            DESTINATION => {
                let url = text.trim();
                Ok(OriginText(vec![String::new(), self.map_url(Tagged { field: text.trim_end(), url })?]))
            }
            _ => map_tagged(text, |url| self.map_url(url)),
        });
        Some(mapped.map_err(|problem| RefusedReference { field, problem }))
    }

    /// The values of an item's fields are UTF-8.
    fn text<'value>(&self, value: &'value HeaderValue) -> Result<&'value str, ReferenceProblem> {
        let text =
            if self.is_item() { std::str::from_utf8(value.as_bytes()).ok() } else { value.to_str().ok() };
        text.ok_or_else(|| malformed("has characters that are not allowed in a url"))
    }

    const fn is_item(&self) -> bool {
        match self.strictness {
            Strictness::Item | Strictness::ItemWithSlashes => true,
            Strictness::Proxied => false,
        }
    }

    fn map_url(&self, Tagged { field, url }: Tagged<'_>) -> Result<String, ReferenceProblem> {
        let target = match AbsoluteUrl::parse(url) {
            Some(absolute) => {
                let authority = absolute.authority;
                let valid = authority.parse::<Authority>().is_ok() && !authority.contains('@');
                if !(absolute.is_http() && valid && same_authority(authority, self.facts.authority)) {
                    return Err(ReferenceProblem::Forbidden("leads to another host"));
                }
                absolute.target()
            }
            None => url,
        };
        if self.is_item() { check_characters(field, target) } else { check_fragment(field, target) }?;
        let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
        let query = if self.is_item() { encoded_query(query) } else { query.into() };
        if self.is_item() && !query.bytes().all(is_query_byte) {
            return Err(malformed("has a query with a control character"));
        }
        let canonical = self.canonical(path)?;
        let (index, route) = self.routes.find(&canonical, &self.facts).ok_or(NO_UPSTREAM)?;
        if self.is_item() {
            if route.encoded_slashes == EncodedSlashes::Refuse {
                separator(field, target).map_or(Ok(()), Err)?;
            }
            let ambiguity = self.routes.ambiguity(&canonical, index, &self.facts, |_| false);
            let forbidden =
                |ambiguity: Ambiguity| Err(ReferenceProblem::Forbidden(ambiguity.leads_elsewhere()));
            ambiguity.map_or(Ok(()), forbidden)?;
        }
        match &route.action {
            RouteAction::Forward { upstream, mapping } if *upstream == self.upstream => {
                Ok(format!("{}{query}", mapping.to_upstream(canonical.as_written())))
            }
            RouteAction::Forward { .. } => Err(ReferenceProblem::Forbidden("leads to another upstream")),
            RouteAction::Respond(_) => Err(NO_UPSTREAM),
        }
    }

    fn canonical(&self, path: &str) -> Result<CanonicalPath, ReferenceProblem> {
        let path = if self.is_item() { encoded_path(path) } else { path.into() };
        CanonicalPath::parse(&path, self.strictness).map_err(|_| malformed("has a path that is not allowed"))
    }
}

fn malformed(problem: &str) -> ReferenceProblem {
    ReferenceProblem::Malformed(problem.to_owned())
}

/// A url in a field.
#[derive(Clone, Copy)]
struct Tagged<'value> {
    /// The field's value up to the end of the url.
    field: &'value str,
    url: &'value str,
}

/// RFC 4918 §10.4.2: a `<url>` outside of parentheses is a resource tag, and inside it is a state token. `[…]` is an
/// entity tag with any characters.
fn map_tagged(
    value: &str,
    map: impl Fn(Tagged<'_>) -> Result<String, ReferenceProblem>,
) -> Result<OriginText, ReferenceProblem> {
    let (mut pieces, mut text) = (Vec::new(), String::new());
    let mut in_list = false;
    let mut rest = value;
    while let Some(at) = rest.find(['<', '(', ')', '[']) {
        let (before, from) = rest.split_at(at);
        text.push_str(before);
        let (token, behind) = match from.as_bytes().first() {
            Some(b'<') => split_behind(from, '>')?,
            Some(b'[') => split_behind(from, ']')?,
            _ => from.split_at(1),
        };
        match token {
            "(" => in_list = true,
            ")" => in_list = false,
            _ => {}
        }
        let tagged = token.strip_prefix('<').and_then(|inner| inner.strip_suffix('>'));
        match tagged {
            Some(url) if !in_list => {
                text.push('<');
                let end = value.len() - behind.len() - 1;
                let mapped = map(Tagged { field: value.get(..end).unwrap_or(url), url })?;
                pieces.push(std::mem::replace(&mut text, format!("{mapped}>")));
            }
            _ => text.push_str(token),
        }
        rest = behind;
    }
    text.push_str(rest);
    pieces.push(text);
    Ok(OriginText(pieces))
}

fn split_behind(text: &str, end: char) -> Result<(&str, &str), ReferenceProblem> {
    let end = text.find(end).ok_or_else(|| malformed("is not closed"))?;
    Ok(text.split_at(end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::{Mapping, PathPattern, Route};

    fn table() -> RouteTable {
        let route = |path: &str, upstream, strip: Option<&str>| {
            let parse = |path: &str| CanonicalPath::parse(path, Strictness::Item).unwrap();
            let mapping = strip.map_or_else(Mapping::default, |prefix| Mapping::stripping(&parse(prefix)));
            let action = RouteAction::Forward { upstream: UpstreamIndex(upstream), mapping };
            let encoded_slashes = if path == "/o/" { EncodedSlashes::Pass } else { EncodedSlashes::Refuse };
            Route { encoded_slashes, ..Route::new(PathPattern::parse(path).unwrap(), action) }
        };
        let elsewhere = |path| {
            let hosts = vec![crate::route::HostPattern::parse("gw.example").unwrap()];
            Route { hosts, ..route(path, 1, None) }
        };
        RouteTable::new(vec![
            route("/files/", 0, None),
            route("/dav/", 0, Some("/dav")),
            route("/other/", 1, None),
            route("/o/", 0, None),
            route("/o/private", 1, None),
            route("/hosted/", 0, None),
            elsewhere("/hosted/"),
        ])
    }

    fn rules<'test>(
        routes: &'test RouteTable,
        shared: &'test http::HeaderMap,
        strictness: Strictness,
    ) -> ReferenceRules<'test> {
        let facts = RequestFacts { authority: "gw.example", method: &http::Method::GET, own: &[], shared };
        ReferenceRules { routes, facts, upstream: UpstreamIndex(0), strictness }
    }

    fn map(field: &str, value: &str) -> Result<String, &'static str> {
        map_as(Strictness::ItemWithSlashes, field, value)
    }

    fn map_as(strictness: Strictness, field: &str, value: &str) -> Result<String, &'static str> {
        let table = table();
        let name = HeaderName::from_bytes(field.as_bytes()).unwrap();
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        let shared = http::HeaderMap::new();
        let mapped = rules(&table, &shared, strictness).map(&name, &value).unwrap();
        mapped
            .map(|text| text.with_origin("http://up:81"))
            .map_err(|refused| &*refused.problem.to_string().leak())
    }

    #[test]
    fn other_fields_are_not_touched() {
        let table = table();
        let shared = http::HeaderMap::new();
        let rules = rules(&table, &shared, Strictness::Item);
        assert_eq!(rules.map(&HeaderName::from_static("if-match"), &HeaderValue::from_static("*")), None);
        let refused = rules.map(&HeaderName::from_static("if"), &HeaderValue::from_static("<unclosed"));
        let expected = RefusedReference { field: "If", problem: malformed("is not closed") };
        assert_eq!(refused, Some(Err(expected)));
    }

    #[test]
    fn a_destination_is_as_strict_as_the_path_of_its_request() {
        let url = "http://gw.example/dav/a[1]%2F%255c";
        for (field, value, place) in [
            ("destination", url, "has `%255c` at character 30: "),
            ("destination", "/dav/ü#b", "has `#` at character 7: "),
            ("destination", "/dav/a?b#c", "has `#` at character 9: "),
            ("destination", "/dav/a%", "has `%` at character 7: "),
            ("destination", "/o/a%252fb", "has `%252f` at character 5: "),
            ("if", "</dav/ü> (<urn:1>) </dav/b#> (<urn:1>)", "has `#` at character 27: "),
        ] {
            let said = map(field, value).unwrap_err();
            assert!(said.starts_with(place), "{value}: {said}");
        }
        assert_eq!(map("destination", "/dav/ü c?é d").as_deref(), Ok("http://up:81/%C3%BC%20c?%C3%A9%20d"));
        assert_eq!(map("destination", "/dav/a [1]\\b").as_deref(), Ok("http://up:81/a%20%5B1%5D%5Cb"));
        for refused in ["/dav/a//b", "/o/%2e%2e%2fa"] {
            assert_eq!(map("destination", refused), Err("has a path that is not allowed"), "{refused}");
        }
        let proxied = |url| map_as(Strictness::Proxied, "destination", url);
        assert_eq!(proxied(url).as_deref(), Ok("http://up:81/a[1]%2F%255c"));
        assert_eq!(proxied("/dav/../other/b"), Err("has a path that is not allowed"));
        assert_eq!(proxied("/dav/é"), Err("has characters that are not allowed in a url"));
        assert!(proxied("/dav/a?b#c").is_err());
    }

    #[test]
    fn destinations_get_the_origin_of_the_hop() {
        assert_eq!(map("destination", "/files/b").as_deref(), Ok("http://up:81/files/b"));
        assert_eq!(map("destination", "https://gw.example/dav/b").as_deref(), Ok("http://up:81/b"));
        assert_eq!(map("destination", "/other/b"), Err("leads to another upstream"));
        assert_eq!(map("destination", "/hosted/b"), Err("leads to another upstream"));
        assert_eq!(map("destination", "/none/b"), Err("leads to no upstream"));
        assert_eq!(map("destination", "http://evil.example/files/b"), Err("leads to another host"));
        assert_eq!(
            map("destination", "http://gw.example@evil.example/files/b"),
            Err("leads to another host")
        );
        assert_eq!(map("destination", "//evil.example/files/b"), Err("has a path that is not allowed"));
        assert_eq!(map("destination", "/files/../other/b"), Err("has a path that is not allowed"));
    }

    #[test]
    fn the_route_of_a_destination_judges_its_encoded_slashes() {
        let passed = "/o/folder%2Fa%5cb";
        assert_eq!(map("destination", passed).as_deref(), Ok("http://up:81/o/folder%2Fa%5cb"));
        assert_eq!(map("if", "</o/a%2fb> (<urn:1>)").as_deref(), Ok("<http://up:81/o/a%2fb> (<urn:1>)"));
        let refused = map("destination", "/files/a%2Fb").unwrap_err();
        assert!(refused.starts_with("has `%2F` at character 9: "), "{refused}");
        for elsewhere in ["/o/%2Fprivate", "/o%2Fprivate/a", "/o/private;x", "/o/a;b/..;c"] {
            assert!(map("destination", elsewhere).is_err(), "{elsewhere}");
        }
    }

    #[test]
    fn only_resource_tags_of_if_are_mapped() {
        let value =
            r#"</files/a> (<urn:uuid:1> ["x<y>"]) <http://gw.example/dav/b> (Not <opaquelocktoken:2>)"#;
        let mapped =
            r#"<http://up:81/files/a> (<urn:uuid:1> ["x<y>"]) <http://up:81/b> (Not <opaquelocktoken:2>)"#;
        assert_eq!(map("if", value).as_deref(), Ok(mapped));
        assert_eq!(map("if", "(<urn:uuid:1>)").as_deref(), Ok("(<urn:uuid:1>)"));
        assert_eq!(map("if", "<http://evil.example/> (<urn:uuid:1>)"), Err("leads to another host"));
        assert_eq!(map("if", "<unclosed"), Err("is not closed"));
    }
}
