//! Inherited headers (protocol §1): the fields of the batch request that reach the items, and the fields that a call has
//! in the end.
//!
//! A call's fields come from four steps, each of which overrides the ones before: the inherited fields; the item's own;
//! the changes in the upstream's configuration; the fields about the hop (X-Forwarded-*, Via, X-Request-Id, trace
//! context). All but the item's own are the same for all calls of a batch to an upstream, so they are made once
//! ([`CallHeaders`]).

use http::header::{self, AsHeaderName, HeaderMap, HeaderName, HeaderValue};

use super::field::{Fields, is_forbidden_in_item};
use super::forwarded::{ForwardedBy, X_FORWARDED_PREFIX, with_prefix};
use super::hop::named_by_connection;

/// Preferences. Items inherit them only in some dialects.
pub(crate) const PREFER: HeaderName = HeaderName::from_static("prefer");

/// The fields that the items of a batch inherit: all except those that describe the batch request itself (protocol §1), or
/// only those in `only`. `more` are additional fields that items inherit in the batch's dialect.
#[must_use]
pub fn inherited_fields(outer: &HeaderMap, only: Option<&[HeaderName]>, more: Fields) -> HeaderMap {
    let mut inherited = HeaderMap::with_capacity(outer.len());
    let wanted = |name: &HeaderName| only.is_none_or(|names| names.contains(name));
    for (name, value) in outer {
        if wanted(name) && !describes_the_outer_message(name) {
            inherited.append(name.clone(), value.clone());
        }
    }
    inherited.extend(more.into_iter().filter(|(name, _)| wanted(name)));
    for name in named_by_connection(outer) {
        inherited.remove(name);
    }
    if let Some(cookie) = joined_cookies(&inherited) {
        inherited.insert(header::COOKIE, cookie);
    }
    inherited
}

/// RFC 6265 §4.2.1.
const BETWEEN_COOKIES: &[u8] = b"; ";

/// Joins several Cookie fields into one, because only HTTP/2 allows a field for each cookie (RFC 9113 §8.2.3). `None` if
/// there is at most one.
#[must_use]
pub fn joined_cookies(fields: &HeaderMap) -> Option<HeaderValue> {
    joined(fields.get_all(header::COOKIE).iter(), BETWEEN_COOKIES)
}

/// All values of a field as one: cookies as [`joined_cookies`] joins them, others as a list (RFC 9110 §5.3). `None` if there are
/// none.
#[must_use]
pub fn all_values(fields: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    let between = if *name == header::COOKIE { BETWEEN_COOKIES } else { b", " };
    joined(fields.get_all(name).iter(), between).or_else(|| fields.get(name).cloned())
}

/// The values of a list field that are text, as one (RFC 9110 §5.3). `None` if there are none.
#[must_use]
pub fn as_list(fields: &HeaderMap, name: impl AsHeaderName) -> Option<String> {
    let mut values = fields.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let mut all = values.next()?.to_owned();
    for value in values {
        all.push_str(", ");
        all.push_str(value);
    }
    Some(all)
}

/// `None` if there is at most one.
fn joined<'value>(values: impl Iterator<Item = &'value HeaderValue>, between: &[u8]) -> Option<HeaderValue> {
    let values: Vec<_> = values.map(HeaderValue::as_bytes).collect();
    if values.len() < 2 { None } else { HeaderValue::from_bytes(&values.join(between)).ok() }
}

fn describes_the_outer_message(name: &HeaderName) -> bool {
    let text = name.as_str();
    is_forbidden_in_item(name)
        || text.starts_with("content-")
        || text.starts_with("if-")
        || matches!(
            text,
            "accept"
                | "accept-encoding"
                | "prefer"
                | "range"
                | "idempotency-key"
                | "if"
                | "destination"
                | "overwrite"
                | "depth"
                | "lock-token"
                | "max-forwards"
                | "timeout"
                | "sec-fetch-site"
                | "sec-fetch-mode"
                | "sec-fetch-dest"
                | "sec-fetch-user"
                // They would change the methods of items behind the routes' lists.
                | "x-http-method-override"
                | "x-http-method"
                | "x-method-override"
        )
}

