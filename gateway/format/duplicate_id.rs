//! What a client is told about an id that two items have: which ids, of which items, and why they count as the same. An id
//! can be implied by an item's position, and in some dialects ids that differ only by case are the same, so that neither
//! the id nor its place alone explains the refusal.

use super::shown::shown;
use crate::batch::{BatchItem, BatchRefusal, IdClash, IdForm, ItemIndex};

/// The refusal of a batch whose item at `index` has the id of an earlier one, as `is_same` compares them.
pub(super) fn duplicate_id<'i>(
    items: &'i [BatchItem],
    index: usize,
    is_same: impl Fn(&'i BatchItem, &'i BatchItem) -> bool,
) -> BatchRefusal {
    let item = items.get(index);
    let is_first = |other: &'i BatchItem| item.is_some_and(|item| is_same(other, item));
    let first = items.iter().take(index).position(is_first).unwrap_or_default();
    let (id, first_id) = (id_of(item), id_of(items.get(first)));
    let is_implied =
        |item: Option<&BatchItem>| item.is_some_and(|item| item.subject.form.id == IdForm::Position);
    let clash = if id != first_id {
        IdClash::OtherCase { id: shown(first_id) }
    } else if is_implied(item) || is_implied(items.get(first)) {
        IdClash::Position
    } else if set_of(item) != set_of(items.get(first)) {
        IdClash::ChangeSets
    } else {
        IdClash::Same
    };
    BatchRefusal::DuplicateId { item: ItemIndex(index), id: shown(id), first: ItemIndex(first), clash }
}

fn id_of(item: Option<&BatchItem>) -> &str {
    item.map(|item| item.subject.id.as_str()).unwrap_or_default()
}

fn set_of(item: Option<&BatchItem>) -> Option<u32> {
    item.and_then(|item| item.subject.form.set).map(|set| set.first)
}
