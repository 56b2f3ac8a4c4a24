//! The parts of an item that have a limit.

use std::fmt;

use super::limit_text::{LimitText, Unit, limit_text};

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
    /// Bytes of its body, for the route that it matched.
    RouteBody,
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
            Self::RouteBody => "routes.max_body",
            Self::References => "references",
            Self::ConditionBytes => "condition_bytes",
            Self::ConditionDepth => "condition_depth",
        }
    }

    const fn unit(self) -> Unit {
        match self {
            Self::Id
            | Self::Url
            | Self::HeaderBytes
            | Self::Line
            | Self::Body
            | Self::RouteBody
            | Self::ConditionBytes => Unit::Bytes,
            Self::Headers => Unit::Fields,
            // No item of a batch can depend on more items than the batch may have. A line of a stream has the same limit, so
            // that an item that is valid in a batch is valid in a stream.
            Self::Dependencies => Unit::Names,
            Self::References => Unit::References,
            Self::ConditionDepth => Unit::Levels,
        }
    }

    /// Whether no key of the configuration sets it.
    const fn is_fixed(self) -> bool {
        matches!(self, Self::References | Self::ConditionBytes | Self::ConditionDepth)
    }

    /// The limit as a message names it.
    pub(super) fn limit_text(self, number: usize) -> LimitText {
        LimitText { is_fixed: self.is_fixed(), ..limit_text(number, self.unit(), self.limit()) }
    }
}

/// The part, as the sentence about it begins: `the item's id is over the limit of …`.
impl fmt::Display for Bounded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Id => "id",
            Self::Url => "url",
            Self::Headers | Self::HeaderBytes => "header",
            Self::Dependencies => "list of items that it depends on",
            Self::Line => "line",
            Self::Body | Self::RouteBody => "body",
            Self::References => "set of references",
            Self::ConditionBytes | Self::ConditionDepth => "`if`",
        })
    }
}
