//! One item, and the batch that holds it.

use std::time::Duration;

use bytes::Bytes;
use http::Method;

use super::ItemRejection;
use crate::header::field::Fields;
use crate::reference::condition::Condition;
use crate::reference::item_id::ItemId;
use crate::reference::template::Template;

/// An ordered list of items. N of them in, N results out, each exactly once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// The items in the order of the request; `items[i]` is the item of `ItemIndex(i)`.
    pub items: Vec<BatchItem>,
    /// Whether the batch itself asks for its items to be run one by one.
    pub sequential: bool,
    /// Members beside the items that the protocol does not know, cut to a sensible length; for explanations.
    pub ignored: Vec<Box<str>>,
}

/// Who an item is, kept from reading to reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The item's id.
    pub id: ItemId,
    /// Its method; `GET` where none could be read.
    pub method: Method,
    /// Its url as the client gave it; empty where none could be read.
    pub href: Box<str>,
    /// How it stood in its batch.
    pub form: ItemForm,
}

/// How the client wrote an item's id, where its result has to be marked in kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdForm {
    /// Not at all: the id is the item's position.
    #[default]
    Position,
    /// As it is.
    Plain,
    /// As a whole number, which has to come back as one.
    Number,
    /// `<id>`, a Content-ID as RFC 2045 §7 has it.
    Bracketed,
}

/// What a result mirrors of how its item was written, where the reply's format has a place for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ItemForm {
    /// How its id was written.
    pub id: IdForm,
    /// Whether the id is not the client's but the part of it that fits the limit.
    pub id_is_cut: bool,
    /// Whether it was the one request of a change set.
    pub in_set: bool,
    /// Its group's name, by which later items may depend on it.
    pub group: Option<ItemId>,
    /// Its url as the client wrote it, where the gateway made another one of it.
    pub written_url: Option<Box<str>>,
    /// Members that it had and the protocol does not know, cut to a sensible length; for explanations.
    pub ignored: Vec<Box<str>>,
}

/// An item as a format read it: good, or bad alone among good ones.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchItem {
    /// Who it is.
    pub subject: Subject,
    /// What it asks for, or why it is refused.
    pub content: Result<Item, ItemRejection>,
}

/// What an item asks for, beside its subject.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Item {
    /// The item's own fields, checked by [`crate::header::field::checked_field`]; a media type stands here as
    /// `content-type`.
    pub headers: Fields,
    /// The body's bytes; `None` where the item has no body (an empty one is `Some`).
    pub body: Option<Bytes>,
    /// The item's own time limit; it can only shorten the upstream's.
    pub timeout: Option<Duration>,
    /// The ids and groups of the items that have to end below 400 before this one starts, as given.
    pub depends_on: Vec<ItemId>,
    /// What has to hold for it to be started, in place of that.
    pub condition: Option<Box<Condition>>,
    /// Where it refers to the results of other items, if it does.
    pub template: Option<Box<Template>>,
}
