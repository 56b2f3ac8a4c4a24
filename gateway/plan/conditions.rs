//! Items with a condition (OData JSON Format 4.01 §19.1): the items that it asks about, as positions in the batch. A
//! condition adds dependencies. It replaces the rule that every dependency has to succeed.

use std::collections::BTreeMap;

use super::call_template::Sources;
use super::dependencies::Names;
use crate::batch::{Batch, BatchRefusal, ItemId, ItemIndex};
use crate::reference::condition::Condition;

/// The items of a batch that are started only if a condition holds.
pub type Conditions = BTreeMap<ItemIndex, PlannedCondition>;

/// A condition that must hold for an item to be started. It is checked once all that the item waits for has ended.
#[derive(Debug, PartialEq)]
pub struct PlannedCondition {
    /// The condition.
    pub condition: Box<Condition>,
    /// The items that it asks about.
    pub sources: Sources,
}

impl PlannedCondition {
    /// A condition, whose items `positions` finds.
    ///
    /// # Errors
    /// It names an item that `positions` does not find.
    pub(crate) fn new<I: AsRef<[ItemIndex]>, E>(
        condition: Box<Condition>,
        positions: impl Fn(&ItemId) -> Result<I, E>,
    ) -> Result<Self, E> {
        let mut sources = Sources::new();
        for part in condition.parts() {
            let found = positions(part.item())?;
            sources.extend(found.as_ref().iter().map(|source| (part.item().clone(), *source)));
        }
        sources.sort_unstable();
        sources.dedup();
        Ok(Self { condition, sources })
    }

    /// The position of an item that the condition asks about; of a group, that of its first item.
    #[must_use]
    pub fn source(&self, id: &ItemId) -> Option<ItemIndex> {
        self.sources_of(id).next()
    }

    /// The positions of all items that a name refers to.
    pub fn sources_of(&self, id: &ItemId) -> impl Iterator<Item = ItemIndex> {
        self.sources.iter().filter(move |(other, _)| other == id).map(|(_, index)| *index)
    }
}

/// Takes the conditions out of a batch, and adds the items that they ask about to the dependencies.
pub(crate) fn take(
    batch: &mut Batch,
    names: &Names,
    dependencies: &mut [Vec<ItemIndex>],
) -> Result<Conditions, BatchRefusal> {
    let mut conditions = Conditions::new();
    for (number, (item, waits_for)) in batch.items.iter_mut().zip(dependencies).enumerate() {
        let Some(condition) = item.content.as_mut().ok().and_then(|content| content.condition.take()) else {
            continue;
        };
        let index = ItemIndex(number);
        let planned = PlannedCondition::new(condition, |id| names.resolve_name(id, index))?;
        waits_for.extend(planned.sources.iter().map(|(_, source)| *source));
        conditions.insert(index, planned);
    }
    Ok(conditions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{BatchItem, Item, ItemForm, Subject};

    fn item(id: &str, group: Option<&str>, condition: Option<&str>) -> BatchItem {
        let subject = Subject {
            id: id.into(),
            method: http::Method::GET,
            href: "/".into(),
            form: ItemForm { group: group.map(ItemId::from), ..ItemForm::default() },
        };
        let condition = condition.map(|text| Box::new(Condition::parse(text).unwrap()));
        let content = Ok(Item { condition, ..Item::default() });
        BatchItem { subject, content }
    }

    fn taken(items: Vec<BatchItem>) -> Result<(Vec<Vec<ItemIndex>>, Conditions), BatchRefusal> {
        let mut batch = Batch { items, ..Batch::default() };
        let names = Names::new(&batch).unwrap();
        let mut dependencies = vec![Vec::new(); batch.items.len()];
        let conditions = take(&mut batch, &names, &mut dependencies)?;
        assert!(batch.items.iter().all(|item| item.content.as_ref().unwrap().condition.is_none()));
        Ok((dependencies, conditions))
    }

    #[test]
    fn a_condition_makes_dependencies() {
        let asks = "$b/$succeeded or $g/x eq 1 and $b eq 2";
        let items =
            vec![item("a", Some("g"), None), item("b", None, Some("true")), item("c", None, Some(asks))];
        let (dependencies, conditions) = taken(items).unwrap();
        assert_eq!(dependencies, [vec![], vec![], vec![ItemIndex(1), ItemIndex(0)]]);
        assert_eq!(conditions.keys().copied().collect::<Vec<_>>(), [ItemIndex(1), ItemIndex(2)]);
        let planned = &conditions[&ItemIndex(2)];
        assert_eq!(planned.source(&"g".into()), Some(ItemIndex(0)));
        assert_eq!(planned.source(&"a".into()), None);
    }

    #[test]
    fn a_condition_on_an_item_that_is_not_an_earlier_one_refuses_the_batch() {
        let refused =
            |condition| taken(vec![item("a", None, Some(condition)), item("b", None, None)]).unwrap_err();
        let (first, name) = (ItemIndex(0), |name: &str| name.to_owned());
        assert_eq!(refused("$x eq 1"), BatchRefusal::UnknownDependency { item: first, name: name("x") });
        assert_eq!(refused("$a/x"), BatchRefusal::SelfDependency { item: first, name: name("a") });
        let later = BatchRefusal::ForwardDependency { item: first, on: ItemIndex(1), name: name("b") };
        assert_eq!(refused("not $b/$succeeded"), later);
    }
}
