//! Methods: the ones that a route allows, and their labels in metrics.

use http::Method;

/// Whether replies to this method may be DAV documents, whose hrefs are mapped. Replies to the methods of RFC 9110 and
/// RFC 5789 never are, but those to DELETE may be (RFC 4918 §9.6.1): an XML file that a client downloads stays as it is.
#[must_use]
pub fn has_dav_replies(method: &Method) -> bool {
    !matches!(method.as_str(), "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "OPTIONS" | "TRACE")
}

/// The methods with a name in metrics and in messages: RFC 9110 §9, RFC 5789, RFC 4918 §9,
/// RFC 3253 §3.6, RFC 3744, RFC 5323, RFC 4791.
const KNOWN: [&str; 22] = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "PATCH",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "REPORT",
    "SEARCH",
    "ACL",
    "MKCALENDAR",
    "VERSION-CONTROL",
    "QUERY",
];

const OTHER: &str = "_OTHER";

/// The method's label in metrics: its name, or `_OTHER`, so that clients can't add series.
#[must_use]
pub fn method_label(method: &Method) -> &'static str {
    KNOWN.iter().find(|known| **known == method.as_str()).copied().unwrap_or(OTHER)
}

/// What stands for a method that nobody knows, because it can't be read. Its label is `_OTHER`, too.
#[must_use]
pub fn unreadable_method() -> Method {
    Method::from_bytes(OTHER.as_bytes()).unwrap_or_default()
}

/// The method with this name: a known one in any case, otherwise the token as it is.
#[must_use]
pub fn known_method(name: &str) -> Option<Method> {
    let known = KNOWN.iter().find(|known| known.eq_ignore_ascii_case(name)).copied();
    Method::from_bytes(known.unwrap_or(name).as_bytes()).ok()
}

/// The methods that a route allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum MethodSet {
    /// Every method except CONNECT, which does not ask for a resource, and TRACE: its answer would show the credentials
    /// that the gateway has added.
    #[default]
    Any,
    /// Only these, in the order of the configuration.
    Only(Vec<Method>),
}

impl MethodSet {
    /// Whether the method is allowed. HEAD is allowed if GET is (RFC 9110 §9.3.2).
    #[must_use]
    pub fn allows(&self, method: &Method) -> bool {
        match self {
            Self::Any => is_in_any(method.as_str()),
            Self::Only(methods) => {
                methods.contains(method) || (method == Method::HEAD && methods.contains(&Method::GET))
            }
        }
    }

    /// Whether it allows all that the other one allows.
    #[must_use]
    pub fn includes(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Only(methods)) => methods.iter().all(|method| self.allows(method)),
            (Self::Any, Self::Any) => true,
            (Self::Only(_), Self::Any) => false,
        }
    }

    /// The value of an Allow field (RFC 9110 §10.2.1), which is a list of tokens. If any method is allowed, it lists the
    /// known ones.
    #[must_use]
    pub fn allow_value(&self) -> String {
        let allowed: Vec<_> = match self {
            Self::Any => KNOWN.into_iter().filter(|name| is_in_any(name)).collect(),
            Self::Only(methods) => {
                let head = methods.contains(&Method::GET) && !methods.contains(&Method::HEAD);
                methods.iter().map(Method::as_str).chain(head.then_some("HEAD")).collect()
            }
        };
        allowed.join(", ")
    }
}

/// Whether a route without a list of methods allows this one. Methods are case-sensitive (RFC 9110 §9.1), but a service
/// that reads `Trace` as TRACE would show the same credentials.
fn is_in_any(name: &str) -> bool {
    ![Method::CONNECT, Method::TRACE].iter().any(|never| never.as_str().eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trace_and_connect_are_allowed_only_if_a_route_lists_them() {
        for (name, any) in [
            ("GET", true),
            ("PROPFIND", true),
            ("BREW", true),
            ("TRACE", false),
            ("Trace", false),
            ("CONNECT", false),
        ] {
            assert_eq!(MethodSet::Any.allows(&Method::from_bytes(name.as_bytes()).unwrap()), any, "{name}");
        }
        let only = MethodSet::Only(vec![Method::TRACE]);
        assert!(only.allows(&Method::TRACE));
        assert_eq!(only.allow_value(), "TRACE");
    }

    #[test]
    fn allow_is_a_list_of_methods_even_if_any_is_allowed() {
        let allow = MethodSet::Any.allow_value();
        assert!(allow.starts_with("GET, HEAD, POST, "), "{allow}");
        assert!(!allow.contains("CONNECT") && !allow.contains("TRACE"), "{allow}");
        assert_eq!(MethodSet::Only(vec![Method::GET, Method::PUT]).allow_value(), "GET, PUT, HEAD");
    }
}
