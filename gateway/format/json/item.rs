//! Reads one item of a JSON batch: its members, each checked for its type.

use std::borrow::Cow;

use bytes::Bytes;

use super::body::RawBody;
use super::lexer::{Fault, FaultKind, Lexer, RawString};
use super::reader::NO_OBJECT;
use crate::format::draft::{Draft, MemberNames, NO_CONDITIONS, NO_DEPENDENCIES, shown};
use crate::format::{BatchItem, BatchLimits, FieldError, ItemIndex};

/// Members of a batch or an item. Far more than the protocol has, and few enough to compare each
/// with all.
const MAX_MEMBERS: usize = 64;

const NAMES: MemberNames = MemberNames { url: "url" };

/// The names of an object's members so far; RFC 8259 §4 leaves open what a second one of the same
/// name means, so that the gateway and the upstream might differ.
#[derive(Debug, Default)]
pub(super) struct Members<'a>(Vec<Cow<'a, str>>);

impl<'a> Members<'a> {
    /// Adds a name, or says that it is there already.
    pub(super) fn add(&mut self, name: Cow<'a, str>, at: usize) -> Result<(), Fault> {
        if self.0.contains(&name) {
            return Err(Fault { at, kind: FaultKind::Twice(shown(&name)) });
        }
        if self.0.len() == MAX_MEMBERS {
            return Err(Fault { at, kind: FaultKind::NotABatch("there are more than 64 members") });
        }
        self.0.push(name);
        Ok(())
    }
}

/// One item, while it is read.
pub(super) struct ItemReader<'a> {
    whole: &'a Bytes,
    draft: Draft<'a>,
    body: RawBody<'a>,
    group: Option<Cow<'a, str>>,
}

impl<'a> ItemReader<'a> {
    /// For the next item of the batch `whole`.
    pub(super) fn new(whole: &'a Bytes, limits: &'a BatchLimits) -> Self {
        Self { whole, draft: Draft::new(limits, NAMES), body: RawBody::Absent, group: None }
    }

    /// Reads the item, and the name of its atomicity group if it is in one.
    pub(super) fn read(
        mut self,
        lexer: &mut Lexer<'a>,
        index: ItemIndex,
    ) -> Result<(BatchItem, Option<Cow<'a, str>>), Fault> {
        if lexer.peek() == Some(b'{') {
            self.read_members(lexer)?;
        } else {
            lexer.value()?;
            self.draft.reject(NO_OBJECT);
        }
        let body = self.body.prepare(&mut self.draft, self.whole)?;
        Ok((self.draft.finish(index, body), self.group))
    }

    fn read_members(&mut self, lexer: &mut Lexer<'a>) -> Result<(), Fault> {
        lexer.open_object()?;
        let mut first = true;
        let mut members = Members::default();
        while let Some(name) = lexer.next_member(&mut first)? {
            let decoded = name.decode()?;
            members.add(decoded.clone(), name.at)?;
            self.read_member(lexer, &decoded)?;
        }
        Ok(())
    }

    /// Reads the value of a member. `null` means that the member is not there, as OData has it
    /// for bodies and as clients write it for all that is optional.
    fn read_member(&mut self, lexer: &mut Lexer<'a>, name: &str) -> Result<(), Fault> {
        match name {
            "id" => {
                if let Some(id) = self.text(lexer, "id")? {
                    self.draft.set_id(&id);
                }
            }
            "method" => {
                if let Some(method) = self.text(lexer, "method")? {
                    self.draft.set_method(&method);
                }
            }
            "url" => {
                if let Some(url) = self.text(lexer, "url")? {
                    self.draft.set_url(&url);
                }
            }
            "headers" => self.read_headers(lexer)?,
            "body" => self.body = RawBody::read(lexer)?,
            "timeout" => match lexer.value()? {
                "null" => {}
                number => self.draft.set_timeout(number),
            },
            "dependsOn" => self.read_dependencies(lexer)?,
            "atomicityGroup" => self.group = self.text(lexer, "atomicityGroup")?,
            "if" => {
                if lexer.value()? != "null" {
                    self.draft.reject(NO_CONDITIONS);
                }
            }
            _ => {
                lexer.value()?;
            }
        }
        Ok(())
    }

    /// A member that is a string.
    fn text(&mut self, lexer: &mut Lexer<'a>, member: &'static str) -> Result<Option<Cow<'a, str>>, Fault> {
        let text = string_or_skip(lexer)?;
        match text {
            Value::String(string) => string.decode().map(Some),
            Value::Null => Ok(None),
            Value::Other => {
                self.draft.reject_member(member, "is no string");
                Ok(None)
            }
        }
    }

    /// Dependencies are not resolved in this version: none may be asked for.
    fn read_dependencies(&mut self, lexer: &mut Lexer<'a>) -> Result<(), Fault> {
        if lexer.peek() != Some(b'[') {
            if lexer.value()? != "null" {
                self.draft.reject_member("dependsOn", "is no list of ids");
            }
            return Ok(());
        }
        lexer.open_array()?;
        let mut first = true;
        while lexer.next_element(&mut first)? {
            match string_or_skip(lexer)? {
                Value::String(_) => self.draft.reject(NO_DEPENDENCIES),
                Value::Null | Value::Other => self.draft.reject_member("dependsOn", "is no list of ids"),
            }
        }
        Ok(())
    }

    fn read_headers(&mut self, lexer: &mut Lexer<'a>) -> Result<(), Fault> {
        if lexer.peek() != Some(b'{') {
            if lexer.value()? != "null" {
                self.draft.reject_member("headers", "is no object");
            }
            return Ok(());
        }
        lexer.open_object()?;
        let mut first = true;
        while let Some(name) = lexer.next_member(&mut first)? {
            let name = name.decode()?;
            if self.draft.has_header(&name) {
                self.draft.reject_header(&name, FieldError::Twice);
            }
            self.read_header(lexer, &name)?;
        }
        Ok(())
    }

    /// A field's value: a string, or a list of them for a field with several values.
    fn read_header(&mut self, lexer: &mut Lexer<'a>, name: &str) -> Result<(), Fault> {
        if lexer.peek() != Some(b'[') {
            return self.read_header_value(lexer, name);
        }
        lexer.open_array()?;
        let mut first = true;
        while lexer.next_element(&mut first)? {
            self.read_header_value(lexer, name)?;
        }
        Ok(())
    }

    fn read_header_value(&mut self, lexer: &mut Lexer<'a>, name: &str) -> Result<(), Fault> {
        match string_or_skip(lexer)? {
            Value::String(value) => self.draft.add_header(name, value.decode()?.as_bytes()),
            Value::Null | Value::Other => self.draft.reject_header(name, FieldError::NotText),
        }
        Ok(())
    }
}

enum Value<'a> {
    String(RawString<'a>),
    Null,
    Other,
}

fn string_or_skip<'a>(lexer: &mut Lexer<'a>) -> Result<Value<'a>, Fault> {
    if lexer.peek() == Some(b'"') {
        return lexer.string().map(Value::String);
    }
    Ok(if lexer.value()? == "null" { Value::Null } else { Value::Other })
}
