//! Reads an XML batch (protocol §2.2): `batch`, and in it `request` elements, with any prefix, in
//! no namespace or the protocol's own.

use bytes::Bytes;

use super::chars::is_blank_text;
use super::fault::{Fault, FaultKind};
use super::request::{self, is_ours};
use super::tokens::{Token, TokenLimits, Tokens};
use crate::format::draft::check_ids;
use crate::format::{Batch, BatchItem, BatchLimits, BatchRefusal, ItemIndex, Place};

/// Attributes of one tag.
const MAX_ATTRIBUTES: usize = 64;
/// Namespace declarations in force at a time.
const MAX_DECLARATIONS: usize = 64;
/// Bytes of one tag beside a url and header fields.
const TAG_OVERHEAD: usize = 1024;

/// Reads a batch.
pub(in crate::format) fn read(body: &Bytes, limits: &BatchLimits) -> Result<Batch, BatchRefusal> {
    let mut items = Vec::new();
    // Between the first item's start and the last one's end, faults are some item's.
    let mut in_items = false;
    let read = read_batch(body, limits, &mut items, &mut in_items);
    if let Err(fault) = read {
        let place = Place::at(body, fault.at);
        let place = if in_items { place.in_item(ItemIndex(items.len())) } else { place };
        return Err(fault.into_refusal(place, limits));
    }
    check_ids(&items)?;
    Ok(Batch { items })
}

fn read_batch(
    body: &Bytes,
    limits: &BatchLimits,
    items: &mut Vec<BatchItem>,
    in_items: &mut bool,
) -> Result<(), Fault> {
    let token_limits = TokenLimits {
        depth: limits.max_depth,
        tag: limits.max_url.saturating_add(limits.max_header_bytes).saturating_add(TAG_OVERHEAD),
        attributes: MAX_ATTRIBUTES,
        declarations: MAX_DECLARATIONS,
    };
    let mut tokens = Tokens::new(body, token_limits)?;
    open_batch(&mut tokens)?;
    loop {
        match tokens.next()? {
            Token::Open(tag) => {
                if items.len() == limits.max_items {
                    return Err(Fault { at: tag.start, kind: FaultKind::TooManyItems });
                }
                *in_items = true;
                let index = ItemIndex(items.len());
                items.push(request::read(&mut tokens, &tag, index, body, limits)?);
                *in_items = false;
            }
            Token::Text(text) if !is_blank_text(&text) => {
                return Err(Fault::not_a_batch(
                    tokens.start(),
                    "there is text beside the elements of the batch",
                ));
            }
            Token::End => return Ok(()),
            Token::Text(_) | Token::Other | Token::Close => {}
        }
    }
}

/// Reads up to and with the root's tag. Its attributes are free, like the members of a JSON batch.
fn open_batch(tokens: &mut Tokens<'_>) -> Result<(), Fault> {
    loop {
        if let Token::Open(tag) = tokens.next()? {
            if tag.name.local == "batch" && is_ours(tokens, &tag)? {
                return Ok(());
            }
            return Err(Fault::not_a_batch(
                tag.start,
                "expected a `batch` element, in no namespace or in urn:batchgate:batch",
            ));
        }
    }
}
