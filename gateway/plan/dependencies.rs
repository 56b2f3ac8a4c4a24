//! Which items wait for which: the names that items depend on become positions in the batch. An item can depend only
//! on earlier ones, so that no two can wait for each other.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};

use crate::batch::{
    Batch, BatchItem, BatchRefusal, ChangeSet, GroupProblem, IdCase, IdForm, Item, ItemId, ItemIndex, Subject,
};

/// Dependencies on groups, each counted for all items of its group: many items that depend on a large group would need
/// memory for both numbers multiplied.
const MAX_OF_GROUPS: usize = 1 << 20;

/// Characters of a name that are repeated in a refusal.
const MAX_NAME_SHOWN: usize = 64;

/// The names that items can use to refer to others of their batch.
#[derive(Default)]
pub(crate) struct Names {
    /// Whether case distinguishes ids. All ids here are keys.
    id_case: IdCase,
    ids: HashMap<ItemId, ItemIndex>,
    /// The items of change sets, by the set and their id in it.
    in_sets: HashMap<u32, HashMap<ItemId, ItemIndex>>,
    /// Ids that items of several change sets have; outside of those they name nothing.
    ambiguous: HashSet<ItemId>,
    /// Dependencies on groups so far, each counted for all items of its group.
    counted: Cell<usize>,
    /// The items of each group, in order.
    groups: HashMap<ItemId, Vec<ItemIndex>>,
}

impl Names {
    /// The names of a batch; `None` if no item depends on another.
    pub(crate) fn new(batch: &Batch) -> Option<Self> {
        if !batch.items.iter().any(|item| item.content.as_ref().is_ok_and(depends)) {
            return None;
        }
        let ids = HashMap::with_capacity(batch.items.len());
        let mut names = Self { id_case: batch.id_case, ids, ..Self::default() };
        for (number, item) in batch.items.iter().enumerate() {
            names.add(item, ItemIndex(number), batch);
        }
        Some(names)
    }

    fn add(&mut self, item: &BatchItem, index: ItemIndex, batch: &Batch) {
        // An item that was rejected for its id, or that has none in multipart, gets its position or a part of its id
        // instead, which may be another item's id. The name then belongs to the item with a valid id that was given.
        let id = self.id_case.key(&item.subject.id).into_owned();
        let taken = self.ids.get(&id).and_then(|other| batch.items.get(other.0));
        let given = has_given_id(&item.subject);
        let is_better =
            |other: &BatchItem| other.content.is_err() || (given && !has_given_id(&other.subject));
        if let Some(set) = item.subject.form.set {
            self.in_sets.entry(set.first).or_default().insert(id.clone(), index);
            if taken.is_some_and(|other| given && has_given_id(&other.subject)) {
                self.ambiguous.insert(id.clone());
            }
        }
        if taken.is_none_or(is_better) {
            self.ids.insert(id, index);
        }
        if let Some(group) = &item.subject.form.group {
            self.groups.entry(group.clone()).or_default().push(index);
        }
    }

    /// The item that this id names in this change set, or outside of all.
    pub(crate) fn item(&self, id: &ItemId, set: Option<ChangeSet>) -> Option<ItemIndex> {
        let id = &*self.id_case.key(id);
        let in_set = set.and_then(|set| self.in_sets.get(&set.first)?.get(id).copied());
        in_set.or_else(|| self.ids.get(id).copied().filter(|_| !self.ambiguous.contains(id)))
    }

    /// For each item, in order, the items that it depends on by name.
    pub(crate) fn resolve(&self, batch: &Batch) -> Result<Vec<Vec<ItemIndex>>, BatchRefusal> {
        let of_item = |(number, item): (usize, &BatchItem)| match &item.content {
            Ok(content) => self.resolve_item(&content.depends_on, ItemIndex(number)),
            Err(_) => Ok(Vec::new()),
        };
        batch.items.iter().enumerate().map(of_item).collect()
    }

