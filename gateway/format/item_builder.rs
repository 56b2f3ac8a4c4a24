//! Builds an item from what a format reads of it, and checks it against the batch's limits.
//!
//! # Why it exists
//!
//! JSON, XML, multipart, lines, records and the batches of other services write an item in different ways, and mean the
//! same: an id, a method, a url, fields, a body, and perhaps a time limit, dependencies and a condition. What makes such an
//! item valid is decided here, once, so that no format lets through what another one refuses. A reader translates syntax
//! and knows nothing of limits; the builder checks and knows nothing of syntax.
//!
//! # What goes in and what comes out
//!
//! A reader calls [`ItemBuilder::new`] for each item, then a setter for each member that it finds, in any order, and at the
//! end [`ItemBuilder::finish`] with the body. Out comes a [`BatchItem`]: an item that the plan can use, or the reason why
//! this one is rejected. `finish` also finds the item's references to the results of other items (`template`);
//! [`ItemBuilder::finish_literal`] does not, for formats whose items are data all through.
//!
//! # Invariants
//!
//! - **An item fails alone.** No setter returns an error. The first thing that is wrong is kept as the rejection, the later
//!   ones are dropped, and reading goes on: the client gets a result for each item, and the neighbours run.
//! - **A rejected item can still be recognized.** The id, the method and the url are kept as far as they could be read. An
//!   id that is too long is cut, one that no format can carry is replaced by the item's position, and the result says which
//!   (`ItemForm`).
//! - **Limits hold while reading.** Fields and dependencies are counted as they come and not stored beyond the limit, so that
//!   a rejected item costs no more memory than a valid one.
//! - **How the item was written is remembered** where the reply has to repeat it: an id that was a number, a Content-ID in
//!   brackets, a change set, a group.
//!
//! # What it does not do
//!
//! It does not decide whether a route takes the method or where a url leads (`plan`), and it does not read bodies: the
//! format prepares the bytes, and asks [`ItemBuilder::media_type`] how. Ids are compared after all items are read
//! (`unique_ids`).

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};

use super::lookalike::{meant_by, met_instead, other_word_for};
use super::media::MediaType;
use super::relative::{UrlBase, resolved};
use super::shown::{is_unfit_for_names, shown, shown_escaped};
use super::template;
use crate::batch::Bounded;
use crate::batch::{
    BatchItem, BatchLimits, ChangeSet, IdForm, Item, ItemForm, ItemId, ItemIndex, ItemRejection, Subject,
};
use crate::header::field::{FieldError, Fields, checked_field};
use crate::header::spelling::Spellings;
use crate::reference::condition::{Condition, ConditionError, ConditionPart};
use crate::reference::template::Template;
use crate::route::{known_method, unreadable_method};

/// Bytes of a method's name; the longest registered one has 17.
const MAX_METHOD: usize = 32;

/// The names of members that differ between formats.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MemberNames {
    /// `url` or `href`.
    pub(crate) url: &'static str,
}

/// An item under construction.
#[derive(Debug)]
pub(crate) struct ItemBuilder<'l> {
    limits: &'l BatchLimits,
    names: MemberNames,
    id: Option<ItemId>,
    form: ItemForm,
    method: Option<Method>,
    href: Option<Box<str>>,
    headers: Fields,
    spellings: Spellings,
    header_bytes: usize,
    timeout: Option<Duration>,
    depends_on: Vec<ItemId>,
    condition: Option<Box<Condition>>,
    rejection: Option<ItemRejection>,
}

impl<'l> ItemBuilder<'l> {
    /// An item before any of its members is read.
    pub(crate) fn new(limits: &'l BatchLimits, names: MemberNames) -> Self {
        Self {
            limits,
            names,
            id: None,
            form: ItemForm::default(),
            method: None,
            href: None,
            headers: Fields::new(),
            spellings: Spellings::default(),
            header_bytes: 0,
            timeout: None,
            depends_on: Vec::new(),
            condition: None,
            rejection: None,
        }
    }

    /// Rejects the item, unless it is rejected already.
    pub(crate) fn reject(&mut self, rejection: ItemRejection) {
        self.rejection.get_or_insert(rejection);
    }

    /// Rejects the item because of a member's type or value.
    pub(crate) fn reject_member(&mut self, member: &'static str, problem: &'static str) {
        self.reject(ItemRejection::BadMember { member, problem });
    }

