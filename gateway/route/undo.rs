//! A route's `undo`: how to take back what a method did, method by method. In: the texts of the configuration. Out: the
//! rule for a method. `plan` decides with it what undoes an item, `dispatch` does it.

use std::fmt;

use http::Method;

/// The url of what a call has made.
const LOCATION: &str = "{location}";

const SNAPSHOT: &str = "snapshot";

/// How to undo a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UndoRule {
    /// By a call with this method to the url in the reply's Location.
    AtLocation(Method),
    /// By putting back what a GET of the same url found before.
    Snapshot,
}

/// Why a text is not a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a way to undo a call")]
pub struct UndoError;

impl UndoRule {
    /// Reads `snapshot`, or `METHOD {location}`.
    ///
    /// # Errors
    /// The text is neither of them, or its method changes nothing.
    pub fn parse(text: &str) -> Result<Self, UndoError> {
        if text == SNAPSHOT {
            return Ok(Self::Snapshot);
        }
        let method =
            text.strip_suffix(LOCATION).and_then(|before| before.strip_suffix(' ')).ok_or(UndoError)?;
        let method = super::known_method(method).filter(|method| !is_safe(method)).ok_or(UndoError)?;
        if method == Method::CONNECT { Err(UndoError) } else { Ok(Self::AtLocation(method)) }
    }
}

impl fmt::Display for UndoRule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLocation(method) => write!(formatter, "{method} {LOCATION}"),
            Self::Snapshot => formatter.write_str(SNAPSHOT),
        }
    }
}

/// The rules of a route, by method.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UndoRules(Vec<(Method, UndoRule)>);

impl UndoRules {
    /// These rules. Each method has one at most.
    #[must_use]
    pub const fn new(rules: Vec<(Method, UndoRule)>) -> Self {
        Self(rules)
    }

    /// Whether nothing can be undone.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How to undo a call with this method.
    #[must_use]
    pub fn get(&self, method: &Method) -> Option<&UndoRule> {
        self.0.iter().find(|(other, _)| other == method).map(|(_, rule)| rule)
    }
}

/// Whether a path (with or without a query) names a collection by its last slash. What GET finds there is a list of its
/// members: to put that back would put a list in their place.
#[must_use]
pub fn names_collection(target: &str) -> bool {
    target.split('?').next().is_some_and(|path| path.ends_with('/'))
}

/// Whether a method changes nothing, so that nothing has to be undone (RFC 9110 §9.2.1, and the safe methods of RFC 4918,
/// RFC 3253, RFC 5323 and RFC 10008).
#[must_use]
pub fn is_safe(method: &Method) -> bool {
    method.is_safe() || matches!(method.as_str(), "PROPFIND" | "REPORT" | "SEARCH" | "QUERY")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_a_snapshot_or_a_method_at_the_location() {
        for text in ["snapshot", "DELETE {location}", "POST {location}"] {
            assert_eq!(UndoRule::parse(text).map(|rule| rule.to_string()), Ok(text.to_owned()));
        }
        assert_eq!(UndoRule::parse("delete {location}"), Ok(UndoRule::AtLocation(Method::DELETE)));
        for text in [
            "",
            "Snapshot",
            "DELETE",
            "{location}",
            "DELETE{location}",
            "GET {location}",
            "DELETE {other}",
            "A B {location}",
            "CONNECT {location}",
        ] {
            assert_eq!(UndoRule::parse(text), Err(UndoError), "{text}");
        }
    }
}
