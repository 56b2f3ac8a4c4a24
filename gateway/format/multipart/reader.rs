//! Reads a multipart batch (protocol §2.3): one pass over the body, item bodies as slices of it.
//!
//! Only the item of a part is kept, so memory does not grow with the position of a part.

use bytes::Bytes;

use super::boundary::Boundary;
use super::change_set::{self, Location};
use super::error::{MultipartError, MultipartErrorKind};
use super::message;
use super::part::{NAMES, PartKind, open};
use super::parts::{Part, Parts};
use crate::batch::{Batch, BatchItem, BatchRefusal, ItemIndex};
use crate::format::ReadContext;
use crate::format::item_builder::{ItemBuilder, check_given_ids};

/// Reads a batch.
pub(crate) fn read(body: &Bytes, context: &ReadContext<'_>) -> Result<Batch, BatchRefusal> {
    let mut items = Vec::new();
    if let Err(fault) = read_parts(body, context, &mut items) {
        return Err(fault.into_refusal(body, ItemIndex(items.len()), context.limits));
    }
    check_given_ids(&items)?;
    Ok(Batch { items, ..Batch::default() })
}

fn read_parts(
    body: &Bytes,
    context: &ReadContext<'_>,
    items: &mut Vec<BatchItem>,
) -> Result<(), MultipartError> {
    let boundary = Boundary::from_content_type(context.content_type.unwrap_or_default())
        .map_err(|reason| MultipartError::framing(0, reason))?;
    let mut parts = Parts::open(&boundary, body, 0)?;
    while parts.has_next() {
        if items.len() == context.limits.max_items {
            return Err(MultipartError { at: 0, in_item: false, kind: MultipartErrorKind::TooManyItems });
        }
        let part = parts.next()?;
        items.push(read_part(body, &part, ItemIndex(items.len()), context)?);
    }
    Ok(())
}

fn read_part(
    body: &Bytes,
    part: &Part,
    index: ItemIndex,
    context: &ReadContext<'_>,
) -> Result<BatchItem, MultipartError> {
    let mut builder = ItemBuilder::new(context.limits, NAMES);
    let start = part.start;
    let bytes = body.get(start..part.next).unwrap_or_default();
    let item_body = match open(&mut builder, bytes, context.limits) {
        None => None,
        Some((PartKind::Message, head)) => {
            message::read(&mut builder, body, start + head..part.next, context)
        }
        Some((PartKind::ChangeSet(boundary), head)) => {
            let boundary = boundary.map_err(|reason| MultipartError::framing(start, reason).in_item())?;
            let at = Location { start: start + head, end: part.next };
            change_set::read(&mut builder, body, at, &boundary, context)?
        }
    };
    Ok(builder.finish(index, item_body))
}
