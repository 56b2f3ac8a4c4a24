//! The attributes of a span, one after the other. What has no value is left out.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};

/// The attributes of a span.
#[derive(Debug, Default)]
pub(super) struct Attributes(Vec<KeyValue>);

impl Attributes {
    pub(super) fn text(self, key: &str, value: &str) -> Self {
        if value.is_empty() { self } else { self.with(key, Value::StringValue(value.to_owned())) }
    }

    pub(super) fn optional_text(self, key: &str, value: Option<&str>) -> Self {
        self.text(key, value.unwrap_or_default())
    }

    pub(super) fn number(self, key: &str, value: impl TryInto<i64>) -> Self {
        self.with(key, Value::IntValue(value.try_into().unwrap_or(i64::MAX)))
    }

    pub(super) fn optional_number(self, key: &str, value: Option<impl TryInto<i64>>) -> Self {
        match value {
            Some(value) => self.number(key, value),
            None => self,
        }
    }

    /// A number that says nothing where it is 0.
    pub(super) fn count(self, key: &str, value: usize) -> Self {
        self.optional_number(key, Some(value).filter(|value| *value > 0))
    }

    pub(super) fn optional_fraction(self, key: &str, value: Option<f64>) -> Self {
        match value {
            Some(value) => self.with(key, Value::DoubleValue(value)),
            None => self,
        }
    }

    fn with(mut self, key: &str, value: Value) -> Self {
        let value = Some(AnyValue { value: Some(value) });
        self.0.push(KeyValue { key: key.to_owned(), value, ..KeyValue::default() });
        self
    }
}

impl From<Attributes> for Vec<KeyValue> {
    fn from(attributes: Attributes) -> Self {
        attributes.0
    }
}
