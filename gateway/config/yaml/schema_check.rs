//! Checks a tree against the schema, and reports everything that does not fit, not the first only.
//!
//! serde stops at its first error; this walk does not. What does not fit is taken out of the tree,
//! up to the nearest key that may be absent, so that the rest can still be read and its names looked
//! up in the same run. In: tree and schema. Out: the tree without what was reported.

use std::collections::HashMap;

use serde_json::Value;

use super::diagnostic::{Diagnostic, Findings, nearest, quoted};
use super::example::{self, forms};
use super::schema_form::{
    Property, example, is_mapping, is_scalar, known_keys, noun, one_required, properties, property, required,
    scalar_problem, type_of,
};
use super::span::Span;
use super::tree::{Key, Node, NodeValue};

/// Whether what was checked can be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum Fitness {
    /// It fits.
    Usable,
    /// It does not, and that has been reported.
    Broken,
}

/// Words that are not keys, but that people write as if they were.
#[derive(Clone, Copy)]
pub(in crate::config) struct Vocabulary {
    /// Keys of later versions, each with the schema path of its mapping: not typos, but not supported yet.
    pub(in crate::config) reserved: &'static [(&'static str, &'static str)],
    /// Words of other programs, each with the key that means the same here.
    pub(in crate::config) synonyms: &'static [(&'static str, &'static str)],
}

/// Checks `tree` against the root of `schema`.
pub(in crate::config) fn check(
    tree: &mut Node,
    schema: &Value,
    vocabulary: Vocabulary,
    findings: &mut Findings,
) -> Fitness {
    let span = tree.span;
    Walk { root: schema, vocabulary, findings }.node(tree, schema, &Position { path: String::new(), span })
}

struct Walk<'a> {
    root: &'a Value,
    vocabulary: Vocabulary,
    findings: &'a mut Findings,
}

/// Where the walk is: the path of the schema (`upstreams.*.timeout`), and where to point when the
/// value itself has no place.
struct Position {
    path: String,
    span: Span,
}

impl Position {
    fn below(&self, step: &str, span: Span) -> Self {
        let dot = if self.path.is_empty() || step.starts_with('[') { "" } else { "." };
        Self { path: format!("{}{dot}{step}", self.path), span }
    }
}

/// What is wrong with a key that has nothing after its colon.
const NO_VALUE: &str = "has no value";

/// A value of the wrong shape.
struct Misfit<'text> {
    span: Span,
    /// The text of the value, if it may be shown.
    shown: Option<&'text str>,
    what: &'static str,
}

impl<'a> Walk<'a> {
    fn node(&mut self, node: &mut Node, schema: &'a Value, position: &Position) -> Fitness {
        let forms = forms(schema, self.root);
        let span = node.span;
        match &mut node.value {
            NodeValue::Broken => Fitness::Broken,
            NodeValue::Empty => {
                let misfit = Misfit { span: position.span, shown: None, what: NO_VALUE };
                self.refuse(&misfit, schema, position)
            }
            NodeValue::Scalar(text) => {
                let shown = if node.from_environment { None } else { Some(text.as_str()) };
                let Some(form) = forms.iter().find(|form| is_scalar(form)) else {
                    let misfit = Misfit { span, shown, what: "has the wrong shape" };
                    return self.refuse(&misfit, schema, position);
                };
                let problem = scalar_problem(text, shown, form).map(|problem| match &node.empty_variable {
                    Some(name) => empty_variable(name, form),
                    None => problem,
                });
                self.outcome(problem.map(|(message, help)| Diagnostic::error(Some(span), message).help(help)))
            }
            NodeValue::List(items) => match forms.iter().find(|form| form.get("items").is_some()) {
                Some(form) => self.list(items, form, position),
                None => self.refuse(&Misfit { span, shown: None, what: "is a list" }, schema, position),
            },
            NodeValue::Mapping(entries) => match forms.iter().find(|form| is_mapping(form)) {
                Some(form) => self.mapping(entries, form, position),
                None => self.refuse(&Misfit { span, shown: None, what: "is a mapping" }, schema, position),
            },
        }
    }

    fn outcome(&mut self, problem: Option<Diagnostic>) -> Fitness {
        match problem {
            Some(problem) => {
                self.findings.push(problem);
                Fitness::Broken
            }
            None => Fitness::Usable,
        }
    }

