//! The fields that inform an upstream about the hop: those that all calls of a request share, and the prefix
//! that a route strips.
//!
//! In: the fields that `admission` makes of a caller, and the mapping of a route. Out: fields that are ready to be set.

use http::header::{HeaderName, HeaderValue};

use super::field::Fields;
use crate::route::Mapping;

/// The path in front of the service's own. Services that make links read it.
pub const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// The fields about the hop.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct ForwardedBy {
    /// The fields, ready to be set.
    #[serde(with = "super::stored::fields")]
    pub fields: Fields,
}

impl ForwardedBy {
    /// The same, for a request whose route has this mapping.
    #[must_use]
    pub fn behind(mut self, mapping: &Mapping) -> Self {
        let Some(prefix) = stripped_prefix(mapping) else { return self };
        match self.fields.iter_mut().find(|(name, _)| *name == X_FORWARDED_PREFIX) {
            Some((_, outer)) => *outer = with_prefix(Some(outer), &prefix),
            None => self.fields.push((X_FORWARDED_PREFIX, prefix)),
        }
        self
    }
}

/// The prefix that a mapping strips.
pub(crate) fn stripped_prefix(mapping: &Mapping) -> Option<HeaderValue> {
    mapping.stripped_prefix().and_then(|prefix| HeaderValue::from_str(prefix).ok())
}

/// The prefix of one call, behind the one that a trusted proxy has stripped before.
pub(crate) fn with_prefix(outer: Option<&HeaderValue>, own: &HeaderValue) -> HeaderValue {
    let outer = outer.map(HeaderValue::as_bytes).unwrap_or_default();
    let outer = outer.strip_suffix(b"/").unwrap_or(outer);
    HeaderValue::from_bytes(&[outer, own.as_bytes()].concat()).unwrap_or_else(|_| own.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::{CanonicalPath, Strictness};

    #[test]
    fn a_stripped_prefix_is_appended_to_the_one_stripped_before() {
        for (outer, strip, whole) in [
            (None, None, None),
            (None, Some("/api/"), Some("/api")),
            (Some("/outer"), None, Some("/outer")),
            (Some("/outer"), Some("/api"), Some("/outer/api")),
            (Some("/outer/"), Some("/api/v1"), Some("/outer/api/v1")),
        ] {
            let mapping = strip.map_or_else(Mapping::default, |path| {
                Mapping::stripping(&CanonicalPath::parse(path, Strictness::Item).unwrap())
            });
            let value = |text| HeaderValue::from_static(text);
            let fields = outer.map(|text| (X_FORWARDED_PREFIX, value(text))).into_iter().collect();
            let said = ForwardedBy { fields }.behind(&mapping).fields;
            assert_eq!(
                said,
                whole.map(|text| (X_FORWARDED_PREFIX, value(text))).into_iter().collect::<Vec<_>>()
            );
        }
    }
}
