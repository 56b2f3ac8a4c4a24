//! Paths of a configuration that were meant as patterns: other gateways have globs, variables and regular expressions
//! where this one has a prefix. Taken literally, they would match nothing that clients send.

use super::yaml::diagnostic::quoted;

/// Why a path is hardly meant as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    /// What it looks like, to follow the path in a message.
    pub(super) problem: &'static str,
    /// What to write instead.
    pub(super) help: String,
    /// Whether it may also be meant, so that the file can be used.
    pub(super) may_be_meant: bool,
}

/// Whether a path may have variables (`/orders/{id}`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variables {
    Allowed,
    Refused,
}

/// What makes the path of a route one of another gateway or framework, such as a wildcard, so that it can't be used.
#[must_use]
pub fn foreign_sign(path: &str) -> Option<&'static str> {
    let found = pattern_in(path, Variables::Allowed).filter(|found| !found.may_be_meant);
    found.map(|found| found.problem)
}

/// What the path looks like, where it does not look like a path.
pub(super) fn pattern_in(path: &str, variables: Variables) -> Option<Pattern> {
    let pattern = |problem, may_be_meant| {
        let help =
            format!("a path is a prefix and covers all below it: write {}", quoted(&literal_part(path)));
        Some(Pattern { problem, help, may_be_meant })
    };
    if path.starts_with('=') {
        let exact = "a path is a prefix; for nothing below it, add `exact: true`";
        return Some(Pattern {
            problem: "has a modifier, which paths don't have",
            help: format!("{exact}, and write {}", quoted(&literal_part(path))),
            may_be_meant: false,
        });
    }
    let starts_as_expression = path.starts_with(['~', '^']);
    if starts_as_expression || [".*", ".+", "\\", "[", "(?", "|"].iter().any(|sign| path.contains(sign)) {
        return pattern("looks like a regular expression or a modifier, which paths don't have", false);
    }
    if path.contains(['<', '>']) {
        return pattern("has a variable in `<` and `>`, which paths don't have", false);
    }
    if variables == Variables::Refused && path.contains(['{', '}']) {
        return pattern("has a variable, which only paths of routes have", false);
    }
    if path.ends_with('*') || path.split('/').any(|segment| matches!(segment, "*" | "**")) {
        return pattern("has a wildcard, which paths don't have", false);
    }
    if path.contains('*') {
        return pattern("has a `*`, which is taken literally", true);
    }
    let mut segments = path.split('/');
    if segments.any(|segment| segment.strip_prefix(':').is_some_and(|name| !name.is_empty())) {
        return pattern("has a segment that begins with `:`, which is taken literally", true);
    }
    if path.len() > 1 && path.ends_with('$') {
        return pattern("ends with `$`, which is taken literally", true);
    }
    None
}

/// The path up to where it stops being one: to the last slash before the first sign of a pattern.
fn literal_part(path: &str) -> String {
    let path = path.trim_start_matches(['~', '^', '=', '*', ' ', '\\']).trim_end_matches('$');
    let signs = ['*', '{', '}', '<', '>', '[', ']', '(', ')', '\\', '^', '|', '+', '?'];
    let end = path.find(signs).into_iter().chain(path.find("/:").map(|at| at + 1)).min();
    let before = end.and_then(|end| path.get(..end));
    let literal = match before.map(|before| before.rfind('/')) {
        Some(slash) => slash.and_then(|slash| path.get(..=slash)).unwrap_or_default(),
        None => path,
    };
    if literal.starts_with('/') { literal.to_owned() } else { "/orders/".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_told_from_paths() {
        for (path, instead, may_be_meant) in [
            ("/orders/*", "/orders/", false),
            ("/orders/**", "/orders/", false),
            ("/orders*", "/", false),
            ("/*", "/", false),
            ("*", "/orders/", false),
            ("/orders/*/lines", "/orders/", false),
            ("/orders/{id}", "/orders/", false),
            ("/orders/{id}/lines", "/orders/", false),
            ("/{tenant}", "/", false),
            ("/orders/<id>", "/orders/", false),
            ("~^/orders", "/orders", false),
            ("~* ^/orders/", "/orders/", false),
            ("^/orders/", "/orders/", false),
            ("= /orders", "/orders", false),
            ("/orders/.*", "/orders/", false),
            ("/orders/(.*)", "/orders/", false),
            ("/orders/[0-9]+", "/orders/", false),
            ("/orders/\\d+", "/orders/", false),
            ("/a*b", "/", true),
            ("/orders/:id", "/orders/", true),
            ("/orders$", "/orders", true),
            ("=/orders", "/orders", false),
        ] {
            let found = pattern_in(path, Variables::Refused).unwrap_or_else(|| panic!("{path}"));
            assert!(found.help.ends_with(&format!("write `{instead}`")), "{path}: {}", found.help);
            assert_eq!(found.may_be_meant, may_be_meant, "{path}");
        }
    }

    #[test]
    fn the_paths_of_routes_have_variables() {
        for (path, problem) in [
            ("/orders/{id}/lines", None),
            ("/orders/{id}.json", None),
            (
                "/orders/{id:[0-9]+}",
                Some("looks like a regular expression or a modifier, which paths don't have"),
            ),
            ("/orders/{id}/*", Some("has a wildcard, which paths don't have")),
            ("/orders/<id>", Some("has a variable in `<` and `>`, which paths don't have")),
        ] {
            assert_eq!(pattern_in(path, Variables::Allowed).map(|found| found.problem), problem, "{path}");
        }
    }

    #[test]
    fn paths_are_not_patterns() {
        for path in [
            "/",
            "/orders/",
            "/odata/$batch",
            "/v1.0/$batch",
            "/Products(1)/x",
            "/items:batchGet",
            "/a+b",
            "/a.b/",
            "/~user/",
            "/a=b",
            "/%2A",
            "/a/:",
            "orders",
        ] {
            assert_eq!(pattern_in(path, Variables::Refused), None, "{path}");
        }
    }
}
