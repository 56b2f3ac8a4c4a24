//! How a section is written in the file: where its keys are, and what of them may be shown.
//!
//! A section of plain values is read into types that know nothing of the file. A check that refuses one of its values asks
//! here for the span to point at.

use super::diagnostic::{HIDDEN, quoted};
use super::span::Span;
use super::tree::{Node, NodeValue};

/// A section, a key or an element as written. Nothing of it is there if the value is a default.
#[derive(Clone, Copy, Default)]
pub(in crate::config) struct Written<'tree>(Option<&'tree Node>);

impl<'tree> Written<'tree> {
    /// The root of a file.
    pub(in crate::config) const fn root(tree: &'tree Node) -> Self {
        Self(Some(tree))
    }

    /// The value under a key of this mapping.
    pub(in crate::config) fn key(self, name: &str) -> Self {
        Self(self.0.and_then(|node| node.get(name)))
    }

    /// The element of this list at `index`.
    pub(in crate::config) fn element(self, index: usize) -> Self {
        Self(self.elements().get(index))
    }

    fn elements(self) -> &'tree [Node] {
        match self.0.map(|node| &node.value) {
            Some(NodeValue::List(items)) => items,
            Some(NodeValue::Broken | NodeValue::Empty | NodeValue::Scalar(_) | NodeValue::Mapping(_))
            | None => &[],
        }
    }

    /// The first element of this list with this text.
    pub(in crate::config) fn element_that_is(self, text: &str) -> Self {
        let is_it = |node: &&Node| matches!(&node.value, NodeValue::Scalar(scalar) if scalar == text);
        Self(self.elements().iter().find(is_it))
    }

    /// Where it is; `None` for a default.
    pub(in crate::config) fn span(self) -> Option<Span> {
        self.0.map(|node| node.span)
    }

    /// The names of the keys of this mapping.
    pub(in crate::config) fn keys(self) -> impl Iterator<Item = &'tree str> {
        self.0.map(Node::entries).unwrap_or_default().iter().map(|(key, _)| key.name.as_str())
    }

    /// Its value as a message may quote it.
    pub(in crate::config) fn shown(self, value: &str) -> String {
        if self.0.is_some_and(|node| node.from_environment) { HIDDEN.to_owned() } else { quoted(value) }
    }
}
