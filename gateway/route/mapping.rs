//! How urls map between the gateway's side and an upstream's: `strip_prefix` on the way out,
//! the prefix put back on the way in; `Destination` and `If` of RFC 4918 §10.3 and §10.4.

use http::uri::Authority;

use super::{CanonicalPath, RouteAction, RouteTable, Strictness, UpstreamIndex};

/// The mapping of one route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    strip_prefix: Option<Box<str>>,
}

impl Mapping {
    /// A mapping that takes `strip_prefix` (a path, no slash at its end) off outgoing paths.
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

    /// The upstream's path for one of the gateway's.
    #[must_use]
    pub fn to_upstream<'path>(&self, path: &'path str) -> &'path str {
        let stripped = self.strip_prefix.as_deref().and_then(|prefix| path.strip_prefix(prefix));
        match stripped {
            Some("") => "/",
            Some(rest) if rest.starts_with('/') => rest,
            Some(_) | None => path,
        }
    }

    /// The gateway's path for one of the upstream's.
    #[must_use]
    pub fn to_gateway(&self, path: &str) -> String {
        format!("{}{path}", self.strip_prefix.as_deref().unwrap_or_default())
    }

    /// Maps an upstream's url (in Location, Content-Location or a DAV href) to the gateway's:
    /// absolute ones whose authority is one of `upstream` get the gateway's `origin`
    /// (`scheme://authority`), paths get the prefix back, all else stays.
    #[must_use]
    pub fn reference_to_gateway<'url>(
        &self,
        url: &'url str,
        upstream: impl Fn(&str) -> bool,
        origin: &str,
    ) -> std::borrow::Cow<'url, str> {
        if let Some(rest) = url.strip_prefix("//") {
            let (authority, path) = split_authority(rest);
            if upstream(authority) {
                return format!("{origin}{}", self.to_gateway(path)).into();
            }
        } else if let Some((scheme, rest)) = url.split_once("://") {
            let (authority, path) = split_authority(rest);
            let http = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
            if http && upstream(authority) {
                return format!("{origin}{}", self.to_gateway(path)).into();
            }
        } else if url.starts_with('/') && !self.is_identity() {
            return self.to_gateway(url).into();
        }
        url.into()
    }
}

/// The authority, and what follows it.
fn split_authority(rest: &str) -> (&str, &str) {
    rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()))
}

/// Text with holes for the upstream's origin (`scheme://authority`), which is known only once a
/// target is chosen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OriginText(Vec<String>);

impl OriginText {
    /// The text for a target.
    #[must_use]
    pub fn with_origin(&self, origin: &str) -> String {
        self.0.join(origin)
    }
}

/// Maps a `Destination` url, or the tagged urls of an `If` field, by the rules of item urls.
///
/// `field` is its name and value; `own` says whether an authority is the gateway's; `upstream` is
/// where the request itself goes; `strictness` is that for the request's own path.
///
/// # Errors
/// Says why the field is refused: it leads to another host, another upstream, or no route.
pub fn map_reference(
    field: (&str, &str),
    routes: &RouteTable,
    own: impl Fn(&str) -> bool,
    upstream: UpstreamIndex,
    strictness: Strictness,
) -> Result<OriginText, &'static str> {
    let map = |url: &str| map_url(url, routes, &own, upstream, strictness);
    let (field, value) = field;
    if field.eq_ignore_ascii_case("destination") {
        return Ok(OriginText(vec![String::new(), map(value.trim())?]));
    }
    map_tagged(value, map)
}

/// RFC 4918 §10.4.2: a `<url>` outside of parentheses is a resource tag; inside it is a state
/// token, and inside `[…]` there is an entity tag with any characters.
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

fn map_url(
    url: &str,
    routes: &RouteTable,
    own: &impl Fn(&str) -> bool,
    upstream: UpstreamIndex,
    strictness: Strictness,
) -> Result<String, &'static str> {
    let path = match url.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let http = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
            let valid = authority.parse::<Authority>().is_ok() && !authority.contains('@');
            if !(http && valid && own(authority)) {
                return Err("leads to another host");
            }
            if path.is_empty() { "/" } else { path }
        }
        None => url,
    };
    let (path, query) = path.split_at(path.find('?').unwrap_or(path.len()));
    let path = CanonicalPath::parse(path, strictness).map_err(|_| "has a path that is refused")?;
    match routes.find(&path).map(|(_, route)| &route.action) {
        Some(RouteAction::Forward { upstream: other, mapping }) if *other == upstream => {
            Ok(format!("{}{query}", mapping.to_upstream(path.as_str())))
        }
        Some(RouteAction::Forward { .. }) => Err("leads to another upstream"),
        Some(RouteAction::Respond(_)) | None => Err("leads to no upstream"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::{MethodSet, Route};

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

    fn map(field: &str, value: &str) -> Result<String, &'static str> {
        map_as(Strictness::Item, field, value)
    }

    fn map_as(strictness: Strictness, field: &str, value: &str) -> Result<String, &'static str> {
        let own = |authority: &str| authority == "gw.example";
        map_reference((field, value), &table(), own, UpstreamIndex(0), strictness)
            .map(|text| text.with_origin("http://up:81"))
    }

    #[test]
    fn a_destination_may_be_what_the_path_of_its_request_may() {
        let url = "http://gw.example/dav/a[1]%2F%255c";
        assert_eq!(map("destination", url), Err("has a path that is refused"));
        let proxied = |url| map_as(Strictness::Proxied, "destination", url);
        assert_eq!(proxied(url).as_deref(), Ok("http://up:81/a[1]%2F%255c"));
        assert_eq!(proxied("/dav/../other/b"), Err("has a path that is refused"));
        assert_eq!(proxied("/dav/é"), Err("has a path that is refused"));
    }

    #[test]
    fn destinations_get_the_origin_of_the_hop() {
        assert_eq!(map("destination", "/files/b").as_deref(), Ok("http://up:81/files/b"));
        assert_eq!(map("destination", "https://gw.example/dav/b").as_deref(), Ok("http://up:81/b"));
        assert_eq!(map("destination", "/other/b"), Err("leads to another upstream"));
        assert_eq!(map("destination", "/none/b"), Err("leads to no upstream"));
        assert_eq!(map("destination", "http://evil.example/files/b"), Err("leads to another host"));
        assert_eq!(
            map("destination", "http://gw.example@evil.example/files/b"),
            Err("leads to another host")
        );
        assert_eq!(map("destination", "//evil.example/files/b"), Err("has a path that is refused"));
        assert_eq!(map("destination", "/files/../other/b"), Err("has a path that is refused"));
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

    #[test]
    fn replies_map_back() {
        let mapping = Mapping::stripping(&CanonicalPath::parse("/dav", Strictness::Item).unwrap());
        let back =
            |url| mapping.reference_to_gateway(url, |a| a == "up:81", "https://gw.example").into_owned();
        assert_eq!(back("http://up:81/x?y"), "https://gw.example/dav/x?y");
        assert_eq!(back("//up:81/x?y"), "https://gw.example/dav/x?y");
        assert_eq!(back("//elsewhere/x"), "//elsewhere/x");
        assert_eq!(back("/x"), "/dav/x");
        assert_eq!(back("http://elsewhere/x"), "http://elsewhere/x");
        assert_eq!(back("relative"), "relative");
    }
}
