//! Makes sure that a client can tell the results of a batch apart by their ids.
//!
//! In: all items of a batch, as a reader built them. Out: a refusal if two valid ids are the same, with `duplicate_id`. An
//! item that was rejected because of its id, or before its id was read, has its position or a part of its id instead. That
//! may be the id of another item, which must not be refused for it, so the rejected item takes a free id.
//!
//! Invariant: after [`check_ids`] all ids of a batch are different, by the dialect's rule for case. After
//! [`check_part_ids`] they are, too, unless the reply is multipart; there, the ids that are written are different in each
//! change set.

use std::collections::HashSet;
use std::hash::Hash;

use super::duplicate_id::duplicate_id;
use super::kind::Format;
use crate::batch::{BatchItem, BatchRefusal, IdCase, IdForm, ItemId, ItemIndex};

/// Checks that no two items have the same id, the implied ones included (protocol §1).
pub(crate) fn check_ids(items: &mut [BatchItem], case: IdCase) -> Result<(), BatchRefusal> {
    let is_settled = |item: &BatchItem| !has_bad_id(item);
    refuse_twice(items, |item| is_settled(item).then(|| case.key(&item.subject.id)))?;
    set_apart(items, case, is_settled);
    Ok(())
}

/// Checks the ids of parts. In a multipart reply an item without an id is answered without one, so that its position can't
/// be taken for another item's id, and clients of OData 1 to 3 number the requests of each change set anew. In any other
/// reply each item has an id of its own.
pub(crate) fn check_part_ids(items: &mut [BatchItem], reply: Format) -> Result<(), BatchRefusal> {
    let is_given = |item: &BatchItem| item.subject.form.id != IdForm::Position && !has_bad_id(item);
    match reply {
        Format::Multipart => {
            let set = |item: &BatchItem| item.subject.form.set.map(|set| set.first);
            refuse_twice(items, |item| is_given(item).then(|| (set(item), &item.subject.id)))?;
            set_apart(items, IdCase::Significant, |item| !item.subject.form.id_is_cut);
        }
        Format::Json | Format::Xml | Format::Ndjson => {
            refuse_twice(items, |item| is_given(item).then_some(&item.subject.id))?;
            set_apart(items, IdCase::Significant, is_given);
        }
    }
    Ok(())
}

/// Refuses a batch of which two items have the same key.
fn refuse_twice<'i, K: Eq + Hash>(
    items: &'i [BatchItem],
    key: impl Fn(&'i BatchItem) -> Option<K>,
) -> Result<(), BatchRefusal> {
    let mut seen = HashSet::with_capacity(items.len());
    let twice = items.iter().position(|item| key(item).is_some_and(|key| !seen.insert(key)));
    let is_same = |one: &'i BatchItem, other: &'i BatchItem| {
        key(one).is_some_and(|one| key(other).is_some_and(|other| one == other))
    };
    twice.map_or(Ok(()), |index| Err(duplicate_id(items, index, is_same)))
}

/// Gives each item that is not settled a free id, if another one has its id.
fn set_apart(items: &mut [BatchItem], case: IdCase, is_settled: impl Fn(&BatchItem) -> bool) {
    if items.iter().all(&is_settled) {
        return;
    }
    let key = |item: &BatchItem| case.key(&item.subject.id).into_owned();
    let mut taken: HashSet<_> = items.iter().filter(|item| is_settled(item)).map(key).collect();
    for (number, item) in items.iter_mut().enumerate() {
        if !is_settled(item) && !taken.insert(key(item)) {
            item.subject.id = free_id(ItemIndex(number), &mut taken);
            item.subject.form.id = IdForm::Position;
        }
    }
}

/// `#` and the item's position, with as many `#` as no other item has.
fn free_id(index: ItemIndex, taken: &mut HashSet<ItemId>) -> ItemId {
    let mut id = format!("#{}", index.position());
    while !taken.insert(id.as_str().into()) {
        id.insert(0, '#');
    }
    id.into()
}

