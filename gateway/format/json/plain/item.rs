//! What the items of both dialects have: a method, fields, a body that is a string.

use std::borrow::Cow;

use bytes::Bytes;

use super::value::{Opened, open_or_skip, scalar, scalars};
use crate::format::item_builder::ItemBuilder;
use crate::format::json::fault::Fault;
use crate::format::json::item::Members;
use crate::format::json::lexer::Lexer;
use crate::format::{BatchItem, FieldError, ItemIndex, ItemRejection, base64};

/// An item while it is read.
pub(super) struct PlainItem<'l, 'a> {
    /// What all formats have.
    pub(super) draft: ItemBuilder<'l>,
    members: Members<'a>,
    body: Option<Cow<'a, str>>,
    in_base64: bool,
}

impl<'l, 'a> PlainItem<'l, 'a> {
    /// Nothing yet. A method is not needed: both servers take GET for none.
    pub(super) fn new(mut draft: ItemBuilder<'l>) -> Self {
        draft.set_method("GET");
        Self { draft, members: Members::default(), body: None, in_base64: false }
    }

    /// Reads the item's members; those that all have, and the others by `own`.
    pub(super) fn read(
        &mut self,
        lexer: &mut Lexer<'a>,
        mut own: impl FnMut(&mut ItemBuilder<'l>, &mut Lexer<'a>, &str) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if lexer.peek() != Some(b'{') {
            lexer.value()?;
            self.draft.reject(ItemRejection::WrongShape { expected: "an object" });
            return Ok(());
        }
        lexer.open_object()?;
        let mut first = true;
        while let Some(name) = lexer.next_member(&mut first)? {
            let decoded = name.decode()?;
            self.members.add(decoded.clone(), name.at)?;
            match &*decoded {
                "method" => self.read_method(lexer)?,
                "headers" => self.read_headers(lexer)?,
                "body" => self.read_body(lexer)?,
                "encoding" => self.read_encoding(lexer)?,
                name => own(&mut self.draft, lexer, name)?,
            }
        }
        Ok(())
    }

    fn read_method(&mut self, lexer: &mut Lexer<'a>) -> Result<(), Fault> {
        match scalar(lexer)? {
            Some(method) => self.draft.set_method(&method),
            None => self.draft.reject_member("method", "is not a string"),
        }
        Ok(())
    }

    fn read_headers(&mut self, lexer: &mut Lexer<'a>) -> Result<(), Fault> {
        match open_or_skip(lexer)? {
            Opened::Null => return Ok(()),
            Opened::Other => {
                self.draft.reject_member("headers", "is no object");
                return Ok(());
            }
            Opened::Object => {}
        }
        let mut first = true;
        while let Some(name) = lexer.next_member(&mut first)? {
            let name = name.decode()?;
            if self.draft.has_header(&name) {
                self.draft.reject_header(&name, FieldError::Twice);
            }
            scalars(lexer, |value| match value {
                Some(value) => self.draft.add_header(&name, value.as_bytes()),
                None => self.draft.reject_header(&name, FieldError::NotText),
            })?;
        }
        Ok(())
    }

    fn read_body(&mut self, lexer: &mut Lexer<'a>) -> Result<(), Fault> {
        if lexer.peek() == Some(b'"') {
            self.body = Some(lexer.string()?.decode()?);
        } else if lexer.value()? != "null" {
            self.draft.reject(ItemRejection::BadBody { problem: "is not a string" });
        }
        Ok(())
    }

    fn read_encoding(&mut self, lexer: &mut Lexer<'a>) -> Result<(), Fault> {
        match scalar(lexer)?.as_deref() {
            Some("base64") => self.in_base64 = true,
            Some(_) | None => self.draft.reject_member("encoding", "is not `base64`"),
        }
        Ok(())
    }

    /// The item. Nothing in it refers to other items.
    pub(super) fn finish(mut self, index: ItemIndex) -> BatchItem {
        // APISIX and Tyk send nothing for an empty text.
        let text = self.body.take().filter(|text| !text.is_empty());
        let body = match text {
            Some(text) if self.in_base64 => self.decoded(&text),
            Some(text) => Some(Bytes::from(text.into_owned())),
            None => None,
        };
        self.draft.finish_literal(index, body)
    }

    fn decoded(&mut self, text: &str) -> Option<Bytes> {
        let bytes = base64::decode(text).map(Bytes::from);
        if bytes.is_none() {
            self.draft.reject(ItemRejection::BadBody { problem: "is no base64" });
        }
        bytes
    }
}
