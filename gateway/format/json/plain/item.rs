//! What plain items have in common: a method, fields, and a body that is a string.

use std::borrow::Cow;

use bytes::Bytes;

use super::value::scalar;
use crate::batch::{BatchItem, ItemIndex, ItemRejection};
use crate::format::base64;
use crate::format::item_builder::ItemBuilder;
use crate::format::json::error::JsonError;
use crate::format::json::item::{NO_OBJECT, read_headers};
use crate::format::json::lexer::Lexer;
use crate::format::json::members::read_members;

/// An item while it is read.
pub(crate) struct PlainItem<'l, 'a> {
    /// The members that all formats have.
    pub(crate) builder: ItemBuilder<'l>,

    body: Option<Cow<'a, str>>,
    in_base64: bool,
}

impl<'l, 'a> PlainItem<'l, 'a> {
    /// An item before any of its members is read. A missing method is GET, as in both services.
    pub(crate) fn new(mut builder: ItemBuilder<'l>) -> Self {
        builder.set_method("GET");
        Self { builder, body: None, in_base64: false }
    }

    /// Reads the item's members: the common ones here, the others with `own`.
    pub(crate) fn read(
        &mut self,
        lexer: &mut Lexer<'a>,
        mut own: impl FnMut(&mut ItemBuilder<'l>, &mut Lexer<'a>, &str) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        if lexer.peek() != Some(b'{') {
            lexer.value()?;
            self.builder.reject(NO_OBJECT);
            return Ok(());
        }
        read_members(lexer, |lexer, name, _| match name {
            "method" => self.read_method(lexer),
            "headers" => read_headers(lexer, &mut self.builder, scalar),
            "body" => self.read_body(lexer),
            "encoding" => self.read_encoding(lexer),
            name => own(&mut self.builder, lexer, name),
        })
    }

    fn read_method(&mut self, lexer: &mut Lexer<'a>) -> Result<(), JsonError> {
        match scalar(lexer)? {
            Some(method) => self.builder.set_method(&method),
            None => self.builder.reject_member("method", "is not a string"),
        }
        Ok(())
    }

    fn read_body(&mut self, lexer: &mut Lexer<'a>) -> Result<(), JsonError> {
        if lexer.peek() == Some(b'"') {
            self.body = Some(lexer.string()?.decode()?);
        } else if lexer.value()? != "null" {
            self.builder.reject(ItemRejection::BadBody { problem: "is not a string" });
        }
        Ok(())
    }

    fn read_encoding(&mut self, lexer: &mut Lexer<'a>) -> Result<(), JsonError> {
        match scalar(lexer)?.as_deref() {
            Some("base64") => self.in_base64 = true,
            Some(_) | None => self.builder.reject_member("encoding", "is not `base64`"),
        }
        Ok(())
    }

    /// The item. Nothing in it refers to other items.
    pub(crate) fn finish(mut self, index: ItemIndex) -> BatchItem {
        // APISIX and Tyk send nothing for an empty text.
        let text = self.body.take().filter(|text| !text.is_empty());
        let body = match text {
            Some(text) if self.in_base64 => self.decoded(&text),
            Some(text) => Some(Bytes::from(text.into_owned())),
            None => None,
        };
        self.builder.finish_literal(index, body)
    }

    fn decoded(&mut self, text: &str) -> Option<Bytes> {
        let bytes = base64::decode(text).map(Bytes::from);
        if bytes.is_none() {
            self.builder.reject(ItemRejection::BadBody { problem: "is not base64" });
        }
        bytes
    }
}
