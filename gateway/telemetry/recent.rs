//! The last batches, for operators: the console and `/batches` show them.
//!
//! In: the record of each batch that is over. Out: the newest of them, with their items' records. It is bounded twice: in
//! batches by `console.batches`, in items of a batch by [`MOST_ITEMS`]. Never kept: bodies, queries, credentials. Keeping a
//! batch takes one lock and no copy; with `console.batches: 0` it takes neither.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use parking_lot::Mutex;

use crate::batch::{ItemIndex, Summary};
use crate::clock::{Stopwatch, unix_time};

use super::RequestId;
use super::item_record::ItemRecord;
use super::record::{BatchEnd, BatchRecord};

/// Items that are kept of one batch: those that failed, then slow ones, then the first of the others.
const MOST_ITEMS: usize = 100;

/// Items of one batch whose dependencies are kept, and the dependencies of each.
const MOST_AFTER: [usize; 2] = [200, 16];

/// A batch that is over.
#[derive(Clone, Debug)]
pub struct RecentBatch {
    /// Its request id.
    pub id: RequestId,
    /// The path of its endpoint.
    pub endpoint: String,
    /// The format of its items.
    pub format: &'static str,
    /// How it ended.
    pub end: BatchEnd,
    /// The reply's status.
    pub status: StatusCode,
    /// How many items it had, and how many of them failed.
    pub summary: Summary,
    /// When it began, since the epoch.
    pub started: Duration,
    /// The same on the clock of its items' times.
    pub began: Stopwatch,
    /// How long it took, until its reply had been written.
    pub duration: Duration,
    /// Some of its items, in order.
    pub items: Vec<ItemRecord>,
    /// What some of its items waited for.
    pub after: Vec<After>,
}

impl RecentBatch {
    fn new(id: &RequestId, batch: BatchRecord) -> Self {
        let duration = batch.began.elapsed();
        Self {
            id: id.clone(),
            endpoint: batch.endpoint,
            format: batch.format,
            end: batch.end,
            status: batch.status,
            summary: batch.summary,
            started: unix_time().saturating_sub(duration),
            began: batch.began,
            duration,
            items: batch.kept.into_records(MOST_ITEMS),
            after: batch.after,
        }
    }

    /// How many of its items are not in `items`.
    #[must_use]
    pub fn omitted(&self) -> usize {
        self.summary.items.saturating_sub(self.items.len())
    }
}

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

/// The newest batches.
#[derive(Debug, Default)]
pub struct RecentBatches(Mutex<VecDeque<Arc<RecentBatch>>>);

impl RecentBatches {
    /// Keeps a batch, and forgets the oldest of more than `most`.
    pub fn keep(&self, id: &RequestId, batch: BatchRecord, most: usize) {
        if most == 0 {
            return;
        }
        let batch = Arc::new(RecentBatch::new(id, batch));
        let mut batches = self.0.lock();
        batches.push_back(batch);
        let excess = batches.len().saturating_sub(most);
        let forgotten: Vec<_> = batches.drain(..excess).collect();
        drop(batches);
        drop(forgotten);
    }

    /// The batches that are kept, the newest first.
    #[must_use]
    pub fn newest_first(&self) -> Vec<Arc<RecentBatch>> {
        self.0.lock().iter().rev().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config;

    fn record() -> BatchRecord {
        let text = "listen: 127.0.0.1:1\nroutes: [{ path: /, respond: { status: 404 } }]\n";
        let settings = config::parse(text, "test.yaml", Path::new(""), &|_| None).unwrap().settings;
        BatchRecord::new(&settings.batch[0], &settings, Stopwatch::start())
    }

    #[test]
    fn the_newest_batches_are_kept() {
        let (recent, id) = (RecentBatches::default(), RequestId::default());
        for items in 1..=5 {
            let summary = Summary { items, failed: 0 };
            recent.keep(&id, BatchRecord { summary, ..record() }, 3);
        }
        let kept = |recent: &RecentBatches| -> Vec<_> {
            recent.newest_first().iter().map(|batch| batch.omitted()).collect()
        };
        assert_eq!(kept(&recent), [5, 4, 3]);
        recent.keep(&id, record(), 0);
        assert_eq!(kept(&recent), [5, 4, 3]);
        recent.keep(&id, record(), 1);
        assert_eq!(kept(&recent), [0]);
    }

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
