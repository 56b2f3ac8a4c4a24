//! Why a batch is refused. None of its items is sent upstream. Status codes are picked in `problem::table` only.

use std::fmt;

use super::AdmissionRefusal;
use super::limit_text::{LimitText, Unit, limit_text};
use crate::reference::item_id::ItemIndex;

/// A place in a batch's body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Bytes from the start of the (decoded) body.
    pub offset: usize,
    /// Line, from 1; 0 if only the item is known.
    pub line: usize,
    /// Column in bytes, from 1.
    pub column: usize,
    /// The item it is in, if that is known.
    pub item: Option<ItemIndex>,
}

impl Place {
    /// The place of the byte at `offset` of `body`.
    #[must_use]
    pub fn at(body: &[u8], offset: usize) -> Self {
        let offset = offset.min(body.len());
        let before = body.get(..offset).unwrap_or_default();
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
        Self {
            offset,
            line: memchr::memchr_iter(b'\n', before).count() + 1,
            column: offset - line_start + 1,
            item: None,
        }
    }

    /// Its numbers that are known, by their names in problem details.
    pub(crate) fn members(self) -> impl Iterator<Item = (&'static str, usize)> {
        let members = [("offset", self.offset), ("line", self.line), ("column", self.column)];
        // Where only the item is known, the place has no line.
        let members = members.into_iter().filter(move |_| self.line > 0);
        members.chain(self.item.map(|item| ("item", item.position())))
    }

    /// The same place, in a known item.
    #[must_use]
    pub fn in_item(self, item: ItemIndex) -> Self {
        Self { item: Some(item), ..self }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}, column {} (byte {})", self.line, self.column, self.offset)?;
        match self.item {
            Some(item) => write!(formatter, ", in item {}", item.position()),
            None => Ok(()),
        }
    }
}

/// The batch is at fault, or the gateway can't accept it now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchRefusal {
    /// The body is not well-formed JSON, XML or multipart.
    #[error("the batch is not well-formed: {reason} at {place}")]
    Malformed {
        /// What the parser says; for people only.
        reason: String,
        /// Where.
        place: Place,
    },
    /// The body is well-formed but not a batch.
    #[error("this is not a batch: {reason} at {place}")]
    NotABatch {
        /// The missing or wrong part; for people only.
        reason: String,
        /// Where.
        place: Place,
    },
    /// A member of the batch or of an item appears twice.
    #[error("duplicate member `{member}` at {place}")]
    DuplicateMember {
        /// The member's name.
        member: String,
        /// Where the second one is.
        place: Place,
    },
    /// A document type, an entity, or an encoding that XML batches can't have.
    #[error("{what} at {place}")]
    ForbiddenXml {
        /// What, as a sentence.
        what: &'static str,
        /// Where.
        place: Place,
    },
    /// Two items have the same id.
    #[error("item {} has the id `{id}`, {}", item.position(), clash.with(*.first))]
    DuplicateId {
        /// The second of them.
        item: ItemIndex,
        /// Its id, cut to a sensible length.
        id: String,
        /// The first of them.
        first: ItemIndex,
        /// Why the two ids are the same.
        clash: IdClash,
    },
    /// A group that its dialect does not allow.
    #[error("the atomicityGroup `{name}` of item {} {problem}", item.position())]
    BadGroup {
        /// The item.
        item: ItemIndex,
        /// Its group's name, cut to a sensible length.
        name: String,
        /// The problem with its group.
        problem: GroupProblem,
    },
    /// An item depends on a name that is neither an item nor a group.
    #[error("item {} depends on `{name}`, which is neither an item nor a group of this batch", item.position())]
    UnknownDependency {
        /// The item.
        item: ItemIndex,
        /// The name as given, cut to a sensible length.
        name: String,
    },
    /// An item depends on a later one, so that the two might wait for each other.
    #[error(
        "item {} depends on `{name}` (item {}), which comes after it; an item can depend on earlier items only",
        item.position(), on.position()
    )]
    ForwardDependency {
        /// The item.
        item: ItemIndex,
        /// The one it depends on.
        on: ItemIndex,
        /// That one's name as given, cut to a sensible length.
        name: String,
    },
    /// An item depends on itself, or on its own group.
    #[error("item {} depends on itself (`{name}`)", item.position())]
    SelfDependency {
        /// The item.
        item: ItemIndex,
        /// The name as given, cut to a sensible length.
        name: String,
    },
    /// Nesting over `max_depth`.
    #[error("the batch nests deeper than the limit of {} at {place}", limit_text(*.limit, Unit::Levels, "max_depth"))]
    TooDeep {
        /// The limit.
        limit: usize,
        /// Where.
        place: Place,
    },
    /// More items than `max_items`.
    #[error("the batch has more than the limit of {}; split it", limit_text(*.limit, Unit::Items, "max_items"))]
    TooManyItems {
        /// The limit.
        limit: usize,
    },
    /// More lines than `max_stream_items`.
    #[error("the stream has more than the limit of {}", limit_text(*.limit, Unit::Items, "max_stream_items"))]
    StreamTooLong {
        /// The limit.
        limit: usize,
    },
    /// The body is longer than `max_body`, as sent or once decoded.
    #[error("the batch's body is over the limit of {}", limit_text(*.limit, Unit::Bytes, "max_body"))]
    BodyTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The body is not in the Content-Encoding it claims.
    #[error("the batch's body is not valid {coding}")]
    BadContentEncoding {
        /// The coding.
        coding: &'static str,
    },
    /// No reader for this Content-Encoding.
    #[error("this Content-Encoding is not supported; send gzip, br, zstd or none")]
    UnsupportedContentEncoding,
    /// The endpoint has no reader for this Content-Type. Lists the types that it has readers for.
    #[error("unsupported Content-Type for a batch; send {0}")]
    UnsupportedMediaType(String),
    /// No reader of records for this Content-Type.
    #[error(
        "unsupported Content-Type for records; send application/json, application/x-ndjson, text/csv or \
         application/xml, in UTF-8"
    )]
    NoRecords,
    /// The endpoint has no writer for this Accept. Lists the types that it has writers for.
    #[error("the gateway can write none of the formats in Accept; accept {0}")]
    NotAcceptable(String),
    /// A version of OData that the endpoint does not support.
    #[error("OData-Version must be 4.0 or 4.01, and OData-MaxVersion 4.0 or higher")]
    OdataVersion,
    /// No item was sent, because groups of several items were refused.
    #[error("{}", super::groups::not_atomic("batch"))]
    NotAtomic,
    /// No item was sent, because groups of several items can't be undone.
    #[error("{}", super::groups::no_undo(method, route, "batch"))]
    NoUndo {
        /// The method that can't be undone.
        method: String,
        /// The name of the route.
        route: String,
    },
    /// `Isolation: snapshot`, OData's (Protocol 4.01 §8.2.6).
    #[error("Isolation is not supported: the services behind this endpoint have no common snapshot")]
    NoIsolation,
    /// A form-like type from another site (protocol §2).
    #[error("a cross-site page may not post a batch in a type that browsers send without asking")]
    CrossSite,
    /// The client is not let in, or not now.
    #[error(transparent)]
    NotAdmitted(AdmissionRefusal),
    /// The endpoint accepts POST, and GET for its limits.
    #[error("a batch endpoint accepts POST (a batch) and GET (its limits)")]
    MethodNotAllowed,
    /// The client did not send the body in time.
    #[error("the batch's body did not arrive within {}", within(*.seconds))]
    BodyTimeout {
        /// The limit in seconds.
        seconds: u64,
    },
    /// The memory budget has no room for the body.
    #[error("the gateway has no memory for this batch now (limits.memory); send it again later")]
    MemoryFull,
    /// The request is broken, or the client disconnected before the end of the body.
    #[error(
        "the batch's body could not be read: its framing is broken, or the connection ended before it did"
    )]
    BodyUnreadable,
    /// A fault of the gateway.
    #[error("the gateway failed to handle this batch")]
    Internal,
}