/// Whether the item was rejected because of its id, or before its id was read.
fn has_bad_id(item: &BatchItem) -> bool {
    let form = &item.subject.form;
    item.content.is_err() && (form.id == IdForm::Position || form.id_is_cut)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::batch::{ChangeSet, Item, ItemForm, ItemRejection, Subject};

    /// An item as a reader builds it of an id: `?` before it means that the item is rejected, `…` after it that it was
    /// cut; an empty one is absent.
    fn item(number: usize, written: &str) -> BatchItem {
        let id = written.trim_start_matches('?').trim_end_matches('…');
        let position = ItemId::from_position(ItemIndex(number));
        let form = ItemForm {
            id: if id.is_empty() { IdForm::Position } else { IdForm::Plain },
            id_is_cut: written.ends_with('…'),
            ..ItemForm::default()
        };
        let is_rejected = written.starts_with('?');
        let content = if is_rejected { Err(ItemRejection::NotAtomic) } else { Ok(Item::default()) };
        let id = if id.is_empty() { position } else { id.into() };
        BatchItem { subject: Subject { id, method: http::Method::GET, href: "/".into(), form }, content }
    }

    fn items(written: &[&str]) -> Vec<BatchItem> {
        written.iter().enumerate().map(|(number, written)| item(number, written)).collect()
    }

    fn ids(items: &[BatchItem]) -> Vec<&str> {
        items.iter().map(|item| item.subject.id.as_str()).collect()
    }

    #[test]
    fn a_rejected_item_without_a_valid_id_takes_a_free_one() {
        for (written, answered) in [
            (vec!["?", "1"], vec!["#1", "1"]),
            (vec!["a", "?", "2"], vec!["a", "#2", "2"]),
            (vec!["2", "?", "?"], vec!["2", "#2", "3"]),
            (vec!["?", "1", "#1", "##1"], vec!["###1", "1", "#1", "##1"]),
            (vec!["?xx…", "?xx…", "?yy…", "xx"], vec!["#1", "#2", "yy", "xx"]),
            (vec!["?2…", "?"], vec!["2", "#2"]),
            (vec!["?", "b", ""], vec!["1", "b", "3"]),
        ] {
            let mut items = items(&written);
            assert_eq!(check_ids(&mut items, IdCase::Significant), Ok(()), "{written:?}");
            assert_eq!(ids(&items), answered, "{written:?}");
        }
    }

    #[test]
    fn a_free_id_is_free_whatever_its_case() {
        let mut items = items(&["?AB…", "ab"]);
        assert_eq!(check_ids(&mut items, IdCase::Ignored), Ok(()));
        assert_eq!(ids(&items), ["#1", "ab"]);
    }

    #[test]
    fn parts_without_an_id_give_way_where_the_reply_needs_ids() {
        for (written, in_json, in_multipart) in [
            (vec!["", "1"], vec!["#1", "1"], vec!["1", "1"]),
            (vec!["2", "", "?"], vec!["2", "#2", "3"], vec!["2", "2", "3"]),
            (vec!["?xx…", "?xx…"], vec!["xx", "#2"], vec!["xx", "#2"]),
        ] {
            for (reply, answered) in [(Format::Json, in_json), (Format::Multipart, in_multipart)] {
                let mut items = items(&written);
                assert_eq!(check_part_ids(&mut items, reply), Ok(()), "{written:?}");
                assert_eq!(ids(&items), answered, "{written:?} {reply:?}");
            }
        }
    }

    #[test]
    fn two_change_sets_can_share_an_id_only_in_a_multipart_reply() {
        let mut items = items(&["1", "2", "1"]);
        for (item, first) in items.iter_mut().zip([0, 0, 2]) {
            item.subject.form.set = Some(ChangeSet::new(ItemIndex(first), 2));
        }
        assert_eq!(check_part_ids(&mut items, Format::Multipart), Ok(()));
        for reply in [Format::Json, Format::Xml, Format::Ndjson] {
            let refusal = check_part_ids(&mut items, reply).unwrap_err().to_string();
            let said = "item 3 has the id `1`, and so has item 1; a change set can repeat an id only if";
            assert!(refusal.starts_with(said), "{refusal}");
        }
        items[2].subject.form.set = items[0].subject.form.set;
        assert!(check_part_ids(&mut items, Format::Multipart).is_err());
    }

    proptest! {
        #[test]
        fn no_two_results_have_the_same_id(
            written in proptest::collection::vec("[?]{0,1}(|#{0,2}[1-4]|[aA])…{0,1}", 0..6),
            ignores_case: bool,
        ) {
            let case = if ignores_case { IdCase::Ignored } else { IdCase::Significant };
            let written: Vec<_> = written.iter().map(String::as_str).collect();
            let (mut of_json, mut of_parts) = (items(&written), items(&written));
            if check_ids(&mut of_json, case).is_ok() {
                let keys: HashSet<_> = of_json.iter().map(|item| case.key(&item.subject.id)).collect();
                prop_assert_eq!(keys.len(), of_json.len());
            }
            if check_part_ids(&mut of_parts, Format::Json).is_ok() {
                prop_assert_eq!(ids(&of_parts).into_iter().collect::<HashSet<_>>().len(), of_parts.len());
            }
        }
    }
}
