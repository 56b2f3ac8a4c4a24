//! An XML document as tokens. quick-xml finds the markup and matches the tags; what it does not
//! check is checked here (XML 1.0, Namespaces in XML 1.0), so that every token is part
//! of a document that every parser reads alike.
//!
//! A document type is refused as soon as it starts. Nothing recurses, nothing is fetched, and
//! the memory per open element is bounded by [`TokenLimits`].

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::events::{BytesDecl, Event};

use super::chars::{find_illegal, is_blank_text, is_plain_name};
use super::error::{XmlError, XmlErrorKind, naming};
use super::fragment::{Cut, with_declarations};
use super::namespaces::Scope;
use super::tag::{Name, Tag, TagKind};
use super::unescape::{Blanks, referred, unescape};
use crate::format::charset::is_utf_8;

/// What a document may cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct TokenLimits {
    /// Elements open at a time.
    pub(super) depth: usize,
    /// Bytes of one tag.
    pub(super) tag: usize,
    /// Attributes of one tag.
    pub(super) attributes: usize,
    /// Namespace declarations in force at a time.
    pub(super) declarations: usize,
}

/// A piece of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// An element starts.
    Open(Tag<'a>),
    /// The element opened last ends. For an empty element's tag, this comes right after.
    Close,
    /// Characters, references undone and line ends normalised. Text next to each other may come
    /// in pieces.
    Text(Cow<'a, str>),
    /// A comment or a processing instruction.
    Other,
    /// The document has ended.
    End,
}

/// A document being read.
#[derive(Debug)]
pub(super) struct Tokens<'a> {
    reader: Reader<&'a [u8]>,
    source: &'a str,
    /// Bytes before `source` in the body: its byte order mark.
    offset: usize,
    limits: TokenLimits,
    scope: Scope<'a>,
    depth: usize,
    /// Whether the last token opened an empty element, which is to be closed next.
    empty: bool,
    /// Whether the root element was there.
    rooted: bool,
    /// Where the last token starts and ends.
    span: (usize, usize),
}

impl<'a> Tokens<'a> {
    /// Starts reading.
    pub(super) fn new(body: &'a [u8], limits: TokenLimits) -> Result<Self, XmlError> {
        let foreign = |at| XmlError::forbidden(at, "an XML batch has to be in UTF-8");
        let text = std::str::from_utf8(body).map_err(|error| foreign(error.valid_up_to()))?;
        let source = text.strip_prefix('\u{feff}').unwrap_or(text);
        let offset = text.len() - source.len();
        if let Some(at) = find_illegal(source) {
            return Err(XmlError::syntax(offset + at, "this character is not allowed in XML"));
        }
        let mut reader = Reader::from_str(source);
        let config = reader.config_mut();
        config.check_comments = true;
        Ok(Self {
            reader,
            source,
            offset,
            limits,
            scope: Scope::default(),
            depth: 0,
            empty: false,
            rooted: false,
            span: (offset, offset),
        })
    }

    /// Where the last token starts.
    pub(super) fn start(&self) -> usize {
        self.span.0
    }

    /// Where the last token ends.
    pub(super) fn end(&self) -> usize {
        self.span.1
    }

    /// Elements open after the last token.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// The namespace of the element opened last, which has this name. That its prefix is declared was checked then.
    pub(super) fn namespace_of(&self, name: Name<'_>) -> &str {
        self.scope.resolve(name, self.span.0).unwrap_or_default()
    }

