//! Checks a tree against the schema, and reports everything that does not fit, not the first only.
//!
//! serde stops at its first error; this walk does not. What does not fit is taken out of the tree,
//! up to the nearest key that may be absent, so that the rest can still be read and its names looked
//! up in the same run. In: tree and schema. Out: the tree without what was reported.

use std::collections::HashMap;

use serde_json::Value;

use super::diagnostic::{Diagnostic, Findings, Place, nearest, quoted};
use super::tree::{Key, Node, NodeValue};
use crate::config::example::{self, forms};
use crate::config::input_format::{
    Property, example, is_mapping, is_scalar, known_keys, noun, one_required, properties, property, required,
    scalar_problem,
};
use crate::config::reserved_keys;

/// Whether what was checked can be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum Fitness {
    /// It fits.
    Usable,
    /// It does not, and that has been reported.
    Broken,
}

/// Checks `tree` against the root of `schema`.
pub(in crate::config) fn check(tree: &mut Node, schema: &Value, findings: &mut Findings) -> Fitness {
    let place = tree.place;
    Walk { root: schema, findings }.node(tree, schema, &Position { path: String::new(), place })
}

struct Walk<'a> {
    root: &'a Value,
    findings: &'a mut Findings,
}

/// Where the walk is: the path of the schema (`upstreams.*.timeout`), and where to point when the
/// value itself has no place.
struct Position {
    path: String,
    place: Place,
}

impl Position {
    fn below(&self, step: &str, place: Place) -> Self {
        let dot = if self.path.is_empty() || step.starts_with('[') { "" } else { "." };
        Self { path: format!("{}{dot}{step}", self.path), place }
    }
}

