//! `--set key=value`: values that the command line puts in place of those in the files.
//!
//! A key is a path of names, with dots between them, and numbers for the elements of lists from 0:
//! `upstreams.orders.concurrency`, `routes.0.path`. The number behind the last element adds one. The value is YAML on one line.
//! `${NAME}` means the same as in a file.

use std::path::Path;

use super::environment::{Environment, substitute};
use super::masking::{in_tree, is_secret_key};
use super::text::text_of;
use super::yaml::diagnostic::{Diagnostic, Findings, quoted};
use super::yaml::span::Span;
use super::yaml::tree::{self, Key, Node, NodeValue};

/// A value that the command line sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    text: String,
    /// Bytes of the key in `text`.
    key: usize,
}

impl std::str::FromStr for Override {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (key, value) = text.split_once('=').ok_or("write KEY=VALUE, such as limits.memory=1GiB")?;
        if key.split('.').any(|name| name.trim() != name || name.is_empty()) {
            return Err("a key is names with dots between them, such as limits.memory");
        }
        if value.contains('\n') {
            return Err("a value is YAML on one line, such as [a, b] or {a: b}");
        }
        Ok(Self { text: text.to_owned(), key: key.len() })
    }
}

impl Override {
    fn key(&self) -> &str {
        self.text.get(..self.key).unwrap_or_default()
    }

    /// Puts the value into `tree`, or reports why not.
    pub(super) fn apply(&self, tree: &mut Node, env: Environment<'_>, findings: &mut Findings) {
        let number = findings.add(text_of(&self.text, &format!("--set {}", self.key()), Path::new("")));
        // The key in blanks, so that places in the value are places in the text.
        let value = self.text.get(self.key + 1..).unwrap_or_default();
        let padded = format!("{}{value}", " ".repeat(self.key + 1));
        let mut value = match tree::read(&padded) {
            Ok(value) => value.in_text(number),
            Err(error) => {
                self.hide(number, findings);
                return findings.push(error.in_text(number));
            }
        };
        if self.key().split('.').any(|name| name == "headers" || is_secret_key(name)) {
            self.hide(number, findings);
        } else if let Some(text) = findings.text(number) {
            text.secret.extend(in_tree(&value));
        }
        substitute(&mut value, &padded, env, findings);
        let place = Place { number, start: 0, column: 1 };
        if self.key().split('.').next() == Some("include") {
            let message = "`include` can be written in a file only";
            return findings.push(Diagnostic::error(Some(place.span("include")), message));
        }
        if let Err(problem) = set(tree, self.key(), place, value) {
            findings.push(*problem);
        }
    }

    fn hide(&self, number: usize, findings: &mut Findings) {
        if let Some(text) = findings.text(number) {
            text.secret.push(self.key + 1..self.text.len());
        }
    }
}

/// Where the rest of a key is.
#[derive(Clone, Copy)]
struct Place {
    number: usize,
    start: usize,
    column: usize,
}

impl Place {
    fn span(self, name: &str) -> Span {
        let Self { number, start, column } = self;
        Span { file: number, line: 1, column, start, end: start + name.len() }
    }

    fn behind(self, name: &str) -> Self {
        let (start, column) = (self.start + name.len() + 1, self.column + name.chars().count() + 1);
        Self { start, column, ..self }
    }
}

/// Sets the value at `key` below `node`. What is not there on the way is made.
fn set(node: &mut Node, key: &str, place: Place, value: Node) -> Result<(), Box<Diagnostic>> {
    let (name, rest) = key.split_once('.').map_or((key, None), |(name, rest)| (name, Some(rest)));
    let span = place.span(name);
    let (written, child) = child(node, name, span)?;
    if let Some(rest) = rest {
        return set(child, rest, place.behind(name), value);
    }
    // What is said of a key without a value is said of this one.
    if let Some(written) = written {
        written.span = span;
    }
    *child = value;
    Ok(())
}

