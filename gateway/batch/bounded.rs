//! The parts of an item that have a limit.

use std::fmt;

/// The part of an item that exceeded a limit. Limits without a key are fixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bounded {
    /// Bytes of its id.
    Id,
    /// Bytes of its url.
    Url,
    /// The number of its header fields.
    Headers,
    /// Bytes of its header fields, names and values together.
    HeaderBytes,
    /// The number of items that it depends on.
    Dependencies,
    /// Bytes of its line in a stream.
    Line,
    /// Bytes of its body once references are filled in.
    Body,
    /// The number of its references.
    References,
    /// Bytes of its condition.
    ConditionBytes,
    /// How deep its condition nests.
    ConditionDepth,
}

impl Bounded {
    /// The limit's key, or its name if it is fixed.
    #[must_use]
    pub const fn limit(self) -> &'static str {
        match self {
            Self::Id => "max_id",
            Self::Url => "max_url",
            Self::Headers => "max_headers",
            Self::HeaderBytes => "max_header_bytes",
            Self::Dependencies => "max_items",
            Self::Line | Self::Body => "max_body",
            Self::References => "references",
            Self::ConditionBytes => "condition_bytes",
            Self::ConditionDepth => "condition_depth",
        }
    }
}

impl fmt::Display for Bounded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Id => "id (max_id)",
            Self::Url => "url (max_url)",
            Self::Headers => "number of headers (max_headers)",
            Self::HeaderBytes => "header bytes (max_header_bytes)",
            Self::Dependencies => "number of dependencies (max_items)",
            Self::Line => "line (max_body)",
            Self::Body => "body (max_body)",
            Self::References => "number of references",
            Self::ConditionBytes => "condition's length in bytes",
            Self::ConditionDepth => "condition's nesting",
        })
    }
}
