//! Reads a multipart batch (protocol §2.3): one pass over the body, item bodies as slices of it.
//!
//! Nothing is kept of a part but its item, so that memory does not grow with where a part stands.

use bytes::Bytes;

use super::boundary::Boundary;
use super::change_set::{self, Location};
use super::fault::{Fault, FaultKind};
use super::message;
use super::part::{PartKind, open};
use super::parts::{Part, Parts};
use crate::format::item_builder::{ItemBuilder, MemberNames, check_given_ids};
use crate::format::{Batch, BatchItem, BatchRefusal, ItemIndex, ReadContext};

/// What messages call a request's target.
pub(super) const NAMES: MemberNames = MemberNames { url: "target" };

/// Reads a batch.
pub(crate) fn read(body: &Bytes, context: &ReadContext<'_>) -> Result<Batch, BatchRefusal> {
    let mut items = Vec::new();
    if let Err(fault) = read_parts(body, context, &mut items) {
        return Err(fault.into_refusal(body, ItemIndex(items.len()), context.limits));
    }
    check_given_ids(&items)?;
    Ok(Batch { items, ..Batch::default() })
}

fn read_parts(body: &Bytes, context: &ReadContext<'_>, items: &mut Vec<BatchItem>) -> Result<(), Fault> {
    let boundary =
        Boundary::of(context.content_type.unwrap_or_default()).map_err(|reason| Fault::framing(0, reason))?;
    let mut parts = Parts::open(&boundary, body, 0)?;
    while parts.has_next() {
        if items.len() == context.limits.max_items {
            return Err(Fault { at: 0, in_item: false, kind: FaultKind::TooManyItems });
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
) -> Result<BatchItem, Fault> {
    let mut draft = ItemBuilder::new(context.limits, NAMES);
    let start = part.start;
    let bytes = body.get(start..part.next).unwrap_or_default();
    let item_body = match open(&mut draft, bytes, context.limits) {
        None => None,
        Some((PartKind::Message, head)) => message::read(&mut draft, body, start + head..part.next, context),
        Some((PartKind::ChangeSet(boundary), head)) => {
            let boundary = boundary.map_err(|reason| Fault::framing(start, reason).in_item())?;
            let at = Location { start: start + head, end: part.next };
            change_set::read(&mut draft, body, at, &boundary, context)?
        }
    };
    Ok(draft.finish(index, item_body))
}
