//! Header fields as a stored batch holds them: serde for the types of `http`, which have none.
//!
//! A value may hold any byte but control characters (RFC 9110 §5.5), so it need not be UTF-8. It is stored as text in
//! which each character stands for one byte, so that nothing is lost and ASCII stays readable.

use http::header::{HeaderName, HeaderValue};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A list of names, for `#[serde(with = "…")]`.
pub(crate) mod names {
    use super::{Deserialize, Deserializer, Error, HeaderName, Serializer};

    /// # Errors
    /// The serializer's own.
    pub(crate) fn serialize<S: Serializer>(names: &[HeaderName], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(names.iter().map(HeaderName::as_str))
    }

    /// # Errors
    /// The text is not a list of names.
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<HeaderName>, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        names.iter().map(|name| name.parse().map_err(D::Error::custom)).collect()
    }
}

/// Fields in their order, for `#[serde(with = "…")]`: a list of name and value.
pub(crate) mod fields {
    use super::{Deserialize, Deserializer, Error, HeaderName, HeaderValue, Serialize, Serializer};
    use crate::header::field::Fields;

    /// # Errors
    /// The serializer's own.
    pub(crate) fn serialize<S: Serializer>(
        fields: &[(HeaderName, HeaderValue)],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let text = |value: &HeaderValue| value.as_bytes().iter().copied().map(char::from).collect::<String>();
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), text(value))).collect();
        fields.serialize(serializer)
    }

    /// # Errors
    /// The text is not a list of fields.
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Fields, D::Error> {
        let fields = Vec::<(String, String)>::deserialize(deserializer)?;
        let field = |(name, text): &(String, String)| {
            let bytes = text.chars().map(u8::try_from).collect::<Result<Vec<_>, _>>();
            let value = HeaderValue::from_bytes(&bytes.map_err(D::Error::custom)?);
            Ok((name.parse().map_err(D::Error::custom)?, value.map_err(D::Error::custom)?))
        };
        fields.iter().map(field).collect()
    }
}
