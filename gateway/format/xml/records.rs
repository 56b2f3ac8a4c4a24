//! Reads the records of a bulk (protocol §2.5) as XML: the children of the root element, whatever
//! they are called. A record is sent as a document of its own, with the namespaces in scope.
//!
//! A variable of the url is an attribute of the record without a prefix, or a child element with that
//! local name and no elements in it.

use bytes::Bytes;

use super::chars::{is_blank_text, trimmed};
use super::error::{XmlError, XmlErrorKind};
use super::fragment::{Cut, with_declarations};
use super::reader::token_limits;
use super::tag::Tag;
use super::tokens::{Token, Tokens};
use crate::batch::{BatchRefusal, Place};
use crate::format::bulk::{Collector, Record, Value};

/// Reads a document of records.
pub(crate) fn read(body: &Bytes, collector: &mut Collector<'_>) -> Result<(), BatchRefusal> {
    let limits = collector.limits();
    let mut in_item = false;
    read_document(body, collector, &mut in_item).map_err(|fault| {
        let place = Place::at(body, fault.at);
        let place = if in_item { place.in_item(collector.next_index()) } else { place };
        fault.into_refusal(place, limits)
    })
}

fn read_document(body: &Bytes, collector: &mut Collector<'_>, in_item: &mut bool) -> Result<(), XmlError> {
    let mut tokens = Tokens::new(body, token_limits(collector.limits()))?;
    while !matches!(tokens.next()?, Token::Open(_)) {}
    loop {
        match tokens.next()? {
            Token::Open(tag) => {
                if collector.is_full() {
                    return Err(XmlError { at: tag.start, kind: XmlErrorKind::TooManyItems });
                }
                *in_item = true;
                let record = read_record(&mut tokens, &tag, body, collector)?;
                *in_item = false;
                collector.add(Ok(record));
            }
            Token::Text(text) if !is_blank_text(&text) => {
                return Err(XmlError::not_a_batch(tokens.start(), "text is not allowed between the records"));
            }
            Token::End => return Ok(()),
            Token::Text(_) | Token::Other | Token::Close => {}
        }
    }
}

fn read_record<'a>(
    tokens: &mut Tokens<'a>,
    tag: &Tag<'a>,
    whole: &Bytes,
    collector: &Collector<'_>,
) -> Result<Record<'a>, XmlError> {
    let declarations = tokens.declarations_around(tag);
    let cut = Cut { start: tag.start, name_end: tag.name_end, declarations };
    let place_of = |name: &str| collector.variables().iter().position(|variable| **variable == *name);
    let mut values = collector.no_values();
    for attribute in tag.attributes.iter().filter(|attribute| attribute.name.prefix.is_empty()) {
        if let Some(value) = place_of(attribute.name.local).and_then(|index| values.get_mut(index)) {
            value.put(Value::Text(trimmed(&attribute.value).to_owned().into()));
        }
    }
    let outside = tokens.depth() - 1;
    loop {
        match tokens.next()? {
            Token::Open(child) => match place_of(child.name.local).and_then(|index| values.get_mut(index)) {
                Some(value) => value.put(read_value(tokens)?),
                None => tokens.skip_element()?,
            },
            Token::Close if tokens.depth() == outside => break,
            Token::Text(_) | Token::Other | Token::Close | Token::End => {}
        }
    }
    let end = tokens.end();
    let declared = with_declarations(&cut, end, |from, to| tokens.slice(from, to));
    let document = match declared {
        Some(text) => text.into(),
        None => whole.slice_ref(tokens.slice(cut.start, end).as_bytes()),
    };
    Ok(Record { values, body: Some((document, "application/xml")) })
}

/// The text of the element opened last. White space around it is layout.
fn read_value<'v>(tokens: &mut Tokens<'_>) -> Result<Value<'v>, XmlError> {
    let outside = tokens.depth() - 1;
    let mut text = String::new();
    let mut has_elements = false;
    loop {
        match tokens.next()? {
            Token::Text(more) => text.push_str(&more),
            Token::Open(_) => {
                has_elements = true;
                tokens.skip_element()?;
            }
            Token::Close if tokens.depth() == outside => break,
            Token::Other | Token::Close | Token::End => {}
        }
    }
    Ok(if has_elements {
        Value::Unfit("has elements in it, which can't be part of a url")
    } else {
        Value::Text(trimmed(&text).to_owned().into())
    })
}