    /// Notes a member that the protocol does not know; `known` are those that it knows here. One that is like a known one
    /// rejects the item, because it would not do what its client meant; any other one is ignored.
    pub(crate) fn meet_unknown(&mut self, name: &str, known: &[&'static str]) {
        let meant = meant_by(name, known);
        if meant.is_some() {
            self.reject(ItemRejection::UnknownMember { member: shown(name), meant });
        } else {
            self.form.ignored.push(shown(name).into());
        }
    }

    /// How the item was written, for readers to add to.
    pub(crate) fn form(&mut self) -> &mut ItemForm {
        &mut self.form
    }

    /// Rejects the item because of an unknown member, for formats in which every unknown name is an error.
    pub(crate) fn reject_unknown(&mut self, name: &str, known: &[&'static str]) {
        let meant = meant_by(name, known).or_else(|| other_word_for(name, known));
        self.reject(ItemRejection::UnknownMember { member: shown(name), meant });
    }

    /// Rejects the item because it lacks a member. An unknown one that was read before may have been meant for it.
    pub(crate) fn reject_missing(&mut self, member: &'static str) {
        let instead = met_instead(member, &self.form.ignored);
        self.reject(ItemRejection::MissingMember { member, instead });
    }

    /// Whether the item is rejected. Its body need not be prepared then.
    pub(crate) fn is_rejected(&self) -> bool {
        self.rejection.is_some()
    }

    /// Sets the id. If no format can carry it, the item keeps its position as id. One over the limit is
    /// cut to the limit, so that the client can still recognize the result.
    pub(crate) fn set_id(&mut self, id: &str) {
        if id.is_empty() {
            self.reject_member("id", "is empty");
        } else if id.len() > self.limits.max_id {
            self.reject(ItemRejection::OverLimit { what: Bounded::Id, limit: self.limits.max_id });
            self.set_unusable_id(id);
        } else if id.chars().any(is_unfit_for_names) {
            self.reject_member("id", "has characters that no format can carry in an id");
        } else {
            self.id = Some(id.into());
            self.form.id = IdForm::Plain;
        }
    }

    /// Whether an id was set.
    pub(crate) const fn has_id(&self) -> bool {
        self.id.is_some()
    }

    /// Keeps of an id that rejects its item as much as every format can carry.
    fn set_unusable_id(&mut self, id: &str) {
        let fit = id.chars().filter(|character| !is_unfit_for_names(*character));
        let mut shown = String::new();
        for character in fit {
            if !shown.is_empty() && shown.len() + character.len_utf8() > self.limits.max_id {
                break;
            }
            shown.push(character);
        }
        if !shown.is_empty() {
            self.id = Some(shown.into());
            self.form.id = IdForm::Plain;
            self.form.id_is_cut = true;
        }
    }

    /// Sets the id from bytes, for multipart.
    pub(crate) fn set_id_bytes(&mut self, id: &[u8], form: IdForm) {
        if let Ok(id) = std::str::from_utf8(id) {
            self.set_id(id);
        } else {
            self.reject_member("id", "is not in UTF-8");
            self.set_unusable_id(&String::from_utf8_lossy(id));
        }
        if self.form.id == IdForm::Plain {
            self.form.id = form;
        }
    }

    /// Sets an id that the client wrote as an integer. It is kept as digits and written as a number again;
    /// cut, it would be a different number.
    pub(crate) fn set_number_id(&mut self, digits: &str) {
        self.set_id(digits);
        if self.form.id == IdForm::Plain && !self.form.id_is_cut {
            self.form.id = IdForm::Number;
        }
    }

    /// Notes the change set that the item was written in.
    pub(crate) fn set_change_set(&mut self, set: ChangeSet) {
        self.form.set = Some(set);
    }

    /// Sets the method, which can be any token. The plan decides which ones a route allows.
    pub(crate) fn set_method(&mut self, name: &str) {
        self.method = known_method(name).filter(|_| name.len() <= MAX_METHOD);
        if self.method.is_none() {
            self.reject_member("method", "is not an HTTP method");
        }
    }

    /// Sets a url that may be relative.
    pub(crate) fn set_url_in(&mut self, url: &str, base: UrlBase<'_>) {
        let resolved = resolved(url, base);
        self.set_url(&resolved);
        self.form.added_to_url = resolved.len() - url.len();
    }

    /// Sets the url. The plan decides where it leads.
    pub(crate) fn set_url(&mut self, url: &str) {
        if url.is_empty() {
            self.reject_member(self.names.url, "is empty");
        } else if url.len() > self.limits.max_url {
            self.reject(ItemRejection::OverLimit { what: Bounded::Url, limit: self.limits.max_url });
        } else if url.chars().any(is_unfit_for_names) {
            self.reject_member(self.names.url, "has control characters");
        } else {
            self.href = Some(url.into());
        }
    }

    /// Keeps the url that the client wrote, if the gateway made another one of it.
    pub(crate) fn set_written_url(&mut self, url: &str) {
        if !self.is_rejected() {
            self.form.written_url = Some(url.into());
        }
    }

    /// Adds one value of a field.
    pub(crate) fn add_header(&mut self, name: &str, value: &[u8]) {
        self.header_bytes = self.header_bytes.saturating_add(name.len()).saturating_add(value.len());
        if self.header_bytes > self.limits.max_header_bytes {
            let limit = self.limits.max_header_bytes;
            self.reject(ItemRejection::OverLimit { what: Bounded::HeaderBytes, limit });
        } else if self.headers.len() == self.limits.max_headers {
            let limit = self.limits.max_headers;
            self.reject(ItemRejection::OverLimit { what: Bounded::Headers, limit });
        } else {
            match checked_field(name, value) {
                Ok((parsed, value)) => {
                    self.spellings.add(&parsed, name.as_bytes());
                    // With two, it would be unclear what the body is.
                    let is_type = parsed == CONTENT_TYPE;
                    if is_type { self.set_content_type(value) } else { self.headers.push((parsed, value)) }
                }
                Err(error) => self.reject_header(name, error),
            }
        }
    }

    /// Rejects the item because of a field.
    pub(crate) fn reject_header(&mut self, name: &str, error: FieldError) {
        self.reject(ItemRejection::BadHeader { name: shown_escaped(name), error });
    }

    /// Whether a field of this name was added.
    pub(crate) fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|(given, _)| given.as_str().eq_ignore_ascii_case(name))
    }

