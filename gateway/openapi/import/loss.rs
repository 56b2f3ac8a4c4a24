//! What can't be kept.

use std::collections::BTreeSet;
use std::fmt;

use super::source::Place;

/// The keys of a document that are read, or that do not matter to a gateway.
const ROOT: [&str; 10] = [
    "openapi",
    "info",
    "jsonSchemaDialect",
    "servers",
    "paths",
    "components",
    "security",
    "tags",
    "externalDocs",
    "$self",
];

/// Something that the document says and the configuration can't.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Where it is: a JSON pointer (RFC 6901).
    pub pointer: String,
    /// What it is, and what becomes of it.
    pub problem: String,
}

impl fmt::Display for Loss {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", if self.pointer.is_empty() { "/" } else { &self.pointer }, self.problem)
    }
}

/// The losses, while the document is read.
#[derive(Debug, Default)]
pub(super) struct Losses {
    list: Vec<Loss>,
    /// The names of vendors' keys, which mean nothing here.
    extensions: BTreeSet<String>,
}

impl Losses {
    pub(super) fn add(&mut self, pointer: impl Into<String>, problem: impl Into<String>) {
        let loss = Loss { pointer: pointer.into(), problem: problem.into() };
        // A part that several operations refer to is read for each of them.
        if !self.list.contains(&loss) {
            self.list.push(loss);
        }
    }

    /// The keys of an object that nothing is made of. Those of vendors (`x-…`) are not OpenAPI's.
    pub(super) fn unknown_keys(&mut self, place: &Place<'_>, known: &[&str]) {
        for (name, value) in place.members() {
            if name.starts_with("x-") {
                self.extensions.insert(name.to_owned());
            } else if !known.contains(&name) {
                self.add(value.pointer, format!("`{name}` is not known here, so nothing is made of it"));
            }
        }
    }

    /// The keys at the top.
    pub(super) fn of_root(&mut self, root: &Place<'_>) {
        if let Some(webhooks) = root.get("webhooks") {
            self.add(
                webhooks.pointer,
                "the service makes these calls by itself; they do not pass the gateway",
            );
        }
        let known: Vec<_> = ROOT.into_iter().chain(["webhooks"]).collect();
        self.unknown_keys(root, &known);
    }

    /// A key of a vendor.
    pub(super) fn extension(&mut self, name: &str) {
        self.extensions.insert(name.to_owned());
    }

    pub(super) fn extensions(&self) -> impl Iterator<Item = &str> {
        self.extensions.iter().map(String::as_str)
    }

    pub(super) fn list(&self) -> &[Loss] {
        &self.list
    }

    pub(super) fn into_list(self) -> Vec<Loss> {
        self.list
    }
}
