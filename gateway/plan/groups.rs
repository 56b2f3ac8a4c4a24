//! The groups of a batch: change sets, and items with the same `atomicityGroup`. What becomes of groups of several is
//! the endpoint's to say ([`Groups`]); a group of one is atomic by itself, and runs like any other item.
//!
//! Either way the members stay together: a member follows the one before it, so that members run in their order, and a
//! batch that stops at errors stops after a group and not within it.

use std::collections::HashMap;

use crate::batch::{BatchItem, ChangeSet, Groups, ItemId, ItemIndex, ItemRejection, SetAnswer};

/// What holds the items of a group together.
#[derive(PartialEq, Eq, Hash)]
enum Key<'items> {
    Name(&'items ItemId),
    Set(u32),
}

/// For each item, the member of its group before it. Empty if the batch has no group of several.
pub(crate) fn followed(items: &[BatchItem]) -> Vec<Option<ItemIndex>> {
    if items.iter().all(|item| key(item).is_none()) {
        return Vec::new();
    }
    let mut last: HashMap<Key<'_>, ItemIndex> = HashMap::new();
    let previous = |(number, item)| key(item).and_then(|key| last.insert(key, ItemIndex(number)));
    let followed: Vec<_> = items.iter().enumerate().map(previous).collect();
    if followed.iter().all(Option::is_none) { Vec::new() } else { followed }
}

fn key(item: &BatchItem) -> Option<Key<'_>> {
    let form = &item.subject.form;
    let set = form.set.filter(ChangeSet::is_several).map(|set| Key::Set(set.first));
    set.or_else(|| form.group.as_ref().map(Key::Name))
}

/// Treats the groups of several as the endpoint wants it. `followed` is that of the same items.
pub(crate) fn settle(items: &mut [BatchItem], followed: &[Option<ItemIndex>], groups: Groups) {
    match groups {
        // Whether a group can be undone is known once its items have their routes: `undo`.
        Groups::Independent | Groups::Compensate => {}
        Groups::Refuse => {
            for (number, before) in followed.iter().enumerate() {
                let Some(before) = before else { continue };
                // The member before is one that was refused already, unless it is the first.
                let is_first = followed.get(before.0).is_some_and(Option::is_none);
                if let Some(first) = items.get_mut(before.0).filter(|_| is_first) {
                    refuse(first, SetAnswer::ByThis);
                }
                if let Some(item) = items.get_mut(number) {
                    refuse(item, SetAnswer::ByOther);
                }
            }
        }
    }
}

fn refuse(item: &mut BatchItem, answer: SetAnswer) {
    item.content = Err(ItemRejection::NotAtomic);
    item.subject.answer_set(answer);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Item, ItemForm, Subject};

    fn item(group: Option<&str>, set: Option<ChangeSet>) -> BatchItem {
        let form = ItemForm { group: group.map(ItemId::from), set, ..ItemForm::default() };
        let subject = Subject { id: "x".into(), method: http::Method::GET, href: "/".into(), form };
        BatchItem { subject, content: Ok(Item::default()) }
    }

    fn positions(items: &[BatchItem]) -> Vec<Option<usize>> {
        followed(items).iter().map(|before| before.map(|before| before.0)).collect()
    }

    #[test]
    fn a_member_follows_the_one_before_it() {
        let single = |name| item(Some(name), None);
        let plain = || item(None, None);
        assert_eq!(positions(&[plain(), single("g"), single("h")]), []);
        assert_eq!(
            positions(&[single("g"), plain(), single("g"), single("h"), single("g")]),
            [None, None, Some(0), None, Some(2)]
        );
        let set = |first, members| item(None, Some(ChangeSet::new(ItemIndex(first), members)));
        assert_eq!(positions(&[set(0, 1), set(1, 1)]), []);
        assert_eq!(
            positions(&[set(0, 1), set(1, 2), set(1, 2), set(3, 2), set(3, 2)]),
            [None, None, Some(1), None, Some(3)]
        );
    }

    #[test]
    fn members_of_several_are_refused_or_run() {
        let refused = |groups| {
            let mut items = vec![item(Some("g"), None), item(Some("h"), None), item(Some("g"), None)];
            let followed = followed(&items);
            settle(&mut items, &followed, groups);
            items.iter().map(|item| item.content == Err(ItemRejection::NotAtomic)).collect::<Vec<_>>()
        };
        assert_eq!(refused(Groups::Refuse), [true, false, true]);
        assert_eq!(refused(Groups::Independent), [false; 3]);
        assert_eq!(refused(Groups::Compensate), [false; 3]);
    }
}
