//! Urls that are relative to the folder of the endpoint, as OData has them (JSON Format 4.01 §19.1,
//! Protocol 4.01 §11.7.7.1). Graph's are even with a slash in front.

use std::borrow::Cow;

use crate::route::behind_prefix;

/// Resources of OData whose names begin with a dollar sign. Any other `$name` is a reference to an
/// earlier item.
const ODATA_RESOURCES: [&str; 6] = ["$metadata", "$batch", "$all", "$entity", "$count", "$crossjoin"];

/// What the urls of items are relative to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum UrlBase<'a> {
    /// The gateway: every url begins with a slash.
    #[default]
    Gateway,
    /// The folder of the endpoint with this path. A url that begins with a slash is the gateway's.
    Folder(&'a str),
    /// The same, and a url that begins with a slash is in the folder, too, unless it begins with the folder.
    FolderWithSlash(&'a str),
}

/// A relative url, resolved. What the client wrote is the end of the result. Urls of another form are left to the plan,
/// which refuses those that lead elsewhere.
pub(crate) fn resolved<'url>(url: &'url str, base: UrlBase<'_>) -> Cow<'url, str> {
    match base {
        UrlBase::Gateway => Cow::Borrowed(url),
        UrlBase::FolderWithSlash(endpoint) if url.starts_with('/') => below_folder(url, folder_of(endpoint)),
        UrlBase::Folder(endpoint) | UrlBase::FolderWithSlash(endpoint) => in_folder(url, folder_of(endpoint)),
    }
}

fn folder_of(endpoint: &str) -> &str {
    endpoint.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn below_folder<'url>(url: &'url str, folder: &str) -> Cow<'url, str> {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let behind = behind_prefix(path, folder);
    // `//host` names another host, which is for the plan to refuse.
    if url.starts_with("//") || behind.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        return Cow::Borrowed(url);
    }
    Cow::Owned(format!("{folder}{url}"))
}

fn in_folder<'url>(url: &'url str, folder: &str) -> Cow<'url, str> {
    // RFC 9112 §3.2.4: `OPTIONS *` is about the server, and `*` is not relative to anything.
    let is_asterisk = url.split(['?', '#']).next() == Some("*");
    let first = url.split(['/', '?', '#']).next().unwrap_or_default();
    // RFC 3986 §4.2: a colon in the first segment would make it a scheme.
    if is_asterisk || first.is_empty() || first.contains([':', '\\', '@']) || is_reference(first) {
        return Cow::Borrowed(url);
    }
    Cow::Owned(format!("{folder}/{url}"))
}

/// Whether a first segment refers to the result of an earlier item, `$1`; such urls are not resolved.
fn is_reference(segment: &str) -> bool {
    let name = segment.split('(').next().unwrap_or_default();
    segment.starts_with('$') && !ODATA_RESOURCES.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_targets_are_in_the_endpoints_folder() {
        for (target, expected) in [
            ("Customers(1)", "/svc/Customers(1)"),
            ("Customers?$top=1", "/svc/Customers?$top=1"),
            ("$metadata", "/svc/$metadata"),
            ("$crossjoin(A,B)?x", "/svc/$crossjoin(A,B)?x"),
            ("../x", "/svc/../x"),
            ("/Customers", "/Customers"),
            ("http://gw/Customers", "http://gw/Customers"),
            ("//evil/x", "//evil/x"),
            ("$1/Lines", "$1/Lines"),
            ("$new", "$new"),
            ("a:b", "a:b"),
            ("@evil/x", "@evil/x"),
            ("*", "*"),
            ("*?key=1", "*?key=1"),
            ("\\\\evil", "\\\\evil"),
            ("?x", "?x"),
            ("", ""),
        ] {
            assert_eq!(resolved(target, UrlBase::Folder("/svc/$batch")), expected);
            assert_eq!(resolved(target, UrlBase::Gateway), target);
        }
        assert_eq!(resolved("x", UrlBase::Folder("/batch")), "/x");
        assert_eq!(resolved("*/x", UrlBase::Folder("/batch")), "/*/x");
    }

    #[test]
    fn in_graph_a_slash_in_front_means_the_folder() {
        for (target, expected) in [
            ("/me/memberOf", "/v1.0/me/memberOf"),
            ("me/memberOf", "/v1.0/me/memberOf"),
            ("users?$select=id", "/v1.0/users?$select=id"),
            ("/v1.0/users", "/v1.0/users"),
            ("/v1.0", "/v1.0"),
            ("/v1.0?x", "/v1.0?x"),
            ("/v1.0x", "/v1.0/v1.0x"),
            ("/%761%2e0/users?x=/", "/%761%2e0/users?x=/"),
            ("/%761%2E0", "/%761%2E0"),
            ("/v1.0%3Fx", "/v1.0/v1.0%3Fx"),
            ("/v1.0%2Fx", "/v1.0/v1.0%2Fx"),
            ("/v1.0%zz", "/v1.0/v1.0%zz"),
            ("/beta/users", "/v1.0/beta/users"),
            ("/../x", "/v1.0/../x"),
            ("//evil/x", "//evil/x"),
            ("http://gw/v1.0/users", "http://gw/v1.0/users"),
            ("$1", "$1"),
            ("*", "*"),
            ("*x", "/v1.0/*x"),
        ] {
            assert_eq!(resolved(target, UrlBase::FolderWithSlash("/v1.0/$batch")), expected);
        }
        assert_eq!(resolved("/x", UrlBase::FolderWithSlash("/$batch")), "/x");
        assert_eq!(resolved("/$a/x", UrlBase::FolderWithSlash("/%24a/batch")), "/$a/x");
    }
}