impl<'a> Walk<'a> {
    fn node(&mut self, node: &mut Node, schema: &'a Value, position: &Position) -> Fitness {
        let forms = forms(schema, self.root);
        let place = node.place;
        match &mut node.value {
            NodeValue::Broken => Fitness::Broken,
            NodeValue::Empty => self.refuse((position.place, None), "has no value", schema, position),
            NodeValue::Scalar(text) => {
                let shown = if node.from_environment { None } else { Some(text.as_str()) };
                let Some(form) = forms.iter().find(|form| is_scalar(form)) else {
                    return self.refuse((place, shown), "has the wrong shape", schema, position);
                };
                let problem = scalar_problem(text, shown, form).map(|problem| match &node.empty_variable {
                    Some(name) => empty_variable(name, form),
                    None => problem,
                });
                self.outcome(
                    problem.map(|(message, help)| Diagnostic::error(Some(place), message).help(help)),
                )
            }
            NodeValue::List(items) => match forms.iter().find(|form| form.get("items").is_some()) {
                Some(form) => self.list(items, form, position),
                None => self.refuse((place, None), "is a list", schema, position),
            },
            NodeValue::Mapping(entries) => match forms.iter().find(|form| is_mapping(form)) {
                Some(form) => self.mapping(entries, form, position),
                None => self.refuse((place, None), "is a mapping", schema, position),
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

    /// Reports a value of the wrong shape, with an example of a right one. `written` is what may be shown of it.
    fn refuse(
        &mut self,
        (place, written): (Place, Option<&str>),
        what: &str,
        schema: &'a Value,
        position: &Position,
    ) -> Fitness {
        let subject = match position.path.as_str() {
            "" => "the file".to_owned(),
            path => quoted(path),
        };
        let expected: Vec<_> = forms(schema, self.root).into_iter().map(noun).collect();
        let message = format!("{subject} {what}; {} is expected", expected.join(" or "));
        let problem = Diagnostic::error(Some(place), message);
        self.outcome(Some(match example::line(&position.path, schema, self.root, written) {
            Some(example) => problem.help(format!("for example `{example}`")),
            None => problem,
        }))
    }

    fn list(&mut self, items: &mut Vec<Node>, schema: &'a Value, position: &Position) -> Fitness {
        if items.is_empty() && schema.get("minItems").is_some() {
            let message = format!("{} is empty; it needs at least one element", quoted(&position.path));
            return self.outcome(Some(Diagnostic::error(Some(position.place), message)));
        }
        if let Some(element) = schema.get("items") {
            items.retain_mut(|item| {
                let position = position.below("[]", item.place);
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
                let position = position.below(&key.name, key.place);
                self.node(value, schema, &position) == Fitness::Usable
            }
            Property::Named(schema) => {
                let position = position.below("*", key.place);
                self.node(value, schema, &position) == Fitness::Usable
            }
            Property::Unknown => {
                self.unknown_key(key, schema, position);
                false
            }
        });
        let complete = required(schema).all(|name| entries.iter().any(|(key, _)| key.name == name));
        // Whoever looks for one of several keys must not miss one that was taken out.
        let lost = chosen && !has_any(entries, schema);
        if missing || lost || !complete { Fitness::Broken } else { Fitness::Usable }
    }

    fn repeated_keys(&mut self, entries: &mut Vec<(Key, Node)>) {
        let mut seen: HashMap<String, Place> = HashMap::new();
        entries.retain(|(key, _)| {
            if let Some(earlier) = seen.get(&key.name) {
                let message = format!("the key {} is there twice", quoted(&key.name));
                let help = format!("it is on line {} already", earlier.line);
                self.findings.push(Diagnostic::error(Some(key.place), message).help(help));
                return false;
            }
            seen.insert(key.name.clone(), key.place);
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
            let is_meant =
                |key: &Key| [meant_by, worded_like].iter().any(|like| like(&key.name, schema) == Some(name));
            if entries.iter().any(|(key, _)| is_meant(key)) {
                // Its misspelling is reported.
                continue;
            }
            let message = match position.path.as_str() {
                "" => format!("the key {} is missing", quoted(name)),
                path => format!("the key {} is missing in {}", quoted(name), quoted(path)),
            };
            let mut finding = Diagnostic::error(Some(position.place), message);
            if let Some(example) = example(schema, name) {
                finding = finding.help(format!("add it, for example `{name}: {example}`"));
            }
            self.findings.push(finding);
        }
        missing
    }

    fn unknown_key(&mut self, key: &Key, schema: &Value, position: &Position) {
        if reserved_keys::is_key(&position.path, &key.name) {
            let message = format!("{} is not supported yet by this version", quoted(&key.name));
            self.findings.push(
                Diagnostic::error(Some(key.place), message)
                    .help("remove it; the gateway does not ignore what it can't do"),
            );
            return;
        }
        let help = if let Some(meant) = meant_by(&key.name, schema) {
            format!("did you mean `{meant}`?")
        } else if let Some(meant) = worded_like(&key.name, schema) {
            format!("did you mean `{meant}`?")
        } else if let Some(place) = self.elsewhere(&key.name) {
            format!("`{}` is a key of {place}", key.name)
        } else {
            format!("known here: {}", known_keys(schema).join(", "))
        };
        let message = format!("unknown key {}", quoted(&key.name));
        self.findings.push(Diagnostic::error(Some(key.place), message).help(help));
    }

    /// Where in the schema a key of this name may stand.
    fn elsewhere(&self, name: &str) -> Option<String> {
        let mut places = Vec::new();
        self.search(self.root, name, "", &mut places);
        places.sort();
        places.dedup();
        (!places.is_empty()).then(|| places.join(", "))
    }

    fn search(&self, schema: &'a Value, name: &str, path: &str, places: &mut Vec<String>) {
        for form in forms(schema, self.root) {
            for (key, property) in properties(form).into_iter().flatten() {
                if key == name {
                    places.push(if path.is_empty() {
                        "the top level".to_owned()
                    } else {
                        format!("`{path}`")
                    });
                }
                let dot = if path.is_empty() { "" } else { "." };
                self.search(property, name, &format!("{path}{dot}{key}"), places);
            }
            if let Some(any @ Value::Object(_)) = form.get("additionalProperties") {
                self.search(any, name, &format!("{path}.*"), places);
            }
            if let Some(element) = form.get("items") {
                self.search(element, name, &format!("{path}[]"), places);
            }
        }
    }
}

/// Whether one of the keys is there of which the schema wants one.
fn has_any(entries: &[(Key, Node)], schema: &Value) -> bool {
    one_required(schema).any(|name| entries.iter().any(|(key, _)| key.name == name))
}

/// The key of the schema that was probably meant by an unknown one.
fn meant_by<'a>(name: &str, schema: &'a Value) -> Option<&'a str> {
    let known = known_keys(schema);
    if known.contains(&name) { None } else { nearest(name, known) }
}

/// Words that other programs have for what a key here is called.
const OTHER_WORDS: [(&str, &str); 10] = [
    ("crt", "certificate"),
    ("pem", "certificate"),
    ("chain", "certificate"),
    ("ssl", "tls"),
    ("verbs", "methods"),
    ("prefix", "path"),
    ("location", "path"),
    ("backend", "upstream"),
    ("servers", "targets"),
    ("endpoints", "targets"),
];

/// The key that an unknown one abbreviates (`cert`), enlarges (`key_file`), or has another word for (`crt`), if there is
/// only one.
fn worded_like<'a>(name: &str, schema: &'a Value) -> Option<&'a str> {
    let known = known_keys(schema);
    let other = OTHER_WORDS.iter().filter(|(word, _)| *word == name).map(|(_, key)| *key);
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

/// What is said of a value that a variable left empty.
fn empty_variable(name: &str, form: &Value) -> (String, String) {
    let message =
        format!("the environment variable {} is empty, where {} is expected", quoted(name), noun(form));
    (message, format!("set it, or give a default: `${{{name}:-{}}}`", example::of_scalar(form)))
}
