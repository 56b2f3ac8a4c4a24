//! Lists of status codes, which the file has as numbers: for fields with `#[serde(with = "status")]`.

use http::StatusCode;
use serde::{Deserialize, Deserializer, Serializer};

pub(super) fn serialize<S: Serializer>(statuses: &[StatusCode], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(statuses.iter().map(StatusCode::as_u16))
}

/// The schema lets only numbers through that are status codes.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<StatusCode>, D::Error> {
    let numbers = Vec::<u16>::deserialize(deserializer)?;
    Ok(numbers.into_iter().filter_map(|number| StatusCode::from_u16(number).ok()).collect())
}