    /// Sets the item's own time limit in milliseconds.
    pub(crate) fn set_timeout(&mut self, milliseconds: &str) {
        // `parse` would take a sign, too.
        let digits = milliseconds.bytes().all(|byte| byte.is_ascii_digit());
        match milliseconds.parse::<u64>() {
            Ok(milliseconds @ 1..) if digits => self.timeout = Some(Duration::from_millis(milliseconds)),
            Ok(_) | Err(_) => self.reject_member("timeout", "is not a whole number of milliseconds above 0"),
        }
    }

    /// Adds the id or the group of an item that this one depends on.
    pub(crate) fn add_dependency(&mut self, name: &str) {
        // An item can't depend on more items than there are; naming one twice is pointless.
        if self.depends_on.len() == self.limits.max_items {
            let limit = self.limits.max_items;
            self.reject(ItemRejection::OverLimit { what: Bounded::Dependencies, limit });
        } else {
            self.depends_on.push(name.into());
        }
    }

    /// Sets the condition on which the item is sent.
    pub(crate) fn set_condition(&mut self, text: &str) {
        match Condition::parse(text) {
            Ok(condition) => self.condition = Some(Box::new(condition)),
            Err(ConditionError::Malformed { column, problem }) => {
                self.reject(ItemRejection::BadCondition { column, problem });
            }
            Err(ConditionError::NotSupported { what }) => {
                self.reject(ItemRejection::UnsupportedCondition { what });
            }
            Err(ConditionError::OverLimit { part, limit }) => {
                let what = match part {
                    ConditionPart::Length => Bounded::ConditionBytes,
                    ConditionPart::Depth => Bounded::ConditionDepth,
                    ConditionPart::References => Bounded::References,
                };
                self.reject(ItemRejection::OverLimit { what, limit });
            }
        }
    }

    /// Sets the name of the item's group.
    pub(crate) fn set_group(&mut self, name: &str) {
        self.form.group = Some(name.into());
    }

    /// With two, it would be unclear what the body is.
    fn set_content_type(&mut self, value: HeaderValue) {
        match self.headers.iter().find(|(name, _)| name == CONTENT_TYPE) {
            None => self.headers.push((CONTENT_TYPE, value)),
            Some((_, given)) if *given == value => {}
            Some(_) => self.reject_header("Content-Type", FieldError::Once),
        }
    }

    /// Declares the body's media type, if the client did not.
    pub(crate) fn default_media_type(&mut self, value: &'static str) {
        if self.media_type().is_none() {
            self.headers.push((CONTENT_TYPE, HeaderValue::from_static(value)));
        }
    }

    /// The media type that the item's fields declare.
    pub(crate) fn media_type(&self) -> Option<MediaType<'_>> {
        MediaType::from_fields(&self.headers)
    }

    /// Finishes the item, with the body that the format prepared.
    pub(crate) fn finish(mut self, index: ItemIndex, body: Option<Bytes>) -> BatchItem {
        let href = self.finish_target();
        let template = template::find(&href, &self.headers, body.as_ref(), self.limits);
        self.into_item(index, href, body, template)
    }

    /// Finishes an item in which references are plain data.
    pub(crate) fn finish_literal(mut self, index: ItemIndex, body: Option<Bytes>) -> BatchItem {
        let href = self.finish_target();
        self.into_item(index, href, body, Ok(None))
    }

    /// Takes the url. An item without one, or without a method, is rejected.
    fn finish_target(&mut self) -> Box<str> {
        if self.method.is_none() {
            self.reject_missing("method");
        }
        if self.href.is_none() {
            self.reject_missing(self.names.url);
        }
        self.href.take().unwrap_or_default()
    }

    fn into_item(
        mut self,
        index: ItemIndex,
        href: Box<str>,
        body: Option<Bytes>,
        template: Result<Option<Box<Template>>, ItemRejection>,
    ) -> BatchItem {
        let content = match self.rejection.take() {
            Some(rejection) => Err(rejection),
            None => template.map(|template| Item {
                headers: self.headers,
                spellings: self.spellings,
                body,
                timeout: self.timeout,
                depends_on: self.depends_on,
                condition: self.condition,
                template,
            }),
        };
        let id = self.id.unwrap_or_else(|| ItemId::from_position(index));
        let method = self.method.unwrap_or_else(unreadable_method);
        let subject = Subject { id, method, href, form: self.form };
        BatchItem { subject, content }
    }
}

#[cfg(test)]
mod tests;