    /// Reports a value of the wrong shape, with an example of a right one.
    fn refuse(&mut self, misfit: &Misfit<'_>, schema: &'a Value, position: &Position) -> Fitness {
        let Misfit { span, shown, what } = *misfit;
        let subject = match position.path.as_str() {
            "" => "the file".to_owned(),
            path => quoted(path),
        };
        let expected: Vec<_> = forms(schema, self.root).into_iter().map(noun).collect();
        let message = format!("{subject} {what}; {} is expected", expected.join(" or "));
        let problem = Diagnostic::error(Some(span), message);
        let may_be_empty = what == NO_VALUE && self.takes_any_text(schema, position);
        let or_empty = if may_be_empty { ", or `NAME: \"\"` for an empty text" } else { "" };
        self.outcome(Some(match example::line(&position.path, schema, self.root, shown) {
            Some(example) => problem.help(format!("for example `{example}`{or_empty}")),
            None => problem,
        }))
    }

    /// Whether it is the value of a name that the operator chose, and is any text.
    fn takes_any_text(&self, schema: &'a Value, position: &Position) -> bool {
        let is_text = |form: &&Value| type_of(form) == Some("string");
        position.path.ends_with(".*") && forms(schema, self.root).iter().any(is_text)
    }

    fn list(&mut self, items: &mut Vec<Node>, schema: &'a Value, position: &Position) -> Fitness {
        if items.is_empty() && schema.get("minItems").is_some() {
            let message = format!("{} is empty; it needs at least one element", quoted(&position.path));
            return self.outcome(Some(Diagnostic::error(Some(position.span), message)));
        }
        if let Some(element) = schema.get("items") {
            items.retain_mut(|item| {
                let position = position.below("[]", item.span);
                self.node(item, element, &position) == Fitness::Usable
            });
        }
        Fitness::Usable
    }

    fn mapping(&mut self, entries: &mut Vec<(Key, Node)>, schema: &'a Value, position: &Position) -> Fitness {
        self.repeated_keys(entries);
        let missing = self.missing_keys(entries, schema, position);
        let chosen = has_any(entries, schema);
        entries.retain_mut(|(key, value)| match property(schema, &key.name) {
            Property::Known(schema) => {
                let position = position.below(&key.name, key.span);
                self.node(value, schema, &position) == Fitness::Usable
            }
            Property::Named(schema) => {
                let position = position.below("*", key.span);
                self.node(value, schema, &position) == Fitness::Usable
            }
            Property::Unknown => {
                self.unknown_key(key, schema, position);
                false
            }
        });
        let complete = required(schema).all(|name| entries.iter().any(|(key, _)| key.name == name));
        // A search for one of several keys must not miss one that was removed.
        let lost = chosen && !has_any(entries, schema);
        if missing || lost || !complete { Fitness::Broken } else { Fitness::Usable }
    }

    fn repeated_keys(&mut self, entries: &mut Vec<(Key, Node)>) {
        let mut seen: HashMap<String, Span> = HashMap::new();
        entries.retain(|(key, _)| {
            if let Some(earlier) = seen.get(&key.name) {
                let message = format!("duplicate key {}", quoted(&key.name));
                let help = self.findings.already(Some(*earlier));
                self.findings.push(Diagnostic::error(Some(key.span), message).help(help));
                return false;
            }
            seen.insert(key.name.clone(), key.span);
            true
        });
    }

    fn missing_keys(&mut self, entries: &[(Key, Node)], schema: &Value, position: &Position) -> bool {
        let mut missing = false;
        for name in required(schema) {
            if entries.iter().any(|(key, _)| key.name == name) {
                continue;
            }
            missing = true;
            if entries.iter().any(|(key, _)| self.is_meant(&key.name, name, schema)) {
                // Its misspelling is reported.
                continue;
            }
            let message = match position.path.as_str() {
                "" => format!("the key {} is missing", quoted(name)),
                path => format!("the key {} is missing in {}", quoted(name), quoted(path)),
            };
            let mut finding = Diagnostic::error(Some(position.span), message);
            if let Some(example) = example(schema, name) {
                finding = finding.help(format!("add it, for example `{name}: {example}`"));
            }
            self.findings.push(finding);
        }
        missing
    }

