//! A change set: a multipart within a part (OData 4.0 §11.7.4). Each of its requests is an item that says which set it was
//! in. What becomes of sets of several is for the plan to decide (`plan/groups.rs`).

use bytes::Bytes;

use super::boundary::Boundary;
use super::error::MultipartError;
use super::message;
use super::part::{NAMES, PartKind, open};
use super::parts::{Part, Parts};
use super::reading::Reading;
use crate::batch::{BatchItem, BatchLimits, ChangeSet, ItemIndex, ItemRejection};
use crate::format::item_builder::ItemBuilder;

/// Where a change set lies in the batch's body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Location {
    /// Where what it holds starts.
    pub(super) start: usize,
    /// Where the delimiter after its part starts.
    pub(super) end: usize,
}

/// Reads the items of the set. `builder` has read the head of the set's part, and becomes its one item, or the one that
/// says what is wrong with the set.
pub(super) fn read(
    mut builder: ItemBuilder<'_>,
    at: Location,
    boundary: &Boundary,
    reading: &Reading<'_>,
    items: &mut Vec<BatchItem>,
) -> Result<(), MultipartError> {
    // Seen from within, the batch ends where the set's part does.
    let within = reading.body.get(..at.end).unwrap_or_default();
    let parts = members(within, at.start, boundary, reading, items)?;
    let limits = reading.context.limits;
    if parts.iter().any(|part| holds_a_set(within, part, limits)) {
        builder.reject(ItemRejection::WrongShape {
            expected: "a change set of requests; it holds a change set",
        });
    }
    if parts.is_empty() {
        builder.reject(ItemRejection::WrongShape { expected: "a change set with a request in it" });
    }
    let first = ItemIndex(items.len());
    if builder.is_rejected() {
        items.push(builder.finish(first, None));
        return Ok(());
    }
    let set = ChangeSet::new(first, parts.len());
    // An id on the set's own part is that of its only request, if that has none.
    let mut only = (parts.len() == 1).then_some(builder);
    for part in &parts {
        let mut builder = only.take().unwrap_or_else(|| ItemBuilder::new(limits, NAMES));
        builder.set_change_set(set);
        let body = read_request(&mut builder, part, reading);
        items.push(builder.finish(ItemIndex(items.len()), body));
    }
    Ok(())
}

/// The parts of a set, as many as the batch may have items.
fn members(
    within: &[u8],
    start: usize,
    boundary: &Boundary,
    reading: &Reading<'_>,
    items: &[BatchItem],
) -> Result<Vec<Part>, MultipartError> {
    let mut parts = Parts::open(boundary, within, start).map_err(MultipartError::in_item)?;
    let mut members = Vec::new();
    while parts.has_next() {
        reading.check_room(items, members.len() + 1)?;
        members.push(parts.next()?);
    }
    Ok(members)
}

fn read_request(builder: &mut ItemBuilder<'_>, part: &Part, reading: &Reading<'_>) -> Option<Bytes> {
    let bytes = reading.body.get(part.start..part.next)?;
    let (_, head) = open(builder, bytes, reading.context.limits)?;
    message::read(builder, part.start + head..part.next, reading)
}

/// Whether a part of a set is a set.
fn holds_a_set(batch: &[u8], part: &Part, limits: &BatchLimits) -> bool {
    let bytes = batch.get(part.start..part.next).unwrap_or_default();
    let mut scratch = ItemBuilder::new(limits, NAMES);
    matches!(open(&mut scratch, bytes, limits), Some((PartKind::ChangeSet(_), _)))
}
