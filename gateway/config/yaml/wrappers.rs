//! Wrappers that documents need in addition to plain values: a value with its span, names in the order of the file, and
//! lists whose only element may be written without the list.
//!
//! All three only work with [`super::deserialize`].

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use super::diagnostic::{HIDDEN, quoted};
use super::span::Span;

/// The name by which serde asks for a [`OneOrMany`].
pub(in crate::config) const ONE_OR_MANY: &str = "OneOrMany";

/// A value and where it is written; a default has no place.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub(in crate::config) struct At<T> {
    pub(in crate::config) value: T,
    #[serde(skip)]
    pub(in crate::config) span: Option<Span>,
    /// Whether a part of it came from the environment: then it is never shown.
    #[serde(skip)]
    pub(in crate::config) from_environment: bool,
}

impl<T> From<T> for At<T> {
    fn from(value: T) -> Self {
        Self { value, span: None, from_environment: false }
    }
}

impl At<String> {
    /// The value as a message may show it.
    pub(in crate::config) fn shown(&self) -> String {
        if self.from_environment { HIDDEN.to_owned() } else { quoted(&self.value) }
    }
}

/// The parts of an [`At`] as they are read: number of the text, line, column, start, end, whether it is from the environment, the value.
#[derive(Deserialize)]
struct Placed<T>(usize, usize, usize, usize, usize, usize, T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Placed(file, line, column, start, end, from_environment, value) =
            Placed::deserialize(deserializer)?;
        let span = Span { file, line, column, start, end };
        Ok(Self { value, span: Some(span), from_environment: from_environment != 0 })
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// A mapping from names that the operator chose, in the order of the file.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::config) struct Named<T>(pub(in crate::config) Vec<(At<String>, T)>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Serialize> Serialize for Named<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (&name.value, value)))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(NamedVisitor(PhantomData))
    }
}

struct NamedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for NamedVisitor<T> {
    type Value = Named<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a mapping")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Named<T>, A::Error> {
        std::iter::from_fn(|| entries.next_entry().transpose()).collect::<Result<_, _>>().map(Named)
    }
}

impl<T: JsonSchema> JsonSchema for Named<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Named_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "additionalProperties": generator.subschema_for::<T>(),
        })
    }
}

/// A list whose only element may be written without the list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::config) struct OneOrMany<T>(pub(in crate::config) Vec<T>);

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMany_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let element = generator.subschema_for::<T>();
        json_schema!({
            "anyOf": [element, { "type": "array", "items": element, "minItems": 1 }],
        })
    }
}
