//! The groups of a JSON batch, `atomicityGroup` (OData JSON §19.1). They are checked once all items are known.

use std::collections::HashSet;

use crate::batch::{BatchItem, BatchRefusal, IdCase, ItemId, ItemIndex, ItemRejection};

/// Shown for an item of a group: its other items may be in any later line.
pub(crate) const NO_GROUPS_OF_LINES: ItemRejection = ItemRejection::NotImplemented {
    what: "items in lines can't be in an atomicity group; send the group as application/json",
};

/// Checks OData's rules for groups: their items are neighbours, and no group has the same name as an item's id.
pub(crate) fn check_groups(items: &[BatchItem], id_case: IdCase) -> Result<(), BatchRefusal> {
    if items.iter().all(|item| group(item).is_none()) {
        return Ok(());
    }
    let ids: HashSet<_> = items.iter().map(|item| id_case.key(&item.subject.id)).collect();
    let mut ended: HashSet<&ItemId> = HashSet::new();
    let mut current = None;
    for (number, item) in items.iter().enumerate() {
        let refuse = |problem| Err(BatchRefusal::BadGroup { item: ItemIndex(number), problem });
        let name = group(item);
        if name.is_some_and(|name| ids.contains(&id_case.key(name))) {
            return refuse("has the same name as an item's id");
        }
        if name != current {
            ended.extend(current);
            current = name;
        }
        if name.is_some_and(|name| ended.contains(name)) {
            return refuse("is not contiguous; its items must follow one another");
        }
    }
    Ok(())
}

fn group(item: &BatchItem) -> Option<&ItemId> {
    item.subject.form.group.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Item, ItemForm, Subject};

    fn items(of: &[(&str, &str)]) -> Vec<BatchItem> {
        let item = |(id, group): &(&str, &str)| {
            let group = (!group.is_empty()).then(|| ItemId::from(*group));
            let form = ItemForm { group, ..ItemForm::default() };
            let subject = Subject { id: (*id).into(), method: http::Method::GET, href: "/".into(), form };
            BatchItem { subject, content: Ok(Item::default()) }
        };
        of.iter().map(item).collect()
    }

    #[test]
    fn the_items_of_a_group_are_contiguous_and_its_name_is_not_an_id() {
        let check = |of: &[(&str, &str)]| match check_groups(&items(of), IdCase::Ignored) {
            Ok(()) => None,
            Err(BatchRefusal::BadGroup { item, .. }) => Some(item.0),
            Err(other) => panic!("{other:?}"),
        };
        assert_eq!(check(&[("a", ""), ("b", "g"), ("c", "g"), ("d", "h"), ("e", "")]), None);
        assert_eq!(check(&[("a", "g"), ("b", ""), ("c", "g")]), Some(2));
        assert_eq!(check(&[("a", "g"), ("b", "h"), ("c", "g")]), Some(2));
        assert_eq!(check(&[("a", ""), ("b", "a")]), Some(1));
        assert_eq!(check(&[("a", ""), ("b", "A")]), Some(1));
        assert_eq!(check(&[("a", "b"), ("b", "")]), Some(0));
    }
}
