//! Reads one item of a JSON batch: its members, each checked for its type.

use std::borrow::Cow;

use bytes::Bytes;

use super::body::RawBody;
use super::conventions::JsonInput;
use super::error::JsonError;
use super::lexer::Lexer;
use super::members::read_members;
use super::strings::RawString;
use crate::batch::{BatchItem, BatchLimits, ItemIndex, ItemRejection, Taken};
use crate::format::item_builder::{ItemBuilder, MemberNames};
use crate::header::field::FieldError;

/// The members that an item can have.
const KNOWN: [&str; 9] =
    ["id", "method", "url", "headers", "body", "timeout", "dependsOn", "atomicityGroup", "if"];

/// What every element of `requests` has to be.
pub(super) const NO_OBJECT: ItemRejection = ItemRejection::WrongShape { expected: "an object" };

const NO_ID: &str = "is neither a string nor a whole number";
const NO_STRING_ID: &str = "is not a string; ids are strings in this endpoint's dialect";
const NO_IDS: &str = "is neither an id (a string or a whole number) nor a list of ids";

const NAMES: MemberNames = MemberNames { url: "url" };

/// One item, while it is read.
pub(super) struct ItemReader<'a> {
    whole: &'a Bytes,
    builder: ItemBuilder<'a>,
    body: RawBody<'a>,
    conventions: JsonInput<'a>,
}

impl<'a> ItemReader<'a> {
    /// A reader for the next item of the batch `whole`.
    pub(super) fn new(whole: &'a Bytes, limits: &'a BatchLimits, conventions: JsonInput<'a>) -> Self {
        Self { whole, builder: ItemBuilder::new(limits, NAMES), body: RawBody::Absent, conventions }
    }

    /// Reads the item.
    pub(super) fn read(mut self, lexer: &mut Lexer<'a>, index: ItemIndex) -> Result<BatchItem, JsonError> {
        if lexer.peek() == Some(b'{') {
            read_members(lexer, |lexer, name, _| self.read_member(lexer, name))?;
        } else {
            lexer.value()?;
            self.builder.reject(NO_OBJECT);
        }
        let body = self.body.prepare(&mut self.builder, self.whole, self.conventions.text_types)?;
        Ok(self.builder.finish(index, body))
    }

    /// Reads the value of a member. `null` means that the member is absent, as in OData
    /// for bodies, and as clients write it for all that is optional.
    fn read_member(&mut self, lexer: &mut Lexer<'a>, name: &str) -> Result<(), JsonError> {
        match name {
            "id" => self.read_id(lexer)?,
            "method" => self.text(lexer, "method", ItemBuilder::set_method)?,
            "url" => {
                let base = self.conventions.url_base;
                self.text(lexer, "url", |builder, url| builder.set_url_in(url, base))?;
            }
            "headers" => read_headers(lexer, &mut self.builder, string_or_skip)?,
            "body" => self.body = RawBody::read(lexer)?,
            "timeout" => match lexer.value()? {
                "null" => {}
                number => self.builder.set_timeout(number),
            },
            "dependsOn" => self.read_dependencies(lexer)?,
            "atomicityGroup" => self.text(lexer, "atomicityGroup", ItemBuilder::set_group)?,
            "if" => self.text(lexer, "if", ItemBuilder::set_condition)?,
            other => self.read_other(lexer, other)?,
        }
        Ok(())
    }

    /// Reads a member that is known only in a dialect, or not at all.
    fn read_other(&mut self, lexer: &mut Lexer<'a>, name: &str) -> Result<(), JsonError> {
        if let Some(member) = self.conventions.other_depends_on.filter(|member| *member == name) {
            self.builder.form().taken.push(Taken { member, meant: "dependsOn" });
            return self.read_dependencies(lexer);
        }
        lexer.value()?;
        self.builder.meet_unknown(name, &KNOWN);
        Ok(())
    }

