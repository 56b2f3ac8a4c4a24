//! The YAML as a tree in which every key and value knows its place.
//!
//! In: the file's text. Out: mappings, lists and scalars with their spans, or why the text is not
//! YAML. Scalars stay text: which of them is a number, a duration or a switch is decided by what the
//! schema expects there, so `name: 12` is a name and `admin: off` is not a boolean. Anchors, aliases and
//! merge keys are resolved here, within a budget; a duplicate key is kept for the report.

use std::fmt;

use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use serde_saphyr::options::DuplicateKeyPolicy;
use serde_saphyr::{Location, Spanned};

use super::diagnostic::Diagnostic;
use super::library::not_yaml;
use super::span::Span;

/// Nesting of the deepest key this gateway knows is 6; the rest is room for a helpful message.
const MAX_DEPTH: usize = 32;
const MAX_NODES: usize = 100_000;
const MAX_ALIASES: usize = 1_000;

/// One value with its place.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::config) struct Node {
    /// Where it is.
    pub(in crate::config) span: Span,
    /// What it is.
    pub(in crate::config) value: NodeValue,
    /// Whether a part of it came from the environment: then it is never shown.
    pub(in crate::config) from_environment: bool,
    /// A variable in it that gave nothing.
    pub(in crate::config) empty_variable: Option<String>,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::config) enum NodeValue {
    /// Something already reported: whatever holds it has no usable value here.
    Broken,
    /// Nothing, `~` or `null`.
    Empty,
    /// Anything else without inner structure, as text.
    Scalar(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order of the file.
    Mapping(Vec<(Key, Node)>),
}

/// A mapping's key with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) struct Key {
    /// Where it is.
    pub(in crate::config) span: Span,
    /// The key itself.
    pub(in crate::config) name: String,
}

impl Node {
    /// The value under `name`, if this is a mapping that has it.
    pub(in crate::config) fn get(&self, name: &str) -> Option<&Self> {
        self.entries().iter().find(|(key, _)| key.name == name).map(|(_, value)| value)
    }

    /// The same in the text with this number.
    pub(in crate::config) fn in_text(mut self, number: usize) -> Self {
        self.span.file = number;
        self.value = match self.value {
            NodeValue::List(items) => {
                NodeValue::List(items.into_iter().map(|item| item.in_text(number)).collect())
            }
            NodeValue::Mapping(entries) => {
                let placed = entries.into_iter().map(|(mut key, value)| {
                    key.span.file = number;
                    (key, value.in_text(number))
                });
                NodeValue::Mapping(placed.collect())
            }
            value @ (NodeValue::Broken | NodeValue::Empty | NodeValue::Scalar(_)) => value,
        };
        self
    }

    /// The entries, if this is a mapping.
    pub(in crate::config) fn entries(&self) -> &[(Key, Self)] {
        match &self.value {
            NodeValue::Mapping(entries) => entries,
            NodeValue::Broken | NodeValue::Empty | NodeValue::Scalar(_) | NodeValue::List(_) => &[],
        }
    }

    /// The items, if this is a list.
    pub(in crate::config) fn items(&self) -> &[Self] {
        match &self.value {
            NodeValue::List(items) => items,
            NodeValue::Broken | NodeValue::Empty | NodeValue::Scalar(_) | NodeValue::Mapping(_) => &[],
        }
    }
}

/// Reads `text` as one YAML document.
///
/// # Errors
/// Says where the text is not YAML, or which budget it exceeds.
pub(in crate::config) fn read(text: &str) -> Result<Node, Box<Diagnostic>> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            max_nodes: MAX_NODES,
            max_aliases: MAX_ALIASES,
            max_anchors: MAX_ALIASES,
            max_documents: 1,
            flow_nesting_limit: MAX_DEPTH,
        },
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        with_snippet: false,
    };
    match serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options) {
        Ok(raw) => Ok(Node::from_raw(raw, text)),
        Err(error) => Err(Box::new(not_yaml(&error, text))),
    }
}

/// Reads what serde wrote as YAML, which may be larger than a file.
pub(in crate::config) fn read_written(text: &str) -> Option<Node> {
    let options = serde_saphyr::options! { budget: None, with_snippet: false };
    let raw = serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options).ok()?;
    Some(Node::from_raw(raw, text))
}

