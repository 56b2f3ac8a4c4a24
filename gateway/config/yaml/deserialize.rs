//! Reads the document from a tree that has passed the schema check.
//!
//! A scalar gets the type that the document expects of it. Where a mapping is expected and a scalar
//! is written, it is the short form of the mapping's first key; the schema says where that may be.

use serde::de::value::{SeqAccessDeserializer, StrDeserializer};
use serde::de::{DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::span::Span;
use super::tree::{Key, Node, NodeValue};
use super::wrappers::ONE_OR_MANY;

/// Why a tree can't be read, although it fits the schema.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(in crate::config) struct TypedError(String);

impl serde::de::Error for TypedError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

type Result<T> = std::result::Result<T, TypedError>;

impl Node {
    fn scalar(&self) -> Result<&str> {
        match &self.value {
            NodeValue::Scalar(text) => Ok(text),
            NodeValue::Empty | NodeValue::Broken | NodeValue::List(_) | NodeValue::Mapping(_) => {
                Err(TypedError::custom("a value is expected"))
            }
        }
    }

    fn number(&self) -> Result<u64> {
        self.scalar()?.parse().map_err(|_| TypedError::custom("a whole number is expected"))
    }
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = TypedError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match &self.value {
            NodeValue::Empty | NodeValue::Broken => visitor.visit_unit(),
            NodeValue::Scalar(text) => visitor.visit_borrowed_str(text),
            NodeValue::List(items) => visitor.visit_seq(Elements(items)),
            NodeValue::Mapping(entries) => visitor.visit_map(Entries { entries, value: None }),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let value = self.scalar()?.parse().map_err(|_| TypedError::custom("a boolean is expected"))?;
        visitor.visit_bool(value)
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_u64(self.number()?)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_u64(self.number()?)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_u64(self.number()?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value> {
        if name == ONE_OR_MANY && !matches!(self.value, NodeValue::List(_)) {
            let only = Elements(std::slice::from_ref(self));
            return visitor.visit_newtype_struct(SeqAccessDeserializer::new(only));
        }
        visitor.visit_newtype_struct(self)
    }

    /// Only `At` is read as one.
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_seq(Placed::new(self.span, self.from_environment, self))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match (&self.value, fields.first()) {
            (NodeValue::Scalar(_), Some(first)) => {
                visitor.visit_map(ShortForm { field: Some(first), value: self })
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_enum(StrDeserializer::new(self.scalar()?))
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple map identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, TypedError> for &'de Node {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for &'de Key {
    type Error = TypedError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_borrowed_str(&self.name)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_seq(Placed::new(self.span, false, self))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple map struct enum identifier ignored_any
    }
}

struct Elements<'de>(&'de [Node]);

impl<'de> SeqAccess<'de> for Elements<'de> {
    type Error = TypedError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        let Some((first, rest)) = self.0.split_first() else { return Ok(None) };
        self.0 = rest;
        seed.deserialize(first).map(Some)
    }
}

struct Entries<'de> {
    entries: &'de [(Key, Node)],
    value: Option<&'de Node>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = TypedError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        let Some(((key, value), rest)) = self.entries.split_first() else { return Ok(None) };
        self.entries = rest;
        self.value = Some(value);
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value> {
        seed.deserialize(self.value.take().ok_or_else(|| TypedError::custom("a value before its key"))?)
    }
}

struct ShortForm<'de> {
    field: Option<&'static str>,
    value: &'de Node,
}

impl<'de> MapAccess<'de> for ShortForm<'de> {
    type Error = TypedError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        let field = self.field.take();
        field.map(|field| seed.deserialize(StrDeserializer::new(field))).transpose()
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value> {
        seed.deserialize(self.value)
    }
}

/// The parts of an `At`: number of the text, line, column, start, end, whether from the environment, then the value.
struct Placed<D> {
    numbers: std::array::IntoIter<usize, 6>,
    value: Option<D>,
}

impl<D> Placed<D> {
    fn new(span: Span, from_environment: bool, value: D) -> Self {
        let Span { file, line, column, start, end } = span;
        let numbers = [file, line, column, start, end, usize::from(from_environment)];
        Self { numbers: numbers.into_iter(), value: Some(value) }
    }
}

impl<'de, D: Deserializer<'de, Error = TypedError>> SeqAccess<'de> for Placed<D> {
    type Error = TypedError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        match self.numbers.next() {
            Some(number) => seed.deserialize(number.into_deserializer()).map(Some),
            None => self.value.take().map(|value| seed.deserialize(value)).transpose(),
        }
    }
}