/// How a field joins those that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// In place of the fields of its name.
    Replace,
    /// In addition to them.
    Add,
}

/// The fields of all calls of a batch to one upstream.
#[derive(Clone, Debug)]
pub struct CallHeaders {
    shared: HeaderMap,
    remove: Vec<HeaderName>,
    set: Fields,
}

impl CallHeaders {
    /// Prepares the shared part: `inherited`, then the upstream's changes, then the hop's fields.
    #[must_use]
    pub fn new(inherited: &HeaderMap, remove: &[HeaderName], set: &Fields, hop: &ForwardedBy) -> Self {
        let decided: Vec<_> = remove.iter().chain(set.iter().map(|(name, _)| name)).collect();
        let mut shared = inherited.clone();
        for name in inherited.keys().filter(|name| decided.iter().any(|decided| same_to_cgi(decided, name))) {
            shared.remove(name);
        }
        for (name, value) in set {
            shared.insert(name.clone(), value.clone());
        }
        for (name, value) in &hop.fields {
            shared.insert(name.clone(), value.clone());
        }
        Self { shared, remove: remove.to_vec(), set: set.clone() }
    }

    /// The same, without a field that is set for each call and that only the gateway may set.
    #[must_use]
    pub fn without_of_items(mut self, name: Option<&HeaderName>) -> Self {
        if let Some(name) = name {
            let disguised: Vec<_> =
                self.shared.keys().filter(|other| same_to_cgi(name, other)).cloned().collect();
            for other in disguised {
                self.shared.remove(other);
            }
            self.remove.push(name.clone());
        }
        self
    }

    /// The shared fields.
    #[must_use]
    pub const fn all_shared(&self) -> &HeaderMap {
        &self.shared
    }

    /// The shared value of a field, which a call may override.
    #[must_use]
    pub fn shared(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.shared.get(name)
    }

    /// The fields of one call.
    #[must_use]
    pub fn compose(&self, own: &[(HeaderName, HeaderValue)]) -> HeaderMap {
        let mut fields = self.shared.clone();
        self.put_own(own, |put, name, value| match put {
            Put::Replace => drop(fields.insert(name.clone(), value)),
            Put::Add => drop(fields.append(name.clone(), value)),
        });
        fields
    }

    /// Passes what an item's `own` fields do to the shared ones to `put`, in order: they override them, except for the
    /// fields that the upstream's configuration removes or sets.
    pub fn put_own<'own>(
        &self,
        own: &'own [(HeaderName, HeaderValue)],
        mut put: impl FnMut(Put, &'own HeaderName, HeaderValue),
    ) {
        for (index, (name, value)) in own.iter().enumerate() {
            if self.decides(name) {
                continue;
            }
            if *name == X_FORWARDED_PREFIX {
                put(Put::Replace, name, with_prefix(self.shared(name), value));
                continue;
            }
            // A repeated name in one item is a second value, not an override.
            let is_second = own.iter().take(index).any(|(earlier, _)| earlier == name);
            if *name == header::COOKIE {
                let all = own.iter().filter(|(other, _)| other == name).map(|(_, value)| value);
                let all = joined(all, BETWEEN_COOKIES).unwrap_or_else(|| value.clone());
                if !is_second {
                    put(Put::Replace, name, all);
                }
                continue;
            }
            put(if is_second { Put::Add } else { Put::Replace }, name, value.clone());
        }
        // Preferences are inherited one by one. If one appears twice, the first applies, which is the item's (RFC 7240
        // §2).
        if let Some((name, _)) = own.iter().find(|(name, _)| *name == PREFER)
            && let Some(preferences) = self.shared(name)
            && !self.decides(name)
        {
            put(Put::Add, name, preferences.clone());
        }
    }

    /// Whether the upstream's configuration removes or sets the field, or one that servers behind CGI read as the same
    /// (`X_Api_Key`).
    fn decides(&self, name: &HeaderName) -> bool {
        self.remove
            .iter()
            .chain(self.set.iter().map(|(set, _)| set))
            .any(|decided| same_to_cgi(decided, name))
    }
}

