//! Reads the records of a bulk (protocol §2.5) as XML: the children of the root element, whatever
//! they are called. A record is sent as a document of its own, with the namespaces in scope.
//!
//! A variable of the url is an attribute of the record without a prefix, or a child element with that
//! local name and no elements in it.

use bytes::Bytes;

use super::body::shared;
use super::chars::trimmed;
use super::error::{XmlError, XmlErrorKind};
use super::reader::token_limits;
use super::tag::Tag;
use super::tokens::{Token, Tokens};
use crate::batch::BatchRefusal;
use crate::format::bulk::{Collector, Record, Value};

/// Reads a document of records.
pub(crate) fn read(body: &Bytes, collector: &mut Collector<'_>) -> Result<(), BatchRefusal> {
    let limits = collector.limits();
    let mut in_item = false;
    read_document(body, collector, &mut in_item)
        .map_err(|fault| fault.into_refusal(body, in_item.then(|| collector.next_index()), limits))
}

fn read_document(body: &Bytes, collector: &mut Collector<'_>, in_item: &mut bool) -> Result<(), XmlError> {
    let mut tokens = Tokens::new(body, token_limits(collector.limits()))?;
    while !matches!(tokens.next()?, Token::Open(_)) {}
    tokens.children("text is not allowed between the records", |tokens, tag| {
        if collector.is_full() {
            return Err(XmlError { at: tag.start, kind: XmlErrorKind::TooManyItems });
        }
        *in_item = true;
        let record = read_record(tokens, tag, body, collector)?;
        *in_item = false;
        collector.add(Ok(record));
        Ok(())
    })?;
    while tokens.next()? != Token::End {}
    Ok(())
}

fn read_record<'a>(
    tokens: &mut Tokens<'a>,
    tag: &Tag<'a>,
    whole: &Bytes,
    collector: &Collector<'_>,
) -> Result<Record<'a>, XmlError> {
    let cut = tokens.cut(tag);
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
    let document = shared(whole, tokens.cut_out(&cut, tokens.end()));
    Ok(Record { values, body: Some((document, "application/xml")) })
}

/// The text of the element opened last. White space around it is layout.
fn read_value<'v>(tokens: &mut Tokens<'_>) -> Result<Value<'v>, XmlError> {
    let (text, has_elements) = tokens.read_text()?;
    Ok(if has_elements {
        Value::Unfit("has elements in it, which can't be part of a url")
    } else {
        Value::Text(trimmed(&text).to_owned().into())
    })
}
