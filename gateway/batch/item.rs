//! One item, and the batch that holds it.

use std::time::Duration;

use bytes::Bytes;
use http::Method;

use super::{ItemIndex, ItemRejection};
use crate::header::field::Fields;
use crate::header::spelling::Spellings;
use crate::reference::condition::Condition;
use crate::reference::item_id::{IdCase, ItemId};
use crate::reference::template::Template;

/// An ordered list of items. N of them in, N results out, each exactly once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// The items in the order of the request; `items[i]` is the item of `ItemIndex(i)`.
    pub items: Vec<BatchItem>,
    /// Whether the batch itself asks for its items to be run one by one.
    pub sequential: bool,
    /// Whether case distinguishes the ids of its items.
    pub id_case: IdCase,
    /// Unknown members of the batch itself, cut to a sensible length, for explanations.
    pub ignored: Vec<Box<str>>,
}

/// Who an item is, kept from reading to reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The item's id.
    pub id: ItemId,
    /// Its method; `GET` if none could be read.
    pub method: Method,
    /// Its url as the client gave it; empty if none could be read.
    pub href: Box<str>,
    /// How it was written in its batch.
    pub form: ItemForm,
}

/// How the client wrote an item's id. Its result repeats the id in the same way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdForm {
    /// Not at all: the id is the item's position.
    #[default]
    Position,
    /// As it is.
    Plain,
    /// As an integer, and the result has to have an integer.
    Number,
    /// `<id>`, a Content-ID as RFC 2045 §7 has it.
    Bracketed,
}

/// A change set of a multipart batch: a group without a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeSet {
    /// The position of its first item, which no other set of the batch has.
    pub first: u32,
    /// How many items it has.
    pub members: u32,
    /// What answers it, where sets are answered as sets.
    pub answer: SetAnswer,
}

/// What answers a change set, as one of its items has to know it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SetAnswer {
    /// Each of its items has an answer of its own.
    #[default]
    Each,
    /// The set failed, and the result of this item is the answer to all of it.
    ByThis,
    /// The set failed, and the result of another item is the answer.
    ByOther,
}

impl ChangeSet {
    /// A set of this many items.
    #[must_use]
    pub fn new(first: ItemIndex, members: usize) -> Self {
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self { first: number(first.0), members: number(members), answer: SetAnswer::Each }
    }

    /// Whether it is a group of several, which only a transaction could run as one.
    #[must_use]
    pub const fn is_several(&self) -> bool {
        self.members > 1
    }
}

/// How an item was written. Its result repeats this where the reply's format has a place for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ItemForm {
    /// How its id was written.
    pub id: IdForm,
    /// Whether the id is not the client's but the part of it that fits the limit.
    pub id_is_cut: bool,
    /// The change set that it was written in.
    pub set: Option<ChangeSet>,
    /// Its group's name, by which later items may depend on it.
    pub group: Option<ItemId>,
    /// Its url as the client wrote it, if the gateway made another one of it.
    pub written_url: Option<Box<str>>,
    /// How many bytes of its url are the folder that a relative url was resolved against.
    pub added_to_url: usize,
    /// Unknown members of the item, cut to a sensible length, for explanations.
    pub ignored: Vec<Box<str>>,
    /// Members that were taken for others, for explanations.
    pub taken: Vec<Taken>,
    /// Fields that were checked and left out, for explanations.
    pub dropped: DroppedFields,
}

/// A member that was taken for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Its name as the client wrote it.
    pub member: &'static str,
    /// The member that it was taken for.
    pub meant: &'static str,
}

/// Fields that clients write into requests within a part, and that a call does not have from them. A set, so that the items of
/// an ordinary batch cost nothing more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DroppedFields(u8);

impl DroppedFields {
    /// All of them.
    pub const NAMES: [&'static str; 6] =
        ["Host", "Content-Length", "Connection", "MIME-Version", "Content-Transfer-Encoding", "Content-ID"];

    /// Adds the field with this name; names of others change nothing.
    pub fn add(&mut self, name: &str) {
        self.0 |= Self::bits().filter(|(other, _)| *other == name).map(|(_, bit)| bit).sum::<u8>();
    }

    /// The names in the set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::bits().filter(move |(_, bit)| self.0 & bit != 0).map(|(name, _)| name)
    }

    fn bits() -> impl Iterator<Item = (&'static str, u8)> {
        Self::NAMES.into_iter().zip([1, 2, 4, 8, 16, 32])
    }
}

impl Subject {
    /// Its url as the client wrote it.
    #[must_use]
    pub fn written_url(&self) -> &str {
        let resolved = || self.href.get(self.form.added_to_url..).unwrap_or(&self.href);
        self.form.written_url.as_deref().unwrap_or_else(resolved)
    }

    /// Its change set, if it is in one, is answered in this way.
    pub fn answer_set(&mut self, answer: SetAnswer) {
        if let Some(set) = &mut self.form.set {
            set.answer = answer;
        }
    }

    /// How much of its url the gateway put before what the client wrote, in bytes. It is ASCII.
    #[must_use]
    pub fn added_to_url(&self) -> usize {
        self.href.strip_suffix(self.written_url()).map_or(0, str::len)
    }
}

/// An item as a format read it: good, or bad alone among good ones.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchItem {
    /// Who it is.
    pub subject: Subject,
    /// What it asks for, or why it is refused.
    pub content: Result<Item, ItemRejection>,
}

/// What an item asks for, in addition to its subject.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Item {
    /// The item's own fields, checked by [`crate::header::field::checked_field`]; a media type is here as
    /// `content-type`.
    pub headers: Fields,
    /// How the names of these fields were spelt.
    pub spellings: Spellings,
    /// The body's bytes; `None` if the item has no body (an empty one is `Some`).
    pub body: Option<Bytes>,
    /// The item's own time limit; it can only shorten the upstream's.
    pub timeout: Option<Duration>,
    /// The ids and groups of the items that have to end below 400 before this one starts, as given.
    pub depends_on: Vec<ItemId>,
    /// The condition on which it is sent, instead of that.
    pub condition: Option<Box<Condition>>,
    /// Its references to the results of other items, if it has any.
    pub template: Option<Box<Template>>,
}
