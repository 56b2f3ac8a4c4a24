//! The handle to a dialect that endpoints and batches carry.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use http::HeaderMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::batchgate::Batchgate;
use super::registry::DIALECTS;
use super::rules::Rules;
use crate::batch::MultiStatus;
use crate::format::multipart::SetReply;
use crate::format::{EncodedBody, Format, ReplyWriter, write_all};

/// A dialect of batches. Copied freely, compared and serialised by its name; its rules are those of [`Rules`].
#[derive(Clone, Copy)]
pub struct Dialect(&'static dyn Rules);

impl Dialect {
    /// All dialects.
    pub fn all() -> impl Iterator<Item = Self> {
        DIALECTS.iter().copied().map(Self)
    }

    /// The dialect of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|dialect| dialect.name() == name)
    }

    /// The dialect of a request with these fields, at an endpoint of this one.
    #[must_use]
    pub fn of_request(self, request: &HeaderMap) -> Self {
        self.variant(request).and_then(Self::named).unwrap_or(self)
    }

    /// Writes the results of a batch in one of the dialect's formats.
    #[must_use]
    pub fn write(self, format: Format, sets: SetReply, results: MultiStatus) -> EncodedBody {
        write_all(self.result_writer(format, sets), results)
    }

    /// A writer of a reply in one of the dialect's formats.
    #[must_use]
    pub fn reply_writer(self, format: Format, sets: SetReply) -> ReplyWriter {
        ReplyWriter::new(self.result_writer(format, sets))
    }
}

impl Deref for Dialect {
    type Target = dyn Rules;

    fn deref(&self) -> &Self::Target {
        self.0
    }
}

impl Default for Dialect {
    /// The gateway's own.
    fn default() -> Self {
        Self(&Batchgate)
    }
}

impl PartialEq for Dialect {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Dialect {}

impl fmt::Debug for Dialect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl Serialize for Dialect {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Dialect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Cow::<str>::deserialize(deserializer)?;
        let names = || Self::all().map(|dialect| dialect.name()).collect::<Vec<_>>().join(", ");
        Self::named(&name).ok_or_else(|| {
            serde::de::Error::custom(format_args!("unknown dialect `{name}`, expected one of {}", names()))
        })
    }
}

impl JsonSchema for Dialect {
    fn schema_name() -> Cow<'static, str> {
        "Dialect".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<_> = Self::all()
            .map(|dialect| {
                json_schema!({ "description": dialect.summary(), "type": "string", "const": dialect.name() })
            })
            .collect();
        json_schema!({ "description": "Whose conventions a batch endpoint keeps.", "oneOf": names })
    }
}