    /// Where to cut out the element opened last, and the declarations in force around it.
    pub(super) fn cut(&self, tag: &Tag<'a>) -> Cut<'a> {
        Cut { start: tag.start, name_end: tag.name_end, declarations: self.scope.in_force_for(tag) }
    }

    /// What is cut out, up to `end`; a part of the document if nothing has to be declared in it.
    pub(super) fn cut_out(&self, cut: &Cut<'_>, end: usize) -> Cow<'a, str> {
        let declared = with_declarations(cut, end, |from, to| self.slice(from, to));
        declared.map_or_else(|| Cow::Borrowed(self.slice(cut.start, end)), Cow::Owned)
    }

    /// The document's text between two places.
    pub(super) fn slice(&self, from: usize, to: usize) -> &'a str {
        self.source.get(from.saturating_sub(self.offset)..to.saturating_sub(self.offset)).unwrap_or_default()
    }

    /// The next token.
    pub(super) fn next(&mut self) -> Result<Token<'a>, XmlError> {
        if self.empty {
            self.empty = false;
            return Ok(self.close());
        }
        self.refuse_document_type()?;
        let start = self.position();
        let event = self.reader.read_event().map_err(|error| self.fault(&error))?;
        self.span = (start, self.position());
        let content = self.slice(start, self.span.1);
        match event {
            Event::Start(_) => self.open(content, TagKind::Start),
            Event::Empty(_) => self.open(content, TagKind::Empty),
            Event::End(_) => Ok(self.close()),
            Event::Text(_) => self.text(content),
            Event::CData(_) => self.cdata(content),
            Event::GeneralRef(_) => self.reference(content),
            Event::Comment(_) => Ok(Token::Other),
            Event::PI(instruction) => {
                check_target(instruction.target(), start)?;
                Ok(Token::Other)
            }
            Event::Decl(declaration) => self.declaration(&declaration),
            Event::DocType(_) => Err(XmlError::forbidden(start, NO_DOCUMENT_TYPE)),
            Event::Eof => self.eof(),
        }
    }

    /// Skips to the end of the element opened last.
    pub(super) fn skip_element(&mut self) -> Result<(), XmlError> {
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside {
            self.next()?;
        }
        Ok(())
    }

    /// All text in the element opened last, up to its end, and whether there are elements in it.
    pub(super) fn read_text(&mut self) -> Result<(String, bool), XmlError> {
        let outside = self.depth.saturating_sub(1);
        let (mut text, mut has_elements) = (String::new(), false);
        while self.depth > outside {
            match self.next()? {
                Token::Text(more) => text.push_str(&more),
                Token::Open(_) => has_elements = true,
                Token::Close | Token::Other | Token::End => {}
            }
        }
        Ok((text, has_elements))
    }

