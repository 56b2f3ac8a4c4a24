//! The call of an item that was taken to be called: its own, or the one that has to be made before it.

use crate::clock::Stopwatch;
use crate::plan::Call;

use super::progress::Progress;

/// The call of an item.
pub(super) enum PlacedCall<'run> {
    /// As planned.
    Planned(&'run Call),
    /// With its references filled in.
    Resolved(Box<Call>),
    /// Not its call yet: what is there before it is read first.
    Snapshot(Box<SnapshotJob<'run>>),
}

/// A GET before the call of an item.
pub(super) struct SnapshotJob<'run> {
    call: Call,
    progress: Progress,
    /// The item's own call.
    pub(super) write: PlacedCall<'run>,
}

impl<'run> SnapshotJob<'run> {
    pub(super) fn new(call: Call, write: PlacedCall<'run>) -> Self {
        Self { call, progress: Progress::new(Stopwatch::start()), write }
    }

    /// How far the GET got. That of the item is about its own call.
    pub(super) const fn progress(&self) -> &Progress {
        &self.progress
    }
}

impl PlacedCall<'_> {
    pub(super) fn call(&self) -> &Call {
        match self {
            Self::Planned(call) => call,
            Self::Resolved(call) => call,
            Self::Snapshot(snapshot) => &snapshot.call,
        }
    }
}