    fn unknown_key(&mut self, key: &Key, schema: &Value, position: &Position) {
        if self.vocabulary.reserved.contains(&(position.path.as_str(), key.name.as_str())) {
            let message = format!("{} is not supported yet by this version", quoted(&key.name));
            self.findings.push(
                Diagnostic::error(Some(key.span), message)
                    .help("remove it; the gateway does not ignore what it can't do"),
            );
            return;
        }
        let like = meant_by(&key.name, schema).or_else(|| self.worded_like(&key.name, schema));
        let help = if let Some(meant) = like {
            format!("did you mean `{meant}`?")
        } else if let Some(paths) = self.elsewhere(&key.name) {
            format!("`{}` is a key of {paths}", key.name)
        } else {
            format!("known here: {}", known_keys(schema).join(", "))
        };
        let message = format!("unknown key {}", quoted(&key.name));
        self.findings.push(Diagnostic::error(Some(key.span), message).help(help));
    }

    /// Whether an unknown key was probably meant to be this one.
    fn is_meant(&self, unknown: &str, name: &str, schema: &Value) -> bool {
        meant_by(unknown, schema) == Some(name) || self.worded_like(unknown, schema) == Some(name)
    }

    /// The key that an unknown one abbreviates (`cert`), enlarges (`key_file`), or has another word for (`crt`), if there is
    /// only one.
    fn worded_like<'s>(&self, name: &str, schema: &'s Value) -> Option<&'s str> {
        let known = known_keys(schema);
        let other = self.vocabulary.synonyms.iter().filter(|(word, _)| *word == name).map(|(_, key)| *key);
        let other = known.iter().copied().filter(|key| other.clone().any(|other| other == *key));
        let words: Vec<_> = name.split(['_', '-']).collect();
        let enlarged = known.iter().copied().filter(|key| words.contains(key));
        let abbreviated = known
            .iter()
            .copied()
            .filter(|key| name.len() >= 3 && key.len() > name.len() && key.starts_with(name));
        let mut found: Vec<_> = other.chain(enlarged).chain(abbreviated).collect();
        found.sort_unstable();
        found.dedup();
        if known.contains(&name) || found.len() != 1 { None } else { found.pop() }
    }

    /// Where in the schema there is a key of this name.
    fn elsewhere(&self, name: &str) -> Option<String> {
        let mut paths = Vec::new();
        self.search(self.root, name, "", &mut paths);
        paths.sort();
        paths.dedup();
        (!paths.is_empty()).then(|| paths.join(", "))
    }

    fn search(&self, schema: &'a Value, name: &str, path: &str, paths: &mut Vec<String>) {
        for form in forms(schema, self.root) {
            for (key, property) in properties(form).into_iter().flatten() {
                if key == name {
                    paths.push(if path.is_empty() {
                        "the top level".to_owned()
                    } else {
                        format!("`{path}`")
                    });
                }
                let dot = if path.is_empty() { "" } else { "." };
                self.search(property, name, &format!("{path}{dot}{key}"), paths);
            }
            if let Some(any @ Value::Object(_)) = form.get("additionalProperties") {
                self.search(any, name, &format!("{path}.*"), paths);
            }
            if let Some(element) = form.get("items") {
                self.search(element, name, &format!("{path}[]"), paths);
            }
        }
    }
}

/// Whether one of the alternative keys of the schema is present.
fn has_any(entries: &[(Key, Node)], schema: &Value) -> bool {
    one_required(schema).any(|name| entries.iter().any(|(key, _)| key.name == name))
}

/// The key of the schema that was probably meant by an unknown one.
fn meant_by<'a>(name: &str, schema: &'a Value) -> Option<&'a str> {
    let known = known_keys(schema);
    if known.contains(&name) { None } else { nearest(name, known) }
}

/// The message for a value that a variable left empty.
fn empty_variable(name: &str, form: &Value) -> (String, String) {
    let message =
        format!("the environment variable {} is empty, where {} is expected", quoted(name), noun(form));
    (message, format!("set it, or give a default: `${{{name}:-{}}}`", example::of_scalar(form)))
}
