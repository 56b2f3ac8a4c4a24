//! A request line: the method, and the target as a url of the gateway.

use crate::format::ReadContext;
use crate::format::draft::Draft;

/// Resources of OData whose names begin with a dollar sign. Any other `$name` is a reference to an
/// earlier item.
const ODATA_RESOURCES: [&str; 6] = ["$metadata", "$batch", "$all", "$entity", "$count", "$crossjoin"];

/// Reads a request line. The HTTP version may be missing, as in an example of OData's.
pub(super) fn read(draft: &mut Draft<'_>, line: &[u8], context: &ReadContext<'_>) {
    let Ok(line) = std::str::from_utf8(line) else {
        draft.reject_member("request line", "is not in UTF-8");
        return;
    };
    let (method, rest) = line.split_once(' ').unwrap_or((line, ""));
    draft.set_method(method);
    let target = match rest.trim_matches(' ').rsplit_once(' ') {
        Some((target, version)) if is_version(version) => target.trim_end_matches(' '),
        Some(_) => {
            draft.reject_member("request line", "is no method, target and HTTP/1.1");
            return;
        }
        None => rest.trim_matches(' '),
    };
    if is_version(target) {
        draft.reject_member("request line", "has no target");
    } else {
        draft.set_url(&resolved(target, context.endpoint));
    }
}

fn is_version(word: &str) -> bool {
    word.eq_ignore_ascii_case("HTTP/1.1") || word.eq_ignore_ascii_case("HTTP/1.0")
}

/// A relative target, resolved against the endpoint's folder; one of another form is left to the plan,
/// which refuses what leads elsewhere.
fn resolved(target: &str, endpoint: &str) -> String {
    let first = target.split(['/', '?', '#']).next().unwrap_or_default();
    let folder = endpoint.rsplit_once('/').map_or("", |(folder, _)| folder);
    // RFC 3986 §4.2: a colon in the first segment would make it a scheme.
    if first.is_empty() || first.contains([':', '\\', '@']) || is_reference(first) {
        return target.to_owned();
    }
    format!("{folder}/{target}")
}

/// Whether a first segment refers to the result of an earlier item, `$1`; these are not resolved.
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
