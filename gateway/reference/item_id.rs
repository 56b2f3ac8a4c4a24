//! What distinguishes the items of a batch: the client's id, and the item's place in the batch.
//!
//! They live here, and not in `batch`, because references name items by them, and an item of a batch holds references.
//! `batch` re-exports them.

use std::borrow::Cow;
use std::fmt;

/// The client's name for an item, unique in its batch; where the client gave none, the item's
/// 1-based position. Compared byte by byte; where a dialect ignores case, its [`IdCase`] makes the key to compare.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemId(Box<str>);

impl ItemId {
    /// The id of an item to which the client gave none.
    #[must_use]
    pub fn from_position(index: ItemIndex) -> Self {
        Self(index.position().to_string().into_boxed_str())
    }

    /// The id as the client wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<T: Into<Box<str>>> From<T> for ItemId {
    fn from(id: T) -> Self {
        Self(id.into())
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Whether ids that differ only by case are different ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdCase {
    /// They are different.
    #[default]
    Significant,
    /// They are the same.
    Ignored,
}

impl IdCase {
    /// By what an id is compared: two ids are the same if their keys are.
    #[must_use]
    pub fn key(self, id: &ItemId) -> Cow<'_, ItemId> {
        match self {
            Self::Significant => Cow::Borrowed(id),
            Self::Ignored => Cow::Owned(id.as_str().to_lowercase().into()),
        }
    }
}

/// An item's place in its batch, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemIndex(pub usize);

impl ItemIndex {
    /// The place as people count it, from 1.
    #[must_use]
    pub fn position(self) -> usize {
        self.0 + 1
    }
}
