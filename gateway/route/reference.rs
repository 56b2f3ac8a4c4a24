//! `Destination` and `If` (RFC 4918 §10.3, §10.4): their urls are mapped by the rules of item urls, and must stay at
//! the upstream of their request.

use http::uri::Authority;
use http::{HeaderName, HeaderValue};

use super::canonical::{CanonicalPath, Strictness};
use super::table::{RouteAction, RouteTable, UpstreamIndex};

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

/// A field whose urls are mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReferenceField {
    /// `Destination` (RFC 4918 §10.3).
    Destination,
    /// `If` (RFC 4918 §10.4).
    If,
}

impl ReferenceField {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Destination, Self::If];

    /// The field with this name, if it is one of them.
    #[must_use]
    pub fn from_name(name: &HeaderName) -> Option<Self> {
        Self::ALL.into_iter().find(|field| *name == field.name())
    }

    /// The field's name.
    #[must_use]
    pub const fn name(self) -> HeaderName {
        HeaderName::from_static(match self {
            Self::Destination => "destination",
            Self::If => "if",
        })
    }

    /// The field's name for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Destination => "Destination",
            Self::If => "If",
        }
    }
}

/// Maps the urls in a request's `Destination` and `If`.
pub struct ReferenceMapper<'request> {
    /// The routes.
    pub routes: &'request RouteTable,
    /// Whether an authority is the gateway's.
    pub is_own: &'request dyn Fn(&str) -> bool,
    /// The upstream that the request itself goes to.
    pub upstream: UpstreamIndex,
    /// The strictness that applies to the request's own path.
    pub strictness: Strictness,
}

impl ReferenceMapper<'_> {
    /// Maps the value of a field.
    ///
    /// # Errors
    /// Says why the field is refused: a url leads to another host, to another upstream, or to no route.
    pub fn map(&self, field: ReferenceField, value: &HeaderValue) -> Result<OriginText, &'static str> {
        let text = value.to_str().map_err(|_| "has characters that are not allowed in a url")?;
        match field {
            ReferenceField::Destination => Ok(OriginText(vec![String::new(), self.map_url(text.trim())?])),
            ReferenceField::If => map_tagged(text, |url| self.map_url(url)),
        }
    }

    fn map_url(&self, url: &str) -> Result<String, &'static str> {
        let path = match url.split_once("://") {
            Some((scheme, rest)) => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                let http = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
                let valid = authority.parse::<Authority>().is_ok() && !authority.contains('@');
                if !(http && valid && (self.is_own)(authority)) {
                    return Err("leads to another host");
                }
                if path.is_empty() { "/" } else { path }
            }
            None => url,
        };
        let (path, query) = path.split_at(path.find('?').unwrap_or(path.len()));
        let path =
            CanonicalPath::parse(path, self.strictness).map_err(|_| "has a path that is not allowed")?;
        match self.routes.find(&path).map(|(_, route)| &route.action) {
            Some(RouteAction::Forward { upstream, mapping }) if *upstream == self.upstream => {
                Ok(format!("{}{query}", mapping.to_upstream(path.as_str())))
            }
            Some(RouteAction::Forward { .. }) => Err("leads to another upstream"),
            Some(RouteAction::Respond(_)) | None => Err("leads to no upstream"),
        }
    }
}

/// RFC 4918 §10.4.2: a `<url>` outside of parentheses is a resource tag, and inside it is a state token. `[…]` is an
/// entity tag with any characters.
fn map_tagged(
    value: &str,
    map: impl Fn(&str) -> Result<String, &'static str>,
) -> Result<OriginText, &'static str> {
    let mut pieces = vec![String::new()];
    let mut in_list = false;
    let mut rest = value;
    while let Some(at) = rest.find(['<', '(', ')', '[']) {
        let (before, from) = rest.split_at(at);
        push(&mut pieces, before);
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
                push(&mut pieces, "<");
                pieces.push(format!("{}>", map(url)?));
            }
            _ => push(&mut pieces, token),
        }
        rest = behind;
    }
    push(&mut pieces, rest);
    Ok(OriginText(pieces))
}