fn within(seconds: u64) -> LimitText {
    LimitText { number: seconds, unit: Unit::Seconds, key: "limits.body_timeout", is_fixed: false }
}

/// Why a batch can't have a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupProblem {
    /// An item's id is the group's name.
    #[error("has the same name as the id of item {}", .0.position())]
    NamedLikeItem(ItemIndex),
    /// Other items are between two of the group; this one is the last before them.
    #[error("is not contiguous: it ended with item {}; its items must follow one another", .0.position())]
    Split(ItemIndex),
    /// Many items depend on a large group.
    #[error(
        "has too many items: the number of its items times the number of items that depend on it is over the limit"
    )]
    TooManyDependents,
}

/// Why two ids are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdClash {
    /// They are written alike.
    Same,
    /// One of the items has no id, and so has its position.
    Position,
    /// They are written alike in two change sets, or in one and outside of it, and the reply is not multipart.
    ChangeSets,
    /// They differ only by case, which the dialect does not look at.
    OtherCase {
        /// The id of the first item, cut to a sensible length.
        id: String,
    },
}

impl IdClash {
    /// The rest of the sentence about the second item.
    fn with(&self, first: ItemIndex) -> String {
        let first = first.position();
        match self {
            Self::Same => format!("and so has item {first}; an id can be used once"),
            Self::Position => {
                format!("and so has item {first}; an item without an id has its position as its id")
            }
            Self::ChangeSets => {
                format!(
                    "and so has item {first}; a change set can repeat an id only if the reply is multipart"
                )
            }
            Self::OtherCase { id } => {
                format!("and item {first} has `{id}`; ids that differ only by case are the same here")
            }
        }
    }
}

impl BatchRefusal {
    /// The place in the body, or the item, that is wrong; `None` if it is not a part of the body.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        match self {
            Self::Malformed { place, .. }
            | Self::NotABatch { place, .. }
            | Self::DuplicateMember { place, .. }
            | Self::ForbiddenXml { place, .. }
            | Self::TooDeep { place, .. } => Some(*place),
            Self::DuplicateId { item, .. }
            | Self::BadGroup { item, .. }
            | Self::UnknownDependency { item, .. }
            | Self::ForwardDependency { item, .. }
            | Self::SelfDependency { item, .. } => Some(Place { item: Some(*item), ..Place::default() }),
            Self::BadContentEncoding { .. }
            | Self::BodyUnreadable
            | Self::TooManyItems { .. }
            | Self::StreamTooLong { .. }
            | Self::BodyTooLarge { .. }
            | Self::UnsupportedContentEncoding
            | Self::UnsupportedMediaType(_)
            | Self::NoRecords
            | Self::NotAcceptable(_)
            | Self::OdataVersion
            | Self::NotAtomic
            | Self::NoUndo { .. }
            | Self::NoIsolation
            | Self::CrossSite
            | Self::MethodNotAllowed
            | Self::BodyTimeout { .. }
            | Self::MemoryFull
            | Self::NotAdmitted(_)
            | Self::Internal => None,
        }
    }
}