/// The value with this name or number, and the name as it is written, if it is one.
fn child<'node>(
    node: &'node mut Node,
    name: &str,
    span: Span,
) -> Result<(Option<&'node mut Key>, &'node mut Node), Box<Diagnostic>> {
    if matches!(node.value, NodeValue::Empty | NodeValue::Broken) {
        node.value = NodeValue::Mapping(Vec::new());
    }
    let empty = || Node { span, value: NodeValue::Empty, from_environment: false, empty_variable: None };
    let problem = match &mut node.value {
        NodeValue::Mapping(entries) => {
            let index = entries.iter().position(|(key, _)| key.name == name).unwrap_or(entries.len());
            if index == entries.len() {
                entries.push((Key { span, name: name.to_owned() }, empty()));
            }
            entries.get_mut(index).map(|(key, value)| (Some(key), value)).ok_or_else(String::new)
        }
        NodeValue::List(items) => match name.parse::<usize>() {
            Ok(index) if index <= items.len() => {
                if index == items.len() {
                    items.push(empty());
                }
                items.get_mut(index).map(|value| (None, value)).ok_or_else(String::new)
            }
            Ok(_) | Err(_) => Err(format!("write a number from 0 to {}", items.len())),
        },
        NodeValue::Scalar(_) | NodeValue::Empty | NodeValue::Broken => {
            Err("set the complete value, such as {a: b}".to_owned())
        }
    };
    problem.map_err(|help| {
        let message = format!("there is no {} here", quoted(name));
        Box::new(Diagnostic::error(Some(span), message).help(help))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::yaml::tree::read;

    /// The tree after these were set, or the report.
    fn after(text: &str, sets: &[&str]) -> Result<String, String> {
        let mut tree = read(text).unwrap();
        let mut findings = Findings::default();
        for set in sets {
            set.parse::<Override>().unwrap().apply(&mut tree, &|_| Some("5".to_owned()), &mut findings);
        }
        let report = findings.diagnostics();
        if report.is_empty() { Ok(serde_saphyr::to_string(&tree).unwrap()) } else { Err(report.to_string()) }
    }

    #[test]
    fn values_are_replaced_and_added() {
        for (text, set, expected) in [
            ("a: 1", "a=2", "a: 2\n"),
            ("a: 1", "b.c=x=y", "a: 1\nb:\n  c: x=y\n"),
            ("a: [1, 2]", "a.1=3", "a:\n- 1\n- 3\n"),
            ("a: [1]", "a.1={b: 2}", "a:\n- 1\n- b: 2\n"),
            ("a: [{b: 1}]", "a.0.b=${N}", "a:\n- b: 5\n"),
            ("a: 1", "a=", "{}\n"),
        ] {
            assert_eq!(after(text, &[set]).as_deref(), Ok(expected), "{set}");
        }
    }

    #[test]
    fn a_report_names_the_option() {
        for (set, parts) in [
            ("a.2=1", ["--> --set a.2:1:3", "from 0 to 1"]),
            ("a.x=1", ["--> --set a.x:1:3", "from 0 to 1"]),
            ("b.c=1", ["--> --set b.c:1:3", "the complete value"]),
            ("include=[a]", ["--> --set include:1:1", "in a file only"]),
            ("ä=[1", ["--> --set ä:1:", "read as YAML"]),
        ] {
            let report = after("a: [0]\nb: 1", &[set]).unwrap_err();
            assert!(parts.iter().all(|part| report.contains(part)), "{set}: {report}");
        }
    }

    #[test]
    fn a_report_shows_no_secret() {
        for set in ["auth.secret=hunter2: [", "u.headers.set.X=hunter2: ["] {
            let report = after("a: 1", &[set]).unwrap_err();
            assert!(!report.contains("hunter2"), "{report}");
        }
    }

    #[test]
    fn options_that_are_no_setting_are_refused() {
        for text in ["a", "=1", "a..b=1", ".a=1", " a=1", "a=1\n2"] {
            assert!(text.parse::<Override>().is_err(), "{text}");
        }
    }
}