fn push(pieces: &mut [String], text: &str) {
    if let Some(last) = pieces.last_mut() {
        last.push_str(text);
    }
}

fn split_behind(text: &str, end: char) -> Result<(&str, &str), &'static str> {
    let end = text.find(end).ok_or("is not closed")?;
    Ok(text.split_at(end + 1))
}

#[cfg(test)]
mod tests {
    use super::ReferenceField::{Destination, If};
    use super::*;
    use crate::route::{Mapping, MethodSet, Route};

    fn table() -> RouteTable {
        let route = |path: &str, upstream, strip: Option<&str>| {
            let parse = |path: &str| CanonicalPath::parse(path, Strictness::Item).unwrap();
            let mapping = strip.map_or_else(Mapping::default, |prefix| Mapping::stripping(&parse(prefix)));
            Route {
                name: path.to_owned(),
                path: parse(path),
                methods: MethodSet::Any,
                batchable: true,
                coalesce: false,
                action: RouteAction::Forward { upstream: UpstreamIndex(upstream), mapping },
            }
        };
        RouteTable::new(vec![
            route("/files/", 0, None),
            route("/dav/", 0, Some("/dav")),
            route("/other/", 1, None),
        ])
    }

    fn map(field: ReferenceField, value: &str) -> Result<String, &'static str> {
        map_as(Strictness::Item, field, value)
    }

    fn map_as(strictness: Strictness, field: ReferenceField, value: &str) -> Result<String, &'static str> {
        let own = |authority: &str| authority == "gw.example";
        let mapper =
            ReferenceMapper { routes: &table(), is_own: &own, upstream: UpstreamIndex(0), strictness };
        mapper.map(field, &value.parse().unwrap()).map(|text| text.with_origin("http://up:81"))
    }

    #[test]
    fn a_destination_is_as_strict_as_the_path_of_its_request() {
        let url = "http://gw.example/dav/a[1]%2F%255c";
        assert_eq!(map(Destination, url), Err("has a path that is not allowed"));
        let proxied = |url| map_as(Strictness::Proxied, Destination, url);
        assert_eq!(proxied(url).as_deref(), Ok("http://up:81/a[1]%2F%255c"));
        assert_eq!(proxied("/dav/../other/b"), Err("has a path that is not allowed"));
        assert_eq!(proxied("/dav/é"), Err("has characters that are not allowed in a url"));
    }

    #[test]
    fn destinations_get_the_origin_of_the_hop() {
        assert_eq!(map(Destination, "/files/b").as_deref(), Ok("http://up:81/files/b"));
        assert_eq!(map(Destination, "https://gw.example/dav/b").as_deref(), Ok("http://up:81/b"));
        assert_eq!(map(Destination, "/other/b"), Err("leads to another upstream"));
        assert_eq!(map(Destination, "/none/b"), Err("leads to no upstream"));
        assert_eq!(map(Destination, "http://evil.example/files/b"), Err("leads to another host"));
        assert_eq!(map(Destination, "http://gw.example@evil.example/files/b"), Err("leads to another host"));
        assert_eq!(map(Destination, "//evil.example/files/b"), Err("has a path that is not allowed"));
        assert_eq!(map(Destination, "/files/../other/b"), Err("has a path that is not allowed"));
    }

    #[test]
    fn only_resource_tags_of_if_are_mapped() {
        let value =
            r#"</files/a> (<urn:uuid:1> ["x<y>"]) <http://gw.example/dav/b> (Not <opaquelocktoken:2>)"#;
        let mapped =
            r#"<http://up:81/files/a> (<urn:uuid:1> ["x<y>"]) <http://up:81/b> (Not <opaquelocktoken:2>)"#;
        assert_eq!(map(If, value).as_deref(), Ok(mapped));
        assert_eq!(map(If, "(<urn:uuid:1>)").as_deref(), Ok("(<urn:uuid:1>)"));
        assert_eq!(map(If, "<http://evil.example/> (<urn:uuid:1>)"), Err("leads to another host"));
        assert_eq!(map(If, "<unclosed"), Err("is not closed"));
    }
}
