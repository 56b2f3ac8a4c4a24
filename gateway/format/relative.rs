//! Urls that are relative to the folder of the endpoint, as OData has them (JSON Format 4.01 §19.1,
//! Protocol 4.01 §11.7.7.1).

/// Resources of OData whose names begin with a dollar sign. Any other `$name` is a reference to an
/// earlier item.
const ODATA_RESOURCES: [&str; 6] = ["$metadata", "$batch", "$all", "$entity", "$count", "$crossjoin"];

/// A relative url, resolved against the endpoint's folder. Urls of another form are left to the plan,
/// which refuses those that lead elsewhere.
pub(crate) fn resolved(url: &str, endpoint: &str) -> String {
    let first = url.split(['/', '?', '#']).next().unwrap_or_default();
    let folder = endpoint.rsplit_once('/').map_or("", |(folder, _)| folder);
    // RFC 3986 §4.2: a colon in the first segment would make it a scheme.
    if first.is_empty() || first.contains([':', '\\', '@']) || is_reference(first) {
        return url.to_owned();
    }
    format!("{folder}/{url}")
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
            ("\\\\evil", "\\\\evil"),
            ("?x", "?x"),
            ("", ""),
        ] {
            assert_eq!(resolved(target, "/svc/$batch"), expected);
        }
        assert_eq!(resolved("x", "/batch"), "/x");
    }
}