    fn resolve_item(&self, names: &[ItemId], item: ItemIndex) -> Result<Vec<ItemIndex>, BatchRefusal> {
        let mut found = Vec::with_capacity(names.len());
        for name in names {
            found.extend_from_slice(self.resolve_name(name, item)?);
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// The items that a name refers to: one, or all of a group.
    pub(crate) fn resolve_name(&self, name: &ItemId, item: ItemIndex) -> Result<&[ItemIndex], BatchRefusal> {
        let of_group = || self.groups.get(name).map(Vec::as_slice);
        let found = self.ids.get(&*self.id_case.key(name)).map(std::slice::from_ref).or_else(of_group);
        let found = found.ok_or_else(|| BatchRefusal::UnknownDependency { item, name: shown(name) })?;
        if found.contains(&item) {
            return Err(BatchRefusal::SelfDependency { item, name: shown(name) });
        }
        match found.last() {
            Some(last) if *last > item => {
                Err(BatchRefusal::ForwardDependency { item, on: *last, name: shown(name) })
            }
            Some(_) | None => self.take_room(name, found).map(|()| found),
        }
    }

    /// Counts a dependency on all items of a group.
    fn take_room(&self, group: &ItemId, members: &[ItemIndex]) -> Result<(), BatchRefusal> {
        let [first, _, ..] = members else { return Ok(()) };
        let counted = self.counted.get().saturating_add(members.len());
        self.counted.set(counted);
        if counted > MAX_OF_GROUPS {
            let problem = GroupProblem::TooManyDependents;
            return Err(BatchRefusal::BadGroup { item: *first, name: shown(group), problem });
        }
        Ok(())
    }
}

/// Whether an item names others.
pub(crate) fn depends(item: &Item) -> bool {
    !item.depends_on.is_empty() || item.template.is_some() || item.condition.is_some()
}

/// Whether the client gave the item its id, complete.
pub(crate) fn has_given_id(subject: &Subject) -> bool {
    subject.form.id != IdForm::Position && !subject.form.id_is_cut
}

/// A name as a refusal repeats it.
pub(crate) fn shown(name: &ItemId) -> String {
    name.as_str().chars().filter(|character| !character.is_control()).take(MAX_NAME_SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{ItemRejection, Subject};

    fn item(id: &str, group: Option<&str>, depends_on: &[&str]) -> BatchItem {
        BatchItem {
            subject: Subject {
                id: id.into(),
                method: http::Method::GET,
                href: "/".into(),
                form: crate::batch::ItemForm {
                    group: group.map(ItemId::from),
                    ..crate::batch::ItemForm::default()
                },
            },
            content: Ok(Item {
                depends_on: depends_on.iter().map(|name| ItemId::from(*name)).collect(),
                ..Item::default()
            }),
        }
    }

    fn resolved(items: Vec<BatchItem>) -> Result<Vec<Vec<usize>>, BatchRefusal> {
        let batch = Batch { items, ..Batch::default() };
        let found = Names::new(&batch).unwrap().resolve(&batch)?;
        Ok(found.iter().map(|indices| indices.iter().map(|index| index.0).collect()).collect())
    }

    #[test]
    fn names_become_positions() {
        let mut items = vec![
            item("a", None, &[]),
            item("b", Some("g"), &["a", "a"]),
            item("c", None, &["g", "a", "b"]),
            item("g2", Some("a"), &["a"]),
            item("e", Some("g"), &[]),
            item("f", None, &["g"]),
        ];
        let expected = vec![vec![], vec![0], vec![0, 1], vec![0], vec![], vec![1, 4]];
        assert_eq!(resolved(items.clone()).map_err(|error| error.to_string()), {
            let on =
                BatchRefusal::ForwardDependency { item: ItemIndex(2), on: ItemIndex(4), name: "g".into() };
            Err(on.to_string())
        });
        items[2] = item("c", None, &["b", "a", "b"]);
        assert_eq!(resolved(items), Ok(expected));
    }

    #[test]
    fn case_distinguishes_no_ids_where_it_is_ignored() {
        let items = vec![item("Ab", None, &[]), item("c", None, &["aB"]), item("d", None, &["C", "AB"])];
        let names = Names::new(&Batch { items: items.clone(), id_case: IdCase::Ignored, ..Batch::default() });
        let names = names.unwrap();
        assert_eq!(names.item(&"AB".into(), None), Some(ItemIndex(0)));
        let found = names.resolve(&Batch { items, ..Batch::default() }).unwrap();
        assert_eq!(found, [vec![], vec![ItemIndex(0)], vec![ItemIndex(0), ItemIndex(1)]]);
    }

    #[test]
    fn many_items_can_not_depend_on_a_very_large_group() {
        let members = (0..1024).map(|number: usize| item(&format!("m{number}"), Some("g"), &[]));
        let others = |count| (0..count).map(|number: usize| item(&format!("o{number}"), None, &["g"]));
        assert!(resolved(members.clone().chain(others(1024)).collect()).is_ok());
        let refused = resolved(members.chain(others(1025)).collect());
        assert!(matches!(refused, Err(BatchRefusal::BadGroup { item: ItemIndex(0), .. })), "{refused:?}");
    }

    #[test]
    fn a_batch_without_dependencies_has_no_names() {
        assert!(Names::new(&Batch { items: vec![item("a", Some("g"), &[])], ..Batch::default() }).is_none());
    }

    #[test]
    fn a_dependency_that_can_not_be_resolved_refuses_the_batch() {
        let unknown = BatchRefusal::UnknownDependency { item: ItemIndex(1), name: "A".into() };
        assert_eq!(resolved(vec![item("a", None, &[]), item("b", None, &["A"])]), Err(unknown));
        let own = |name: &str| BatchRefusal::SelfDependency { item: ItemIndex(0), name: name.into() };
        assert_eq!(resolved(vec![item("a", None, &["a"])]), Err(own("a")));
        assert_eq!(resolved(vec![item("a", Some("g"), &["g"])]), Err(own("g")));
        let forward = |on, name: &str| BatchRefusal::ForwardDependency {
            item: ItemIndex(1),
            on: ItemIndex(on),
            name: name.into(),
        };
        let late = vec![item("a", None, &[]), item("b", None, &["c"]), item("c", None, &["b"])];
        assert_eq!(resolved(late), Err(forward(2, "c")));
        let split = vec![item("a", Some("g"), &[]), item("b", None, &["g"]), item("c", Some("g"), &[])];
        assert_eq!(resolved(split), Err(forward(2, "g")));
        let long = resolved(vec![item("a", None, &[&"\u{1}x".repeat(999)])]);
        let name = "x".repeat(MAX_NAME_SHOWN);
        assert_eq!(long, Err(BatchRefusal::UnknownDependency { item: ItemIndex(0), name }));
    }

    #[test]
    fn an_id_of_several_change_sets_names_the_item_of_the_same_set() {
        let member = |id: &str, set| {
            let mut item = item(id, None, &[]);
            item.subject.form =
                crate::batch::ItemForm { id: IdForm::Plain, set, ..crate::batch::ItemForm::default() };
            item
        };
        let set = |first| Some(ChangeSet::new(ItemIndex(first), 2));
        let items = vec![
            member("1", set(0)),
            member("2", set(0)),
            member("1", set(2)),
            member("3", set(2)),
            item("d", None, &["2"]),
        ];
        let names = Names::new(&Batch { items, ..Batch::default() }).unwrap();
        let found = |id: &str, set| names.item(&id.into(), set).map(|index| index.0);
        assert_eq!((found("1", set(0)), found("1", set(2)), found("1", None)), (Some(0), Some(2), None));
        assert_eq!((found("2", set(2)), found("3", None), found("x", set(0))), (Some(1), Some(3), None));
    }

    #[test]
    fn an_item_without_an_id_does_not_take_the_name_of_another() {
        let mut nameless = item("2", None, &[]);
        nameless.content = Err(ItemRejection::BadMember { member: "id", problem: "is empty" });
        let items = vec![nameless.clone(), item("2", None, &[]), item("c", None, &["2"])];
        assert_eq!(resolved(items), Ok(vec![vec![], vec![], vec![1]]));
        let items = vec![item("2", None, &[]), nameless, item("c", None, &["2"])];
        assert_eq!(resolved(items), Ok(vec![vec![], vec![], vec![0]]));
        let mut given = item("1", None, &[]);
        given.subject.form.id = IdForm::Plain;
        let items = vec![item("1", None, &[]), given, item("c", None, &["1"])];
        assert_eq!(resolved(items), Ok(vec![vec![], vec![], vec![1]]));
    }
}
