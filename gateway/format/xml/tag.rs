//! Start tags (XML 1.0 §3.1) and their contents, more strictly than the tokenizer reads them:
//! names are names, attributes are separated by white space and appear once.

use std::borrow::Cow;

use super::chars::{is_blank, is_plain_name};
use super::error::{XmlError, naming};
use super::unescape::{Blanks, unescape};

/// A qualified name (Namespaces in XML §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name<'a> {
    /// The part before the colon; empty if there is none.
    pub(super) prefix: &'a str,
    /// The part after the colon.
    pub(super) local: &'a str,
}

/// An attribute with its value, references undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attribute<'a> {
    /// Its name.
    pub(super) name: Name<'a>,
    /// Its value.
    pub(super) value: Cow<'a, str>,
}

/// Which tag opens an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TagKind {
    /// `<a>`.
    Start,
    /// `<a/>`.
    Empty,
}

/// A start tag or an empty element's tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tag<'a> {
    /// The element's name.
    pub(super) name: Name<'a>,
    /// Its attributes in order, namespace declarations among them.
    pub(super) attributes: Vec<Attribute<'a>>,
    /// Byte of the document where the tag starts.
    pub(super) start: usize,
    /// Byte after the element's name.
    pub(super) name_end: usize,
    /// Byte after the tag.
    pub(super) end: usize,
}

impl<'a> Name<'a> {
    fn parse(text: &'a str, at: usize) -> Result<Self, XmlError> {
        let (prefix, local) = text.split_once(':').unwrap_or(("", text));
        let prefix_is_fine = is_plain_name(prefix) || (prefix.is_empty() && !text.starts_with(':'));
        if prefix_is_fine && is_plain_name(local) {
            Ok(Self { prefix, local })
        } else {
            Err(XmlError::syntax(at, &naming("this is not a valid name:", text)))
        }
    }
}

impl<'a> Tag<'a> {
    /// Parses `source`, which runs from `<` through `>` and starts at byte `start` of the document.
    pub(super) fn parse(source: &'a str, start: usize, max_attributes: usize) -> Result<Self, XmlError> {
        let inner = source.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or_default();
        let inner = inner.strip_suffix('/').unwrap_or(inner);
        let name_length = inner.bytes().position(is_blank).unwrap_or(inner.len());
        let (name, rest) = inner.split_at(name_length);
        let name_end = start + 1 + name_length;
        let mut attributes = Attributes { rest, at: name_end, found: Vec::new() };
        while attributes.read_one()? {
            if attributes.found.len() > max_attributes {
                return Err(XmlError::forbidden(
                    start,
                    "a tag has more attributes than an XML batch can have",
                ));
            }
        }
        Ok(Self {
            name: Name::parse(name, start + 1)?,
            attributes: attributes.found,
            start,
            name_end,
            end: start + source.len(),
        })
    }

    /// The value of an attribute without a prefix.
    pub(super) fn attribute(&self, local: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|attribute| attribute.name == Name { prefix: "", local });
        found.map(|attribute| attribute.value.as_ref())
    }
}

struct Attributes<'a> {
    rest: &'a str,
    /// Byte of the document where `rest` starts.
    at: usize,
    found: Vec<Attribute<'a>>,
}

impl<'a> Attributes<'a> {
    /// Reads an attribute and the white space before it. Whether there was one.
    fn read_one(&mut self) -> Result<bool, XmlError> {
        let blanks = self.skip_blanks();
        if self.rest.is_empty() {
            return Ok(false);
        }
        if blanks == 0 {
            return Err(XmlError::syntax(self.at, "white space is missing before this attribute"));
        }
        let at = self.at;
        let name = self.take(self.rest.bytes().position(|byte| is_blank(byte) || byte == b'='));
        let name = Name::parse(name, at)?;
        self.skip_blanks();
        if !self.rest.starts_with('=') {
            return Err(XmlError::syntax(self.at, "an attribute has no value"));
        }
        self.take(Some(1));
        self.skip_blanks();
        let value = self.read_value()?;
        if self.found.iter().any(|earlier| earlier.name == name) {
            return Err(XmlError::syntax(at, &naming("duplicate attribute in a tag:", name.local)));
        }
        self.found.push(Attribute { name, value });
        Ok(true)
    }

    fn read_value(&mut self) -> Result<Cow<'a, str>, XmlError> {
        let quote = self.take(Some(1));
        if !matches!(quote, "\"" | "'") {
            return Err(XmlError::syntax(self.at - quote.len(), "an attribute's value is not in quotes"));
        }
        let end = self.rest.find(quote);
        let at = self.at;
        let source = self.take(end);
        if end.is_none() {
            return Err(XmlError::syntax(at, "an attribute's value has no end"));
        }
        self.take(Some(1));
        if let Some(found) = source.find('<') {
            return Err(XmlError::syntax(at + found, "a `<` is not allowed in an attribute's value"));
        }
        unescape(source, at, Blanks::Spaces)
    }

    fn skip_blanks(&mut self) -> usize {
        let length = self.rest.bytes().position(|byte| !is_blank(byte)).unwrap_or(self.rest.len());
        self.take(Some(length)).len()
    }

    /// Takes the next `length` bytes, or all; none if that would split a character.
    fn take(&mut self, length: Option<usize>) -> &'a str {
        let (taken, rest) =
            self.rest.split_at_checked(length.unwrap_or(self.rest.len())).unwrap_or(("", self.rest));
        self.rest = rest;
        self.at += taken.len();
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(source: &str) -> Result<Tag<'_>, XmlError> {
        Tag::parse(source, 0, 8)
    }

    #[test]
    fn tags_are_taken_apart() {
        let source = "<a:b  c='1'\n\td:e = \"&lt;'x'\" />";
        let read = tag(source).unwrap();
        assert_eq!(read.name, Name { prefix: "a", local: "b" });
        assert_eq!((read.start, read.name_end, read.end), (0, 4, source.len()));
        assert_eq!(read.attribute("c"), Some("1"));
        assert_eq!(read.attribute("e"), None);
        assert_eq!(read.attributes[1].value, "<'x'");
        assert!(tag("<é/>").unwrap().attributes.is_empty());
    }

    #[test]
    fn a_malformed_tag_is_refused() {
        let sources = [
            "<>",
            "</>",
            "< a>",
            "<1a>",
            "<a:>",
            "<:a>",
            "<a:b:c>",
            "<a/b>",
            "<a b>",
            "<a b=>",
            "<a b=c>",
            "<a b='>",
            "<a b='1'c='2'>",
            "<a b='1' b='2'>",
            "<a b='<'>",
            "<a b='&'>",
            "<a 'b'>",
            "<a =''>",
            "<a b=é>",
            "<a b==''>",
            "<a\"b\">",
            "<a //>",
            "<a / >",
        ];
        for source in sources {
            assert!(tag(source).is_err(), "{source}");
        }
    }

    #[test]
    fn attributes_are_counted() {
        let mut source = "<a".to_owned();
        for index in 0..8 {
            source = format!("{source} a{index}=''");
        }
        assert!(tag(&format!("{source}>")).is_ok());
        assert!(tag(&format!("{source} b=''>")).is_err());
    }
}
