//! `${NAME}`, `${NAME:-default}` and `$$` in scalar values.
//!
//! Runs on the tree, after the YAML was read: whatever a variable holds stays one scalar and can't
//! become structure. Keys are left alone. An unset or, with `:-`, empty variable takes the default;
//! an unset one without default is an error at its place. A value with anything from the environment
//! in it is marked, and never shown.

use super::yaml::diagnostic::{Diagnostic, Findings, quoted};
use super::yaml::span::Span;
use super::yaml::tree::{Node, NodeValue};

/// Reads a variable. What is not UTF-8 in it is U+FFFD ([`is_not_text`]).
pub(super) type Environment<'env> = &'env dyn Fn(&str) -> Option<String>;

/// Whether a variable's value has bytes that are not UTF-8.
pub(super) fn is_not_text(value: &str) -> bool {
    value.contains(char::REPLACEMENT_CHARACTER)
}

/// Replaces every reference below `node`; `text` is the file's.
pub(super) fn substitute(node: &mut Node, text: &str, environment: Environment<'_>, findings: &mut Findings) {
    match &mut node.value {
        NodeValue::Broken | NodeValue::Empty => {}
        NodeValue::Scalar(scalar) => match expand(scalar, environment) {
            Ok(Expanded { value, from_environment, empty_variable }) => {
                *scalar = value;
                node.from_environment = from_environment;
                node.empty_variable = empty_variable;
            }
            Err(error) => {
                findings.push(error.diagnostic(node.span, text));
                node.value = NodeValue::Broken;
            }
        },
        NodeValue::List(items) => {
            for item in items {
                substitute(item, text, environment, findings);
            }
        }
        NodeValue::Mapping(entries) => {
            for (_, value) in entries {
                substitute(value, text, environment, findings);
            }
        }
    }
}

/// Doubles every `$` below `node`, so that the values stay what they are when they are read again.
pub(super) fn escape(node: &mut Node) {
    match &mut node.value {
        NodeValue::Broken | NodeValue::Empty => {}
        NodeValue::Scalar(scalar) => *scalar = scalar.replace('$', "$$"),
        NodeValue::List(items) => items.iter_mut().for_each(escape),
        NodeValue::Mapping(entries) => entries.iter_mut().for_each(|(_, value)| escape(value)),
    }
}

/// A scalar of YAML that is read as exactly this text.
#[must_use]
pub fn scalar(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''").replace('$', "$$"))
}

#[derive(Debug, PartialEq, Eq)]
struct Expanded {
    value: String,
    from_environment: bool,
    /// The first variable that gave nothing.
    empty_variable: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum ReferenceError {
    Unset { name: String },
    NotText { name: String },
    Open,
    Name { name: String },
}

impl ReferenceError {
    fn diagnostic(&self, scalar: Span, text: &str) -> Diagnostic {
        match self {
            Self::Unset { name } => {
                let span = reference_place(scalar, text, &format!("${{{name}"));
                Diagnostic::error(Some(span), format!("the environment variable {} is not set", quoted(name)))
                    .help(format!("set it, or give a default: `${{{name}:-default}}`"))
            }
            Self::NotText { name } => {
                let span = reference_place(scalar, text, &format!("${{{name}"));
                let message = format!("the environment variable {} is not text in UTF-8", quoted(name));
                Diagnostic::error(Some(span), message).help("set it to the same text in UTF-8")
            }
            Self::Open => Diagnostic::error(Some(scalar), "`${` has no `}`")
                .help("write `${NAME}`, or `$$` for a plain dollar sign"),
            Self::Name { name } => {
                let message = format!("{} is not the name of an environment variable", quoted(name));
                Diagnostic::error(Some(scalar), message)
                    .help("a name has letters, digits and `_`; write `$$` for a plain dollar sign")
            }
        }
    }
}

/// The place of the reference itself, if it is on the scalar's first line as written.
fn reference_place(scalar: Span, text: &str, reference: &str) -> Span {
    let written = text.get(scalar.start..scalar.end).and_then(|written| written.lines().next());
    let Some((before, _)) = written.and_then(|line| line.split_once(reference)) else { return scalar };
    let start = scalar.start + before.len();
    Span { column: scalar.column + before.chars().count(), start, end: start + reference.len() + 1, ..scalar }
}

fn expand(scalar: &str, environment: Environment<'_>) -> Result<Expanded, ReferenceError> {
    let mut value = String::with_capacity(scalar.len());
    let mut from_environment = false;
    let mut empty_variable = None;
    let mut rest = scalar;
    while let Some((before, behind)) = rest.split_once('$') {
        value.push_str(before);
        if let Some(behind) = behind.strip_prefix('$') {
            value.push('$');
            rest = behind;
        } else if let Some(reference) = behind.strip_prefix('{') {
            let (reference, behind) = reference.split_once('}').ok_or(ReferenceError::Open)?;
            let given = referenced(reference, environment)?;
            if given.is_empty() && empty_variable.is_none() {
                empty_variable = reference.split(":-").next().map(str::to_owned);
            }
            value.push_str(&given);
            from_environment = true;
            rest = behind;
        } else {
            // `$batch` is a path of OData's, not a reference.
            value.push('$');
            rest = behind;
        }
    }
    value.push_str(rest);
    Ok(Expanded { value, from_environment, empty_variable })
}

fn referenced(reference: &str, environment: Environment<'_>) -> Result<String, ReferenceError> {
    let (name, default) = match reference.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (reference, None),
    };
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !starts || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(ReferenceError::Name { name: name.to_owned() });
    }
    match (environment(name), default) {
        (Some(value), _) if is_not_text(&value) => Err(ReferenceError::NotText { name: name.to_owned() }),
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(ReferenceError::Unset { name: name.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(scalar: &str) -> Result<String, ReferenceError> {
        let environment = |name: &str| match name {
            "A" => Some("1".to_owned()),
            "EMPTY" => Some(String::new()),
            "BYTES" => Some("a\u{fffd}".to_owned()),
            "YAML" => Some("x\ninjected: [1, {a: ${A}}]".to_owned()),
            _ => None,
        };
        expand(scalar, &environment).map(|expanded| expanded.value)
    }

    #[test]
    fn references_are_replaced() {
        for (scalar, value) in [
            ("plain", "plain"),
            ("${A}", "1"),
            ("a${A}b${A}", "a1b1"),
            ("${B:-2}", "2"),
            ("${A:-2}", "1"),
            ("${EMPTY}", ""),
            ("${EMPTY:-3}", "3"),
            ("${B:-}", ""),
            ("$$", "$"),
            ("$${A}", "${A}"),
            ("/odata/$batch", "/odata/$batch"),
            ("5$", "5$"),
        ] {
            assert_eq!(expanded(scalar).as_deref(), Ok(value), "{scalar}");
        }
    }

    #[test]
    fn what_a_variable_holds_is_not_read_again() {
        assert_eq!(expanded("${YAML}").as_deref(), Ok("x\ninjected: [1, {a: ${A}}]"));
    }

    #[test]
    fn broken_references_are_errors() {
        assert_eq!(expanded("${B}"), Err(ReferenceError::Unset { name: "B".to_owned() }));
        assert_eq!(expanded("${BYTES:-x}"), Err(ReferenceError::NotText { name: "BYTES".to_owned() }));
        assert_eq!(expanded("${A"), Err(ReferenceError::Open));
        assert_eq!(expanded("${}"), Err(ReferenceError::Name { name: String::new() }));
        assert_eq!(expanded("${A:?x}"), Err(ReferenceError::Name { name: "A:?x".to_owned() }));
    }
}