/// Numbers and switches without quotes; anything else as text. A key without a value is left out.
impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.value {
            NodeValue::Broken | NodeValue::Empty => serializer.serialize_unit(),
            NodeValue::Scalar(text) => match (text.as_str(), text.parse::<u64>()) {
                ("true", _) => serializer.serialize_bool(true),
                ("false", _) => serializer.serialize_bool(false),
                (text, Ok(number)) if number.to_string() == text => serializer.serialize_u64(number),
                (text, _) => serializer.serialize_str(text),
            },
            NodeValue::List(items) => serializer.collect_seq(items),
            NodeValue::Mapping(entries) => {
                let present = entries.iter().filter(|(_, value)| value.value != NodeValue::Empty);
                serializer.collect_map(present.map(|(key, value)| (&key.name, value)))
            }
        }
    }
}

impl From<Location> for Span {
    fn from(location: Location) -> Self {
        let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let start = number(location.span().byte_offset().unwrap_or(0));
        let length = number(location.span().byte_len().unwrap_or(0));
        Self {
            file: 0,
            line: number(location.line()),
            column: number(location.column()),
            start,
            end: start.saturating_add(length),
        }
    }
}

/// A value as the YAML library gives it.
enum Raw {
    Empty,
    Text(String),
    /// A number or boolean: the library reads it, but what counts is how it is written.
    Typed(String),
    List(Vec<Spanned<Raw>>),
    Mapping(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl Node {
    fn from_raw(raw: Spanned<Raw>, text: &str) -> Self {
        let span = Span::from(raw.defined);
        let value = match raw.value {
            Raw::Empty => NodeValue::Empty,
            Raw::Text(text) => NodeValue::Scalar(text),
            Raw::Typed(read) => {
                let written = text.get(span.start..span.end).map(str::trim);
                NodeValue::Scalar(written.filter(|written| !written.is_empty()).map_or(read, str::to_owned))
            }
            Raw::List(items) => {
                NodeValue::List(items.into_iter().map(|item| Self::from_raw(item, text)).collect())
            }
            Raw::Mapping(entries) => NodeValue::Mapping(
                entries
                    .into_iter()
                    .map(|(key, value)| {
                        let key = Key { span: Span::from(key.defined), name: key.value };
                        (key, Self::from_raw(value, text))
                    })
                    .collect(),
            ),
        };
        Self { span, value, from_environment: false, empty_variable: None }
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

/// Numbers and booleans, each by the method of its type.
macro_rules! visit_typed {
    ($($visit:ident($type:ty);)*) => {
        $(fn $visit<E>(self, value: $type) -> Result<Raw, E> {
            Ok(Raw::Typed(value.to_string()))
        })*
    };
}

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Empty)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Empty)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        deserializer.deserialize_any(self)
    }

    visit_typed! {
        visit_bool(bool);
        visit_i64(i64);
        visit_i128(i128);
        visit_u64(u64);
        visit_u128(u128);
        visit_f64(f64);
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        std::iter::from_fn(|| items.next_element().transpose()).collect::<Result<_, _>>().map(Raw::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        std::iter::from_fn(|| entries.next_entry().transpose()).collect::<Result<_, _>>().map(Raw::Mapping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalars(text: &str) -> Vec<(String, usize, usize)> {
        let tree = read(text).unwrap();
        let scalar = |node: &Node| {
            let NodeValue::Scalar(text) = &node.value else { panic!("{node:?}") };
            (text.clone(), node.span.line, node.span.column)
        };
        tree.entries().iter().map(|(_, value)| scalar(value)).collect()
    }

    #[test]
    fn scalars_stay_as_they_are_written() {
        for written in ["010", "1_000", "0x10", "off", "yes", "true", "1.50", "2s", "'1'", "!!str 5"] {
            let text = written.trim_start_matches("!!str ").trim_matches('\'');
            assert_eq!(scalars(&format!("ä: {written}"))[0].0, text, "{written}");
        }
    }

    #[test]
    fn places_count_characters_from_one() {
        let found = scalars("ä: x\nb:   \"é\" # c\n");
        assert_eq!(found, [("x".to_owned(), 1, 4), ("é".to_owned(), 2, 6)]);
    }

    #[test]
    fn repeated_keys_are_kept() {
        assert_eq!(read("a: 1\nb: 2\na: 3\n").unwrap().entries().len(), 3);
    }

    #[test]
    fn invalid_yaml_is_reported_with_its_place() {
        for (text, line) in [("a: [1", 1), ("a: 1\nb: c: d", 2), ("a: *b", 1), ("a: 1\n---\nb: 2", 2)] {
            let error = read(text).unwrap_err();
            assert_eq!(error.line(), Some(line), "{text}: {}", error.message);
        }
    }
}
