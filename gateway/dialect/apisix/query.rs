//! APISIX's queries: an object of parameters for all items, and one for each.

use std::borrow::Cow;
use std::collections::HashSet;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All but RFC 3986's unreserved characters.
const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Parameters in the order given; one with several values appears several times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query<'a> {
    parameters: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Bytes of names and values.
    bytes: usize,
}

impl<'a> Query<'a> {
    /// Adds a parameter, unless the query would be longer than `max_bytes`. Returns true if it was added.
    pub(super) fn add(&mut self, name: Cow<'a, str>, value: Cow<'a, str>, max_bytes: usize) -> bool {
        self.bytes = self.bytes.saturating_add(name.len()).saturating_add(value.len()).saturating_add(2);
        let fits = self.bytes <= max_bytes;
        if fits {
            self.parameters.push((name, value));
        }
        fits
    }

    /// The path with this query appended, and with those parameters of `shared` that it does not have.
    pub(super) fn behind(&self, path: &str, shared: &Self) -> String {
        let own: HashSet<&str> = self.parameters.iter().map(|(name, _)| &**name).collect();
        let shared = shared.parameters.iter().filter(|(name, _)| !own.contains(&**name));
        let mut url = path.to_owned();
        for (name, value) in shared.chain(&self.parameters) {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.extend(utf8_percent_encode(name, IN_QUERY));
            url.push('=');
            url.extend(utf8_percent_encode(value, IN_QUERY));
        }
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(parameters: &[(&'static str, &'static str)]) -> Query<'static> {
        let mut query = Query::default();
        for (name, value) in parameters {
            assert!(query.add((*name).into(), (*value).into(), 100));
        }
        query
    }

    #[test]
    fn an_items_own_parameters_win() {
        let own = query(&[("b", "2 &="), ("c", "é"), ("c", "")]);
        let shared = query(&[("a", "0"), ("b", "0")]);
        assert_eq!(own.behind("/x", &shared), "/x?a=0&b=2%20%26%3D&c=%C3%A9&c=");
        assert_eq!(own.behind("/x?y", &query(&[])), "/x?y&b=2%20%26%3D&c=%C3%A9&c=");
        assert_eq!(query(&[]).behind("/x", &query(&[])), "/x");
    }

    #[test]
    fn a_query_is_bounded() {
        let mut query = Query::default();
        assert!(query.add("ab".into(), "c".into(), 5));
        assert!(!query.add("a".into(), "".into(), 5));
    }
}
