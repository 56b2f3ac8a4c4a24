//! The items of a batch that will have spans: those that failed, then the slowest.
//!
//! In: every item as it ends. Out: records of at most as many as are wanted. An item that is not among them costs a
//! comparison, and no record is made of it.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::batch::ItemResult;
use crate::stitch::ItemReport;
use crate::telemetry::item_record::ItemRecord;
use crate::telemetry::names::Names;

/// The items of a batch that will have spans.
#[derive(Clone, Debug)]
pub struct TracedItems {
    most: usize,
    /// The least of them is on top.
    kept: BinaryHeap<Reverse<Ranked>>,
    seen: usize,
}

/// What makes an item matter more than another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    failed: bool,
    took: Duration,
}

#[derive(Clone, Debug)]
struct Ranked {
    rank: Rank,
    record: ItemRecord,
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank.cmp(&other.rank)
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}

impl Eq for Ranked {}

impl TracedItems {
    /// None yet, and at most this many.
    #[must_use]
    pub const fn new(most: usize) -> Self {
        Self { most, kept: BinaryHeap::new(), seen: 0 }
    }

    /// Takes note of an item that has ended; `position` is its 1-based place in the batch.
    pub fn add(&mut self, position: usize, result: &ItemResult, report: &ItemReport, names: Names<'_>) {
        self.seen += 1;
        let rank = Rank { failed: result.is_failed(), took: report.timeline.total().unwrap_or_default() };
        if self.kept.len() >= self.most {
            if self.kept.peek().is_none_or(|Reverse(least)| least.rank >= rank) {
                return;
            }
            self.kept.pop();
        }
        self.kept.push(Reverse(Ranked { rank, record: ItemRecord::new(position, result, report, names) }));
    }

    /// How many items are left out.
    #[must_use]
    pub fn omitted(&self) -> usize {
        self.seen - self.kept.len()
    }

    /// Their records, in no order.
    pub fn records(&self) -> impl Iterator<Item = &ItemRecord> {
        self.kept.iter().map(|Reverse(ranked)| &ranked.record)
    }

    /// Their records, in the order of the batch.
    #[must_use]
    pub fn into_records(self) -> Vec<ItemRecord> {
        let mut records: Vec<_> = self.kept.into_iter().map(|Reverse(ranked)| ranked.record).collect();
        records.sort_by_key(|record| record.position);
        records
    }
}
