//! Reads a multipart batch (protocol §2.3): one pass over the body, item bodies as slices of it.
//!
//! Of each part only its items are kept, so memory does not grow with the position of a part.

use bytes::Bytes;

use super::boundary::Boundary;
use super::change_set::{self, Location};
use super::conventions::MultipartInput;
use super::error::MultipartError;
use super::message;
use super::part::{NAMES, PartKind, open};
use super::parts::{Part, Parts};
use super::reading::Reading;
use crate::batch::{Batch, BatchItem, BatchRefusal, ItemIndex, ItemRejection};
use crate::format::ReadContext;
use crate::format::item_builder::ItemBuilder;
use crate::format::unique_ids::check_part_ids;

/// Reads a batch.
pub(crate) fn read(
    body: &Bytes,
    context: &ReadContext<'_>,
    conventions: MultipartInput<'_>,
) -> Result<Batch, BatchRefusal> {
    let mut items = Vec::new();
    let reading = Reading { body, context, conventions };
    if let Err(fault) = reading.read_parts(&mut items) {
        return Err(fault.into_refusal(body, ItemIndex(items.len()), context.limits));
    }
    check_part_ids(&mut items, context.reply)?;
    Ok(Batch { items, ..Batch::default() })
}

impl Reading<'_> {
    fn read_parts(&self, items: &mut Vec<BatchItem>) -> Result<(), MultipartError> {
        let boundary = Boundary::from_content_type(self.context.content_type.unwrap_or_default())
            .map_err(|reason| MultipartError::framing(0, reason))?;
        let mut parts = Parts::open(&boundary, self.body, 0)?;
        while parts.has_next() {
            self.check_room(items, 1)?;
            let part = parts.next()?;
            self.read_part(&part, items)?;
        }
        Ok(())
    }

    fn read_part(&self, part: &Part, items: &mut Vec<BatchItem>) -> Result<(), MultipartError> {
        let index = ItemIndex(items.len());
        let mut builder = ItemBuilder::new(self.context.limits, NAMES);
        let start = part.start;
        let bytes = self.body.get(start..part.next).unwrap_or_default();
        if bytes.trim_ascii().is_empty() {
            builder.reject(ItemRejection::EmptyPart { item: index });
        }
        match open(&mut builder, bytes, self.context.limits) {
            None => items.push(builder.finish(index, None)),
            Some((PartKind::Message, head)) => {
                let item_body = message::read(&mut builder, start + head..part.next, self);
                items.push(builder.finish(index, item_body));
            }
            Some((PartKind::ChangeSet(boundary), head)) => {
                let boundary = boundary.map_err(|reason| MultipartError::framing(start, reason).in_item())?;
                let at = Location { start: start + head, end: part.next };
                change_set::read(builder, at, &boundary, self, items)?;
            }
        }
        Ok(())
    }
}
