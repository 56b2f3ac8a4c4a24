//! A change set: a multipart within a part (OData 4.0 §11.7.4). The upstreams share no transaction, so
//! that only a set of one request can be run; it is atomic by itself.

use bytes::Bytes;

use super::boundary::Boundary;
use super::error::MultipartError;
use super::message;
use super::part::{NAMES, PartKind, open};
use super::parts::{Part, Parts};
use crate::batch::{BatchLimits, ItemRejection};
use crate::format::ReadContext;
use crate::format::item_builder::{ItemBuilder, NO_TRANSACTIONS};

/// Where a change set lies in the batch's body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Location {
    /// Where what it holds starts.
    pub(super) start: usize,
    /// Where the delimiter after its part starts.
    pub(super) end: usize,
}

/// Reads the set into the builder, which becomes its one request, or the one result for all of them.
pub(super) fn read(
    builder: &mut ItemBuilder<'_>,
    batch: &Bytes,
    at: Location,
    boundary: &Boundary,
    context: &ReadContext<'_>,
) -> Result<Option<Bytes>, MultipartError> {
    // Seen from within, the batch ends where the set's part does.
    let within = batch.get(..at.end).unwrap_or_default();
    let mut parts = Parts::open(boundary, within, at.start).map_err(MultipartError::in_item)?;
    let mut first = None;
    let mut several = false;
    while parts.has_next() {
        let part = parts.next()?;
        if holds_a_set(within, &part, context.limits) {
            builder.reject(ItemRejection::WrongShape {
                expected: "a change set of requests; it holds a change set",
            });
        }
        several |= first.is_some();
        first.get_or_insert(part);
    }
    if several {
        builder.reject(NO_TRANSACTIONS);
    }
    let Some(part) = first else {
        builder.reject(ItemRejection::WrongShape { expected: "a change set with a request in it" });
        return Ok(None);
    };
    if builder.is_rejected() {
        return Ok(None);
    }
    builder.set_in_set();
    Ok(read_request(builder, batch, &part, context))
}

fn read_request(
    builder: &mut ItemBuilder<'_>,
    batch: &Bytes,
    part: &Part,
    context: &ReadContext<'_>,
) -> Option<Bytes> {
    let bytes = batch.get(part.start..part.next)?;
    let (_, head) = open(builder, bytes, context.limits)?;
    message::read(builder, batch, part.start + head..part.next, context)
}

/// Whether a part of a set is a set.
fn holds_a_set(batch: &[u8], part: &Part, limits: &BatchLimits) -> bool {
    let bytes = batch.get(part.start..part.next).unwrap_or_default();
    let mut scratch = ItemBuilder::new(limits, NAMES);
    matches!(open(&mut scratch, bytes, limits), Some((PartKind::ChangeSet(_), _)))
}