    /// Reads an id: a string, or an integer, which is kept digit by digit. `null` is not an id: a client that sends the member
    /// looks for its result by it.
    fn read_id(&mut self, lexer: &mut Lexer<'a>) -> Result<(), JsonError> {
        match name_or_skip(lexer)? {
            Name::String(id) => self.builder.set_id(&id.decode()?),
            Name::Number(digits) if !self.conventions.ids_are_strings => self.builder.set_number_id(digits),
            Name::Number(_) => self.builder.reject_member("id", NO_STRING_ID),
            Name::Null | Name::Other if self.conventions.ids_are_strings => {
                self.builder.reject_member("id", NO_STRING_ID);
            }
            Name::Null | Name::Other => self.builder.reject_member("id", NO_ID),
        }
        Ok(())
    }

    /// Reads a member that is a string, and sets it.
    fn text(
        &mut self,
        lexer: &mut Lexer<'a>,
        member: &'static str,
        set: impl FnOnce(&mut ItemBuilder<'a>, &str),
    ) -> Result<(), JsonError> {
        if lexer.peek() == Some(b'"') {
            set(&mut self.builder, &lexer.string()?.decode()?);
        } else if lexer.value()? != "null" {
            self.builder.reject_member(member, "is not a string");
        }
        Ok(())
    }

    /// A list of ids and groups, or a single one, or `null` for none.
    fn read_dependencies(&mut self, lexer: &mut Lexer<'a>) -> Result<(), JsonError> {
        let is_list = lexer.peek() == Some(b'[');
        lexer.one_or_several(|lexer| {
            match name_or_skip(lexer)? {
                Name::Null if !is_list => {}
                Name::String(name) => self.builder.add_dependency(&name.decode()?),
                Name::Number(digits) if !self.conventions.ids_are_strings => {
                    self.builder.add_dependency(digits);
                }
                Name::Number(_) | Name::Null | Name::Other => self.builder.reject_member("dependsOn", NO_IDS),
            }
            Ok(())
        })
    }
}

/// Reads the member `headers`. A field's value is what `read_text` takes for a text, or a list of such values for a field with
/// several of them.
pub(super) fn read_headers<'a>(
    lexer: &mut Lexer<'a>,
    builder: &mut ItemBuilder<'_>,
    read_text: impl Fn(&mut Lexer<'a>) -> Result<Option<Cow<'a, str>>, JsonError>,
) -> Result<(), JsonError> {
    if lexer.peek() != Some(b'{') {
        if lexer.value()? != "null" {
            builder.reject_member("headers", "is not an object");
        }
        return Ok(());
    }
    lexer.open_object()?;
    while let Some(name) = lexer.next_member()? {
        let name = name.decode()?;
        if builder.has_header(&name) {
            builder.reject_header(&name, FieldError::Twice);
        }
        lexer.one_or_several(|lexer| {
            match read_text(lexer)? {
                Some(value) => builder.add_header(&name, value.as_bytes()),
                None => builder.reject_header(&name, FieldError::NotText),
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Reads a string, or skips another value.
fn string_or_skip<'a>(lexer: &mut Lexer<'a>) -> Result<Option<Cow<'a, str>>, JsonError> {
    if lexer.peek() == Some(b'"') {
        return lexer.string()?.decode().map(Some);
    }
    lexer.value().map(|_| None)
}

/// A value that names an item.
#[derive(Clone, Copy)]
enum Name<'a> {
    String(RawString<'a>),
    /// An integer as it is written: another reader might round a long one.
    Number(&'a str),
    Null,
    Other,
}

fn name_or_skip<'a>(lexer: &mut Lexer<'a>) -> Result<Name<'a>, JsonError> {
    if lexer.peek() == Some(b'"') {
        return lexer.string().map(Name::String);
    }
    let value = lexer.value()?;
    let digits = value.strip_prefix('-').unwrap_or(value);
    Ok(match value {
        "null" => Name::Null,
        // A fraction and an exponent have other characters in them.
        number if digits.bytes().all(|byte| byte.is_ascii_digit()) => Name::Number(number),
        _ => Name::Other,
    })
}

#[cfg(test)]
mod tests;
