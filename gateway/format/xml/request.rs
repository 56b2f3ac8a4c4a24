//! Reads one item of an XML batch: a `request` element (protocol §2.2).
//!
//! Unlike JSON's members, XML's attributes and elements are written by hand, so that one which the
//! protocol does not know is taken for a typo and rejects the item. Attributes with a prefix are
//! somebody else's and are passed over.

use bytes::Bytes;

use super::BATCH_NAMESPACE;
use super::body::RawBody;
use super::chars::{is_blank_text, trimmed};
use super::fault::{Fault, FaultKind};
use super::tag::Tag;
use super::tokens::{Token, Tokens};
use crate::format::draft::{Draft, MemberNames, NO_CONDITIONS, NO_DEPENDENCIES, shown};
use crate::format::{BatchItem, BatchLimits, ItemIndex, ItemRejection};

const NAMES: MemberNames = MemberNames { url: "href" };

/// Whether an element of this tag is one of the protocol's, of whatever name.
pub(super) fn is_ours(tokens: &Tokens<'_>, tag: &Tag<'_>) -> Result<bool, Fault> {
    let namespace = tokens.namespace_of(tag.name)?;
    Ok(namespace.is_empty() || namespace == BATCH_NAMESPACE)
}

/// Reads the element whose tag came last, to its end.
pub(super) fn read<'a>(
    tokens: &mut Tokens<'a>,
    tag: &Tag<'a>,
    index: ItemIndex,
    whole: &Bytes,
    limits: &BatchLimits,
) -> Result<BatchItem, Fault> {
    let mut draft = Draft::new(limits, NAMES);
    if tag.name.local != "request" || !is_ours(tokens, tag)? {
        draft.reject(ItemRejection::WrongShape { expected: "a `request` element" });
        tokens.skip_element()?;
        return Ok(draft.finish(index, None));
    }
    read_attributes(&mut draft, tag);
    let body = read_children(tokens, &mut draft)?;
    let body = body.and_then(|body| body.prepare(tokens, &mut draft, whole));
    Ok(draft.finish(index, body))
}

fn read_attributes(draft: &mut Draft<'_>, tag: &Tag<'_>) {
    for attribute in tag.attributes.iter().filter(|attribute| attribute.name.prefix.is_empty()) {
        let value = attribute.value.as_ref();
        match attribute.name.local {
            "id" => draft.set_id(value),
            "method" => draft.set_method(value),
            "href" => draft.set_url(value),
            "timeout" => draft.set_timeout(value),
            "depends-on" | "if" if is_blank_text(value) => {}
            "xmlns" => {}
            "depends-on" => draft.reject(NO_DEPENDENCIES),
            "if" => draft.reject(NO_CONDITIONS),
            unknown => draft.reject(ItemRejection::UnknownMember { member: shown(unknown) }),
        }
    }
}

fn read_children<'a>(tokens: &mut Tokens<'a>, draft: &mut Draft<'_>) -> Result<Option<RawBody<'a>>, Fault> {
    let outside = tokens.depth() - 1;
    let mut body = None;
    loop {
        match tokens.next()? {
            Token::Open(tag) => match (is_ours(tokens, &tag)?, tag.name.local) {
                (true, "header") => read_header(tokens, &tag, draft)?,
                (true, "body") if body.is_some() => {
                    return Err(Fault { at: tag.start, kind: FaultKind::Twice("body") });
                }
                (true, "body") => {
                    check_attributes(draft, &tag, &["type", "encoding"]);
                    body = Some(RawBody::read(tokens, &tag, draft)?);
                }
                (_, unknown) => {
                    draft.reject(ItemRejection::UnknownMember { member: shown(unknown) });
                    tokens.skip_element()?;
                }
            },
            Token::Text(text) if !is_blank_text(&text) => {
                return Err(Fault::not_a_batch(
                    tokens.start(),
                    "there is text beside the elements of a `request`",
                ));
            }
            Token::Close if tokens.depth() == outside => return Ok(body),
            Token::Text(_) | Token::Other | Token::Close | Token::End => {}
        }
    }
}

/// A field: its name is an attribute, its value the text. White space around the value is layout.
fn read_header(tokens: &mut Tokens<'_>, tag: &Tag<'_>, draft: &mut Draft<'_>) -> Result<(), Fault> {
    check_attributes(draft, tag, &["name"]);
    let outside = tokens.depth() - 1;
    let mut value = String::new();
    loop {
        match tokens.next()? {
            Token::Text(text) => value.push_str(&text),
            Token::Open(_) => {
                draft.reject_member("header", "has an element where its value should be");
                tokens.skip_element()?;
            }
            Token::Close if tokens.depth() == outside => break,
            Token::Other | Token::Close | Token::End => {}
        }
    }
    match tag.attribute("name") {
        Some(name) => draft.add_header(name, trimmed(&value).as_bytes()),
        None => draft.reject_member("header", "has no `name`"),
    }
    Ok(())
}

fn check_attributes(draft: &mut Draft<'_>, tag: &Tag<'_>, known: &[&str]) {
    for attribute in &tag.attributes {
        let name = attribute.name;
        if name.prefix.is_empty() && name.local != "xmlns" && !known.contains(&name.local) {
            draft.reject(ItemRejection::UnknownMember { member: shown(name.local) });
        }
    }
}
