//! The body of an XML item (protocol §2.2): child elements, which become a document of their own;
//! or text; or base64.
//!
//! Without a type, elements are `application/xml`, text is `text/plain` and base64 is
//! `application/octet-stream`, all in UTF-8 unless the type has another charset.

use bytes::Bytes;

use super::chars::{is_blank, is_blank_text};
use super::fault::Fault;
use super::fragment::{Cut, with_declarations};
use super::tag::Tag;
use super::tokens::{Token, Tokens};
use crate::format::draft::Draft;
use crate::format::media::MediaKind;
use crate::format::{ItemRejection, base64, charset};

/// An item's `body` element as it stands in the batch.
#[derive(Debug)]
pub(super) struct RawBody<'a> {
    content: Content<'a>,
    is_base64: bool,
}

#[derive(Debug)]
enum Content<'a> {
    Text(String),
    Elements {
        cut: Cut<'a>,
        end: usize,
    },
    /// More than one root, or text beside it.
    Mixed,
}

impl<'a> RawBody<'a> {
    /// Reads the element whose tag came last, to its end; what its tag says of the media type goes
    /// into the draft.
    pub(super) fn read(tokens: &mut Tokens<'a>, tag: &Tag<'a>, draft: &mut Draft<'_>) -> Result<Self, Fault> {
        if let Some(media_type) = tag.attribute("type") {
            draft.add_header("content-type", media_type.as_bytes());
        }
        let is_base64 = match tag.attribute("encoding") {
            None | Some("") => false,
            Some("base64") => true,
            Some(_) => {
                draft.reject(ItemRejection::BadBody { problem: "has an encoding other than base64" });
                false
            }
        };
        Ok(Self { content: read_content(tokens)?, is_base64 })
    }

    /// The bytes to send, `whole` being the batch that this is a part of.
    pub(super) fn prepare(self, tokens: &Tokens<'a>, draft: &mut Draft<'_>, whole: &Bytes) -> Option<Bytes> {
        let prepared = match self.content {
            Content::Mixed => Err("has text beside its element, or more than one element"),
            Content::Elements { .. } if self.is_base64 => Err("has an element where base64 should be"),
            Content::Elements { cut, end } => document(tokens, draft, whole, &cut, end),
            Content::Text(text) if self.is_base64 => binary(draft, text),
            Content::Text(text) => plain(draft, text),
        };
        prepared.map_err(|problem| draft.reject(ItemRejection::BadBody { problem })).ok()
    }
}

fn read_content<'a>(tokens: &mut Tokens<'a>) -> Result<Content<'a>, Fault> {
    let outside = tokens.depth() - 1;
    let mut text = String::new();
    let mut cut: Option<Cut<'a>> = None;
    let mut markup_start = None;
    let mut end = tokens.end();
    let mut roots = 0_usize;
    loop {
        match tokens.next()? {
            Token::Open(tag) => {
                roots += 1;
                let start = *markup_start.get_or_insert(tag.start);
                if cut.is_none() {
                    let declarations = tokens.declarations_around(&tag);
                    cut = Some(Cut { start, name_end: tag.name_end, declarations });
                }
                tokens.skip_element()?;
                end = tokens.end();
            }
            Token::Text(more) => text.push_str(&more),
            // Around the element, comments are part of the document; beside text they are not.
            Token::Other => {
                markup_start.get_or_insert(tokens.start());
                end = tokens.end();
            }
            Token::Close if tokens.depth() == outside => break,
            Token::Close | Token::End => {}
        }
    }
    Ok(match cut {
        None => Content::Text(text),
        Some(cut) if roots == 1 && is_blank_text(&text) => Content::Elements { cut, end },
        Some(_) => Content::Mixed,
    })
}

fn document<'a>(
    tokens: &Tokens<'a>,
    draft: &mut Draft<'_>,
    whole: &Bytes,
    cut: &Cut<'a>,
    end: usize,
) -> Result<Bytes, &'static str> {
    draft.default_media_type("application/xml");
    let media = draft.media_type();
    if media.is_some_and(|media| media.kind != MediaKind::Xml) {
        return Err("has an element, though its type is not XML; escape it, or put it in CDATA");
    }
    let own_charset = media.and_then(|media| media.charset);
    let source = tokens.slice(cut.start, end);
    let declared = with_declarations(cut, end, |from, to| tokens.slice(from, to));
    match (declared, own_charset) {
        (None, None) => Ok(whole.slice_ref(source.as_bytes())),
        (Some(text), None) => Ok(text.into()),
        (declared, Some(name)) => {
            let text = declared.as_deref().unwrap_or(source);
            charset::encode(Some(name), text).map(|bytes| bytes.into_owned().into()).map_err(charset::problem)
        }
    }
}

fn plain(draft: &mut Draft<'_>, text: String) -> Result<Bytes, &'static str> {
    draft.default_media_type("text/plain; charset=utf-8");
    match draft.media_type().map(|media| (media.kind, media.charset)) {
        Some((MediaKind::Xml | MediaKind::Text, Some(name))) => charset::encode(Some(name), &text)
            .map(|bytes| bytes.into_owned().into())
            .map_err(charset::problem),
        Some(_) | None => Ok(text.into()),
    }
}

/// Here, blanks are let through: base64 in XML is mostly broken into lines (XML Schema Part 2
/// §3.2.16).
fn binary(draft: &mut Draft<'_>, mut text: String) -> Result<Bytes, &'static str> {
    draft.default_media_type("application/octet-stream");
    text.retain(|character| !u8::try_from(character).is_ok_and(is_blank));
    base64::decode(&text).map(Bytes::from).ok_or("is no base64, as its encoding says")
}