    /// Reads the elements in the element opened last, up to its end: `each` reads one to its own end. Text between them is
    /// refused for this reason.
    pub(super) fn children(
        &mut self,
        no_text: &'static str,
        mut each: impl FnMut(&mut Self, &Tag<'a>) -> Result<(), XmlError>,
    ) -> Result<(), XmlError> {
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside {
            match self.next()? {
                Token::Open(tag) => each(self, &tag)?,
                Token::Text(text) if !is_blank_text(&text) => {
                    return Err(XmlError::not_a_batch(self.start(), no_text));
                }
                Token::Text(_) | Token::Other | Token::Close | Token::End => {}
            }
        }
        Ok(())
    }

    fn open(&mut self, content: &'a str, kind: TagKind) -> Result<Token<'a>, XmlError> {
        let start = self.span.0;
        if content.len() > self.limits.tag {
            return Err(XmlError::forbidden(start, "a tag is longer than an XML batch's tags can be"));
        }
        if self.depth == 0 && self.rooted {
            return Err(XmlError::syntax(start, "there is a second root element"));
        }
        if self.depth == self.limits.depth {
            return Err(XmlError { at: start, kind: XmlErrorKind::TooDeep });
        }
        let tag = Tag::parse(content, start, self.limits.attributes)?;
        self.depth += 1;
        self.rooted = true;
        self.empty = kind == TagKind::Empty;
        self.scope.enter(&tag, self.depth, self.limits.declarations)?;
        self.scope.resolve(tag.name, start)?;
        Ok(Token::Open(tag))
    }

    fn close(&mut self) -> Token<'a> {
        self.scope.leave(self.depth);
        self.depth = self.depth.saturating_sub(1);
        Token::Close
    }

    fn text(&self, content: &'a str) -> Result<Token<'a>, XmlError> {
        let start = self.span.0;
        if self.depth == 0 && !is_blank_text(content) {
            return Err(XmlError::syntax(start, "there is text outside of the root element"));
        }
        if let Some(found) = memchr::memmem::find(content.as_bytes(), b"]]>") {
            return Err(XmlError::syntax(start + found, "`]]>` is not allowed in text; write `]]&gt;`"));
        }
        unescape(content, start, Blanks::Lines).map(Token::Text)
    }

    fn cdata(&self, content: &'a str) -> Result<Token<'a>, XmlError> {
        if self.depth == 0 {
            return Err(XmlError::syntax(self.span.0, "there is text outside of the root element"));
        }
        let content = content.strip_prefix("<![CDATA[").and_then(|content| content.strip_suffix("]]>"));
        Ok(Token::Text(with_plain_line_ends(content.unwrap_or_default())))
    }

    fn reference(&self, content: &'a str) -> Result<Token<'a>, XmlError> {
        let start = self.span.0;
        let name = content.strip_prefix('&').and_then(|content| content.strip_suffix(';'));
        let character = referred(name.unwrap_or_default(), start)?;
        if self.depth == 0 {
            return Err(XmlError::syntax(start, "there is text outside of the root element"));
        }
        Ok(Token::Text(Cow::Owned(character.into())))
    }

    /// The XML declaration (§2.8): at the very start, version 1.0, UTF-8.
    fn declaration(&self, declaration: &BytesDecl<'_>) -> Result<Token<'a>, XmlError> {
        let start = self.span.0;
        if start != self.offset {
            return Err(XmlError::syntax(start, "an XML declaration is allowed only at the very start"));
        }
        let content: &str = declaration;
        let source = format!("<{content}>");
        let tag = Tag::parse(&source, start, 3)?;
        let names: Vec<&str> = tag.attributes.iter().map(|attribute| attribute.name.local).collect();
        if !matches!(
            names.as_slice(),
            ["version"] | ["version", "encoding" | "standalone"] | ["version", "encoding", "standalone"]
        ) {
            return Err(XmlError::syntax(
                start,
                "an XML declaration has `version`, `encoding` and `standalone`",
            ));
        }
        if tag.attribute("version") != Some("1.0") {
            return Err(XmlError::forbidden(start, "an XML batch has to be XML 1.0"));
        }
        if !matches!(tag.attribute("standalone"), None | Some("yes" | "no")) {
            return Err(XmlError::syntax(start, "`standalone` is `yes` or `no`"));
        }
        let encoding = tag.attribute("encoding").unwrap_or("utf-8");
        if is_utf_8(encoding) {
            Ok(Token::Other)
        } else {
            Err(XmlError::forbidden(
                start,
                "an XML batch has to be in UTF-8, and to say so if it says anything",
            ))
        }
    }

    fn eof(&self) -> Result<Token<'a>, XmlError> {
        if self.depth > 0 {
            Err(XmlError::syntax(self.span.1, "the document ends within an element"))
        } else if self.rooted {
            Ok(Token::End)
        } else {
            Err(XmlError::syntax(self.span.1, "there is no root element"))
        }
    }

    /// Not even its end is looked for.
    fn refuse_document_type(&self) -> Result<(), XmlError> {
        let start = self.position();
        let next = self.source.as_bytes().get(start - self.offset..start - self.offset + 9);
        if next.is_some_and(|next| next.eq_ignore_ascii_case(b"<!DOCTYPE")) {
            return Err(XmlError::forbidden(start, NO_DOCUMENT_TYPE));
        }
        Ok(())
    }

    fn position(&self) -> usize {
        self.offset + usize::try_from(self.reader.buffer_position()).unwrap_or(self.source.len())
    }

    fn fault(&self, error: &quick_xml::Error) -> XmlError {
        let at = usize::try_from(self.reader.error_position()).unwrap_or_default();
        // Names in its messages are as long as the client's tags.
        let reason: String = error.to_string().chars().take(MAX_REASON).collect();
        XmlError::syntax(self.offset + at, &reason)
    }
}

const NO_DOCUMENT_TYPE: &str = "an XML batch can't have a document type (DTD)";

/// Characters of a parser's message that are passed on.
const MAX_REASON: usize = 200;

/// The target of a processing instruction (§2.6): a name, and not a reserved one.
fn check_target(target: &str, at: usize) -> Result<(), XmlError> {
    if is_plain_name(target) && !target.eq_ignore_ascii_case("xml") {
        Ok(())
    } else {
        Err(XmlError::syntax(at, &naming("this is not a valid name for a processing instruction:", target)))
    }
}

/// CR LF and CR are LF (§2.11).
fn with_plain_line_ends(text: &str) -> Cow<'_, str> {
    if text.contains('\r') {
        Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests;
