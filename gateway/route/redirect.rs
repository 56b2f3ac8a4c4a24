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
    /// What becomes of the query.
    pub query: RedirectQuery,
}

/// The query of a redirect's Location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedirectQuery {
    /// The request's, behind this one, which may be empty.
    Before(Box<str>),
    /// Only this one, which may be empty.
    Only(Box<str>),
}

impl RedirectQuery {
    /// Whether it adds something of its own, which may be a secret.
    #[must_use]
    pub fn has_own(&self) -> bool {
        match self {
            Self::Before(own) | Self::Only(own) => !own.is_empty(),
        }
    }

    /// The query of a Location. `asked`: the request's, which begins with its question mark, or is empty. So does the result.
    fn of(&self, asked: &str) -> String {
        let (own, asked) = match self {
            Self::Before(own) => (own, asked),
            Self::Only(own) => (own, ""),
        };
        match (&**own, asked) {
            ("", asked) => asked.to_owned(),
            (own, "" | "?") => format!("?{own}"),
            (own, asked) => format!("?{own}&{}", asked.strip_prefix('?').unwrap_or(asked)),
        }
    }
}

impl Redirect {
    /// The answer to a request. `query` begins with its question mark, or is empty.
    #[must_use]
    pub fn respond(&self, path: &str, query: &str) -> Respond {
        let location =
            HeaderValue::from_str(&format!("{}{}{}", self.origin, self.path_for(path), self.query.of(query)));
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
            let own = RedirectQuery::Before("".into());
            let redirect = Redirect { status: StatusCode::PERMANENT_REDIRECT, from, origin, to, query: own };
            let answer = redirect.respond(path, query);
            assert_eq!(
                answer.headers,
                [(header::LOCATION, HeaderValue::from_str(location).unwrap())],
                "{path}"
            );
        }
    }
    #[test]
    fn an_exact_route_leads_to_exactly_the_target() {
        for (from, to, path, location) in [
            ("/", "/shop", "/", "/shop"),
            ("/", "/shop/", "/", "/shop/"),
            ("/old/", "/new", "/old/", "/new"),
            ("/o/{id}", "/orders/{id}", "/o/7", "/orders/7"),
        ] {
            let pattern = |text| PathPattern::parse(text).unwrap();
            let (from, to, origin) = (pattern(from).exactly(), pattern(to), "".into());
            let query = RedirectQuery::Before("".into());
            let redirect = Redirect { status: StatusCode::FOUND, from, origin, to, query };
            assert_eq!(redirect.path_for(path), location, "{path}");
        }
    }

    #[test]
    fn a_query_of_its_own_stands_before_that_of_the_request() {
        let before = |own: &str| RedirectQuery::Before(own.into());
        let only = |own: &str| RedirectQuery::Only(own.into());
        for (query, asked, expected) in [
            (before(""), "", ""),
            (before(""), "?", "?"),
            (before(""), "?a=1", "?a=1"),
            (before("l=en"), "", "?l=en"),
            (before("l=en"), "?", "?l=en"),
            (before("l=en"), "?a=1", "?l=en&a=1"),
            (before("l=en"), "?l=de&a=?", "?l=en&l=de&a=?"),
            (only(""), "?a=1", ""),
            (only("l=en"), "?a=1", "?l=en"),
            (only("l=en"), "", "?l=en"),
        ] {
            assert_eq!(query.of(asked), expected, "{query:?} {asked}");
        }
    }
}
