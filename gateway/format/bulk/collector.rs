//! Makes items of records as they are read: fills the template, counts, and checks each item like one
//! of a batch.

use std::borrow::Cow;

use bytes::Bytes;

use super::records::Bulk;
use crate::batch::{Batch, BatchItem, BatchLimits, BatchRefusal, ItemIndex, ItemRejection};
use crate::format::item_builder::{ItemBuilder, MemberNames};
use crate::format::shown::shown;

const NAMES: MemberNames = MemberNames { url: "url" };

/// A record's value for one of the template's variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// Nothing.
    #[default]
    Absent,
    /// A value that can't be part of a url, and why.
    Unfit(&'static str),
    /// Text.
    Text(Cow<'a, str>),
}

impl<'a> Value<'a> {
    /// Adds a value. If there are two, neither counts.
    pub(crate) fn put(&mut self, value: Value<'a>) {
        *self = if *self == Value::Absent { value } else { Value::Unfit("appears twice in the record") };
    }
}

/// A record that was read.
#[derive(Clone, Debug)]
pub(crate) struct Record<'a> {
    /// One for each of the template's variables, in their order.
    pub(crate) values: Vec<Value<'a>>,
    /// The body to send, and its media type; a record of the query has none.
    pub(crate) body: Option<(Bytes, &'static str)>,
}

/// The items made so far.
#[derive(Debug)]
pub(crate) struct Collector<'a> {
    bulk: Bulk<'a>,
    limits: &'a BatchLimits,
    /// The query that every url gets.
    query: Cow<'a, str>,
    items: Vec<BatchItem>,
}

impl<'a> Collector<'a> {
    pub(super) fn new(bulk: Bulk<'a>, limits: &'a BatchLimits) -> Self {
        Self { bulk, limits, query: bulk.query.into(), items: Vec::new() }
    }

    /// The limits of the bulk.
    pub(crate) fn limits(&self) -> &'a BatchLimits {
        self.limits
    }

    /// The template's variables.
    pub(crate) fn variables(&self) -> &'a [Box<str>] {
        self.bulk.each.variables()
    }

    /// No value for any variable yet.
    pub(crate) fn no_values<'v>(&self) -> Vec<Value<'v>> {
        vec![Value::Absent; self.variables().len()]
    }

    /// The index of the next record.
    pub(crate) fn next_index(&self) -> ItemIndex {
        ItemIndex(self.items.len())
    }

    /// True if the maximum number of items is reached.
    pub(crate) fn is_full(&self) -> bool {
        self.items.len() >= self.limits.max_items
    }

    /// Refuses the bulk if it already has the maximum number of items.
    pub(super) fn check_room(&self) -> Result<(), BatchRefusal> {
        if self.is_full() { Err(BatchRefusal::TooManyItems { limit: self.limits.max_items }) } else { Ok(()) }
    }

    /// The request's query.
    pub(super) fn query(&self) -> &'a str {
        self.bulk.query
    }

    /// Puts another query in place of the request's.
    pub(super) fn set_query(&mut self, query: String) {
        self.query = Cow::Owned(query);
    }

    /// Adds an item: a record, or why it is rejected.
    pub(crate) fn add(&mut self, record: Result<Record<'_>, ItemRejection>) {
        let index = self.next_index();
        let mut builder = ItemBuilder::new(self.limits, NAMES);
        builder.set_method(self.bulk.method.as_str());
        let mut body = None;
        match record.and_then(|record| self.url_of(&record).map(|url| (url, record.body))) {
            Ok((url, bytes)) => {
                builder.set_url(&url);
                if let Some((bytes, media_type)) = bytes {
                    builder.default_media_type(media_type);
                    body = Some(bytes);
                }
            }
            Err(rejection) => builder.reject(rejection),
        }
        self.items.push(builder.finish_literal(index, body));
    }

    fn url_of(&self, record: &Record<'_>) -> Result<String, ItemRejection> {
        let mut texts = Vec::with_capacity(record.values.len());
        for (name, value) in self.variables().iter().zip(&record.values) {
            let problem = match value {
                // Servers that remove parameters after decoding would see a dot segment.
                Value::Text(text) if text.starts_with("..;") || text.starts_with(".;") => {
                    "starts with a dot segment, which could lead elsewhere"
                }
                Value::Text(text) if !text.is_empty() => {
                    texts.push(text.as_ref());
                    continue;
                }
                // An empty segment would name the collection itself.
                Value::Text(_) => "is empty, but the url needs it",
                Value::Absent => "is missing, but the url needs it",
                Value::Unfit(problem) => problem,
            };
            return Err(ItemRejection::BadVariable { variable: shown(name), problem });
        }
        let mut url = self.bulk.each.expand(&texts);
        if !self.query.is_empty() {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(&self.query);
        }
        Ok(url)
    }

    pub(super) fn finish(self) -> Batch {
        Batch { items: self.items, ..Batch::default() }
    }
}
