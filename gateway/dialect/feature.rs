//! What a dialect can do: the one answer for every key of an endpoint that is about something which only some dialects have.

use super::handle::Dialect;
use crate::format::Format;

/// Something that batches have in some dialects only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// Change sets, which are multipart within multipart.
    ChangeSets,
    /// Groups of items that their client wants to be atomic.
    Groups,
    /// Ids that the client gives to its items.
    Ids,
    /// JSON or XML, which can nest.
    Nesting,
    /// A reply in the format that Accept asks for.
    NegotiatedReplies,
    /// NDJSON that is answered as NDJSON.
    Streams,
}

impl Feature {
    /// A clause that says why a key about this does nothing in a dialect without it.
    #[must_use]
    pub const fn absence(self) -> &'static str {
        match self {
            Self::ChangeSets => "its batches have no change sets",
            Self::Groups => "its items have no groups",
            Self::Ids => "its items have no ids",
            Self::Nesting => "its batches are neither JSON nor XML",
            Self::NegotiatedReplies => "its replies always have the format of the batch",
            Self::Streams => "its batches can't be streams of lines (NDJSON)",
        }
    }
}

impl Dialect {
    /// Whether batches of this dialect can have it.
    #[must_use]
    pub fn has(self, feature: Feature) -> bool {
        let has_format = |wanted: Format| self.formats().contains(&wanted);
        match feature {
            Feature::ChangeSets => has_format(Format::Multipart),
            Feature::Groups | Feature::Ids => !self.has_plain_items(),
            Feature::Nesting => has_format(Format::Json) || has_format(Format::Xml),
            Feature::NegotiatedReplies => self.heeds_accept(),
            Feature::Streams => has_format(Format::Ndjson),
        }
    }
}
