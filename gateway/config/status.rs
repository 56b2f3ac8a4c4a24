//! Lists of status codes, which the file has as numbers.

use std::borrow::Cow;

use http::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serializer};

/// Reads and writes a `Vec<StatusCode>`, by `#[serde(with = "Statuses")]`.
pub(super) struct Statuses;

impl Statuses {
    pub(super) fn serialize<S: Serializer>(
        statuses: &[StatusCode],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(statuses.iter().map(StatusCode::as_u16))
    }

    /// The schema lets only numbers through that are status codes.
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<StatusCode>, D::Error> {
        let numbers = Vec::<u16>::deserialize(deserializer)?;
        Ok(numbers.into_iter().filter_map(|number| StatusCode::from_u16(number).ok()).collect())
    }
}

impl JsonSchema for Statuses {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Vec::<u16>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Vec::<u16>::json_schema(generator)
    }
}
