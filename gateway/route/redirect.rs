//! Redirects: a route's answer that sends the client elsewhere, with the rest of the path and the query.
//!
//! In: the path and query of a request that the route covers. Out: a fixed answer with a Location, the same for items and single
//! requests. A path of the client's never becomes another host.

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};

use super::pattern::PathPattern;
use super::respond::Respond;

/// Where a route sends its clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// The status, which is one that has a Location.
    pub status: StatusCode,
    /// The route's path.
    pub from: PathPattern,
    /// `scheme://authority` of another server; empty: the gateway itself.
    pub origin: Box<str>,
    /// What takes the place of the route's path, with variables of it.
    pub to: PathPattern,
}

impl Redirect {
    /// The answer to a request. `query` begins with its question mark, or is empty.
    #[must_use]
    pub fn respond(&self, path: &str, query: &str) -> Respond {
        let location = HeaderValue::from_str(&format!("{}{}{query}", self.origin, self.path_for(path)));
        Respond {
            status: self.status,
            body: Bytes::new(),
            content_type: String::new(),
            headers: location.map(|location| (header::LOCATION, location)).into_iter().collect(),
        }
    }

    /// The path that takes the place of a request's.
    #[must_use]
    pub fn path_for(&self, path: &str) -> String {
        let found = self.from.captured(path);
        let path = found.map_or_else(|| self.to.as_str().to_owned(), |found| self.to.filled(&found));
        // Two slashes would begin the name of another host.
        format!("/{}", path.trim_start_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_the_path_and_the_query_are_kept() {
        for (from, origin, to, path, query, location) in [
            ("/old/", "", "/new/", "/old/a/b", "?q=1", "/new/a/b?q=1"),
            ("/old/", "", "/new", "/old/", "", "/new/"),
            ("/old", "", "/new/", "/old", "", "/new/"),
            ("/old", "", "/new", "/old/a%2Fb", "", "/new/a%2Fb"),
            ("/old/", "", "/", "/old//evil.example/", "", "/evil.example/"),
            ("/", "https://other.example", "/", "/a/b", "?q", "https://other.example/a/b?q"),
            ("/", "https://other.example:8443", "/x", "/", "", "https://other.example:8443/x/"),
            ("/o/{id}/lines", "", "/lines/{id}", "/o/7/lines/3", "", "/lines/7/3"),
            ("/{host}", "", "/{host}/x", "/%2F%2Fevil", "", "/%2F%2Fevil/x"),
        ] {
            let pattern = |text| PathPattern::parse(text).unwrap();
            let (from, to, origin) = (pattern(from), pattern(to), origin.into());
            let redirect = Redirect { status: StatusCode::PERMANENT_REDIRECT, from, origin, to };
            let answer = redirect.respond(path, query);
            assert_eq!(
                answer.headers,
                [(header::LOCATION, HeaderValue::from_str(location).unwrap())],
                "{path}"
            );
        }
    }
}
