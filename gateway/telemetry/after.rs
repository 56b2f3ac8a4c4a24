//! What the items of a batch waited for, for the console.
//!
//! In: the dependencies of a plan. Out: positions, of a limited number of items.

use crate::batch::ItemIndex;

/// Items of one batch whose dependencies are kept, and the dependencies of each.
const MOST_AFTER: [usize; 2] = [200, 16];

/// The 1-based positions of the items that had to end before an item could begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct After {
    /// The position of the item that waited.
    pub position: usize,
    /// The positions of those that it waited for.
    pub items: Box<[usize]>,
}

impl After {
    /// What the items of a batch wait for: for each item, the items that must end first.
    #[must_use]
    pub fn from_dependencies(dependencies: &[Vec<ItemIndex>]) -> Vec<Self> {
        let [most_items, most_each] = MOST_AFTER;
        let waiting = dependencies.iter().enumerate().filter(|(_, on)| !on.is_empty()).take(most_items);
        waiting
            .map(|(index, on)| Self {
                position: ItemIndex(index).position(),
                items: on.iter().take(most_each).map(|on| on.position()).collect(),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_items_wait_for_is_bounded() {
        let waits = |count: usize| (0..count).map(ItemIndex).collect::<Vec<_>>();
        let after = After::from_dependencies(&[waits(0), waits(1), waits(40)]);
        assert_eq!(after[0], After { position: 2, items: [1].into() });
        assert_eq!((after[1].position, after[1].items.len()), (3, 16));
        let many: Vec<_> = (0..300).map(|_| waits(1)).collect();
        assert_eq!(After::from_dependencies(&many).len(), 200);
    }
}
