//! The groups of a JSON batch, `atomicityGroup` (OData JSON §19.1). They are checked once all items are known.

use std::collections::HashMap;

use super::shown::shown;
use crate::batch::{BatchItem, BatchRefusal, GroupProblem, IdCase, ItemId, ItemIndex, ItemRejection};

/// Shown for an item of a group: its other items may be in any later line.
pub(crate) const NO_GROUPS_OF_LINES: ItemRejection = ItemRejection::NotImplemented {
    what: "items in lines can't be in an atomicity group; send the group as application/json",
};

/// Checks OData's rules for groups: their items are neighbours, and no group has the same name as an item's id.
pub(crate) fn check_groups<'i>(items: &'i [BatchItem], id_case: IdCase) -> Result<(), BatchRefusal> {
    if items.iter().all(|item| group(item).is_none()) {
        return Ok(());
    }
    let id = |(number, item): (usize, &'i BatchItem)| (id_case.key(&item.subject.id), ItemIndex(number));
    let ids: HashMap<_, _> = items.iter().enumerate().map(id).collect();
    let mut last: HashMap<&ItemId, usize> = HashMap::new();
    for (number, item) in items.iter().enumerate() {
        let Some(name) = group(item) else { continue };
        let refuse = |problem| {
            Err(BatchRefusal::BadGroup { item: ItemIndex(number), name: shown(name.as_str()), problem })
        };
        if let Some(named) = ids.get(&id_case.key(name)) {
            return refuse(GroupProblem::NamedLikeItem(*named));
        }
        match last.insert(name, number) {
            Some(last) if last + 1 < number => return refuse(GroupProblem::Split(ItemIndex(last))),
            Some(_) | None => {}
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
            Err(refusal @ BatchRefusal::BadGroup { .. }) => Some(refusal.to_string()),
            Err(other) => panic!("{other:?}"),
        };
        let refused = |text: &str| Some(format!("the atomicityGroup {text}"));
        assert_eq!(check(&[("a", ""), ("b", "g"), ("c", "g"), ("d", "h"), ("e", "")]), None);
        let split = refused(
            "`g` of item 3 is not contiguous: it ended with item 1; its items must follow one another",
        );
        assert_eq!(check(&[("a", "g"), ("b", ""), ("c", "g")]), split);
        assert_eq!(check(&[("a", "g"), ("b", "h"), ("c", "g")]), split);
        let named = |group| refused(&format!("`{group}` of item 2 has the same name as the id of item 1"));
        assert_eq!(check(&[("a", ""), ("b", "a")]), named("a"));
        assert_eq!(check(&[("a", ""), ("b", "A")]), named("A"));
        let later = refused("`b` of item 1 has the same name as the id of item 2");
        assert_eq!(check(&[("a", "b"), ("b", "")]), later);
    }
}