/// Whether a CGI script reads both names as the same: it can't tell a dash from an underscore (RFC 3875 §4.1.18).
#[must_use]
pub fn same_to_cgi(one: &HeaderName, other: &HeaderName) -> bool {
    one == other
        || (other.as_str().contains('_')
            && one.as_str().replace('-', "_") == other.as_str().replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&str, &str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn own(fields: &[(&str, &str)]) -> Fields {
        fields
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap()))
            .collect()
    }

    #[test]
    fn the_cookies_of_an_item_are_one_field() {
        let headers =
            CallHeaders::new(&map(&[("cookie", "of=batch")]), &[], &Fields::new(), &ForwardedBy::default());
        for (cookies, expected) in [
            (&[][..], "of=batch"),
            (&[("cookie", "a=1")], "a=1"),
            (&[("cookie", "a=1"), ("x-a", "1"), ("cookie", "b=2"), ("cookie", "c=3")], "a=1; b=2; c=3"),
        ] {
            let composed = headers.compose(&own(cookies));
            let values: Vec<_> = composed.get_all(header::COOKIE).iter().collect();
            assert_eq!(values, [expected]);
        }
    }

    #[test]
    fn what_describes_the_outer_message_stays_behind() {
        let outer = map(&[
            ("authorization", "Bearer x"),
            ("accept-language", "de"),
            ("cookie", "a=b"),
            ("content-type", "application/json"),
            ("content-encoding", "gzip"),
            ("accept", "application/xml"),
            ("accept-encoding", "gzip"),
            ("if-match", "*"),
            ("prefer", "return=minimal"),
            ("host", "gw"),
            ("connection", "x-hop, close"),
            ("x-hop", "1"),
            ("x-forwarded-for", "6.6.6.6"),
            ("traceparent", "00-x"),
            ("idempotency-key", "k"),
            ("max-forwards", "3"),
            ("expect", "100-continue"),
            ("range", "bytes=0-1"),
        ]);
        let inherited = inherited_fields(&outer, None, Fields::new());
        let mut names: Vec<_> = inherited.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["accept-language", "authorization", "cookie"]);
        let only = inherited_fields(&outer, Some(&[header::AUTHORIZATION, header::HOST]), Fields::new());
        assert_eq!(only.keys().collect::<Vec<_>>(), [header::AUTHORIZATION]);
    }

    #[test]
    fn the_cookies_of_http_2_are_one_field() {
        let outer = map(&[("cookie", "a=1"), ("x-a", "1"), ("cookie", "b=2")]);
        let inherited = inherited_fields(&outer, None, Fields::new());
        assert_eq!(inherited.get_all("cookie").iter().collect::<Vec<_>>(), ["a=1; b=2"]);
        assert_eq!(joined_cookies(&inherited), None);
    }

    #[test]
    fn items_override_the_outer_request_and_the_operator_overrides_items() {
        let inherited = map(&[("authorization", "outer"), ("x-a", "outer"), ("cookie", "c")]);
        let set = own(&[("authorization", "operator")]);
        let hop = ForwardedBy { fields: own(&[("via", "1.1 batchgate")]) };
        let headers = CallHeaders::new(&inherited, &[header::COOKIE], &set, &hop);
        let fields = headers.compose(&own(&[
            ("x-a", "one"),
            ("x-b", "b"),
            ("x-a", "two"),
            ("authorization", "item"),
            ("cookie", "item"),
            ("x_b", "kept"),
        ]));
        let disguised =
            CallHeaders::new(&inherited, &[HeaderName::from_static("x-api-key")], &Vec::new(), &hop);
        assert!(!disguised.compose(&own(&[("x_api_key", "item")])).contains_key("x_api_key"));
        assert_eq!(fields.get_all("x-a").iter().collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!(fields["authorization"], "operator");
        assert_eq!(fields["x-b"], "b");
        assert!(!fields.contains_key("cookie"));
    }
}
