//! The urls in an upstream's reply, mapped to the gateway's: in Location, Content-Location and Link, the Path of cookies, and the
//! hrefs of DAV bodies. Replies to items and to single requests have the same rules.

use std::borrow::Cow;

use http::header::{self, HeaderName, HeaderValue};

use super::mapping::Mapping;

/// The fields of a reply that have urls of the upstream's.
pub const FIELDS_WITH_URLS: [HeaderName; 4] =
    [header::LOCATION, header::CONTENT_LOCATION, header::LINK, header::SET_COOKIE];

/// How the urls of one reply are mapped.
#[derive(Clone, Copy)]
pub struct ReplyUrls<'reply> {
    /// The mapping of its route.
    pub mapping: &'reply Mapping,
    /// Whether an authority is one of the upstream's.
    pub is_upstream: &'reply dyn Fn(&str) -> bool,
    /// The gateway's `scheme://authority`, as the client used it.
    pub own_origin: &'reply str,
}

impl ReplyUrls<'_> {
    /// A url of the upstream's as the gateway's.
    #[must_use]
    pub fn url<'url>(&self, url: &'url str) -> Cow<'url, str> {
        self.mapping.reference_to_gateway(url, self.is_upstream, self.own_origin)
    }

    /// A field with its urls mapped; `None`: it stays as it is.
    #[must_use]
    pub fn field(&self, name: &HeaderName, value: &HeaderValue) -> Option<HeaderValue> {
        if !FIELDS_WITH_URLS.contains(name) {
            return None;
        }
        let text = value.to_str().ok()?;
        let mapped = match *name {
            header::LINK => self.links(text),
            header::SET_COOKIE => self.cookie(text),
            _ => Some(self.url(text)).filter(|mapped| *mapped != text).map(Cow::into_owned),
        };
        HeaderValue::from_str(&mapped?).ok()
    }

    /// RFC 8288 §3: `<url>; rel="…", <url>`. What is in quotes is not a url.
    fn links(&self, text: &str) -> Option<String> {
        let mut mapped = String::with_capacity(text.len());
        let (mut rest, mut quoted) = (text, false);
        while let Some(at) = rest.find(['"', '\\', '<']) {
            let (before, from) = rest.split_at(at);
            mapped.push_str(before);
            let (token, behind) = match from.as_bytes().first() {
                Some(b'<') if !quoted => {
                    let (url, behind) = from.get(1..)?.split_once('>')?;
                    mapped.extend(["<", &self.url(url), ">"]);
                    ("", behind)
                }
                Some(b'\\') if quoted => from.split_at_checked(2)?,
                Some(b'"') => {
                    quoted = !quoted;
                    from.split_at(1)
                }
                _ => from.split_at(1),
            };
            mapped.push_str(token);
            rest = behind;
        }
        mapped.push_str(rest);
        (mapped != text).then_some(mapped)
    }

    /// RFC 6265 §4.1.1: attributes follow the cookie, behind semicolons.
    fn cookie(&self, text: &str) -> Option<String> {
        let mut parts = text.split(';');
        let mut mapped = parts.next()?.to_owned();
        for part in parts {
            mapped.push(';');
            let path = part.split_once('=').filter(|(name, _)| name.trim().eq_ignore_ascii_case("path"));
            match path
                .and_then(|(name, path)| Some((name, self.mapping.cookie_path_to_gateway(path.trim())?)))
            {
                Some((name, path)) => mapped.extend([name, "=", &path]),
                None => mapped.push_str(part),
            }
        }
        (mapped != text).then_some(mapped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_with_urls_is_mapped() {
        let mapping = Mapping::of_prefixes("/old", "/app");
        let urls =
            ReplyUrls { mapping: &mapping, is_upstream: &|name| name == "up:81", own_origin: "https://gw" };
        for (name, value, expected) in [
            ("location", "/app/7?x#y", Some("/old/7?x#y")),
            ("location", "http://up:81/app/7", Some("https://gw/old/7")),
            ("location", "http://up:81/elsewhere", None),
            ("location", "http://other/app/7", None),
            ("content-location", "/app/7", Some("/old/7")),
            ("link", r#"</app/2>; rel="next""#, Some(r#"</old/2>; rel="next""#)),
            (
                "link",
                r#"<http://up:81/app/1>; title="</app/\"<x>", <7>, <//up:81/app>"#,
                Some(r#"<https://gw/old/1>; title="</app/\"<x>", <7>, <https://gw/old>"#),
            ),
            ("link", "<unclosed", None),
            ("set-cookie", "a=b; Path=/app/x; HttpOnly", Some("a=b; Path=/old/x; HttpOnly")),
            ("set-cookie", "a=/app;path=/", Some("a=/app;path=/old")),
            ("set-cookie", "a=b; Domain=x; Secure", None),
            ("etag", "/app/7", None),
        ] {
            let field = urls.field(&name.parse().unwrap(), &value.parse().unwrap());
            let expected = expected.map(|value| HeaderValue::from_str(value).unwrap());
            assert_eq!(field, expected, "{name}: {value}");
        }
    }
}
