//! Targets that a call could not connect to. Nothing was sent to them, so they don't count as attempts. But they cost time,
//! and an operator asks where it went.
//!
//! In: what the channel notes while it connects ([`ConnectNotes`]), also when the call is dropped in the middle of it.
//! Out: [`FailedConnects`], a part of the call's timeline. The first few are kept, the rest is counted.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::clock::Stopwatch;

use super::CallFailure;

/// How many a call keeps. An upstream may have hundreds of targets.
const MOST: usize = 8;

/// The reason of a connection that was given up, as metrics and logs have it. No failure has it, because nobody is at fault.
pub const GIVEN_UP: &str = "given_up";

/// A target that could not be connected to.
#[derive(Clone, Debug)]
pub struct FailedConnect {
    /// Its name, as metrics have it.
    pub target: Arc<str>,
    /// From here on a connection was being opened.
    pub began: Stopwatch,
    /// It failed, or was given up.
    pub end: Stopwatch,
    /// Why it failed. `None`: it was given up, because the call's time was over or nobody waited for it any more.
    pub failure: Option<CallFailure>,
}

/// The targets that one call could not be connected to, in order.
#[derive(Clone, Debug, Default)]
pub struct FailedConnects {
    first: Vec<FailedConnect>,
    omitted: usize,
}

impl FailedConnects {
    /// None yet.
    #[must_use]
    pub const fn none() -> Self {
        Self { first: Vec::new(), omitted: 0 }
    }

    /// Adds one, or counts it if enough are kept.
    pub fn push(&mut self, failed: FailedConnect) {
        if self.first.len() < MOST {
            self.first.push(failed);
        } else {
            self.omitted += 1;
        }
    }

    /// Those that are kept.
    pub fn iter(&self) -> impl Iterator<Item = &FailedConnect> {
        self.first.iter()
    }

    /// The last one that is kept.
    #[must_use]
    pub fn last(&self) -> Option<&FailedConnect> {
        self.first.last()
    }

    /// How many there were in addition to those that are kept.
    #[must_use]
    pub const fn omitted(&self) -> usize {
        self.omitted
    }

    /// Adds those of a later call.
    pub(super) fn append(&mut self, later: Self) {
        later.first.into_iter().for_each(|failed| self.push(failed));
        self.omitted += later.omitted;
    }
}

/// Where a call notes them.
#[derive(Debug, Default)]
pub struct ConnectNotes(Mutex<FailedConnects>);

impl ConnectNotes {
    /// None yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(FailedConnects::none()))
    }

    /// Notes a target whose connection was being opened since then, and has just failed or been given up.
    pub fn add(&self, target: &Arc<str>, began: Stopwatch, failure: Option<CallFailure>) {
        let (target, end) = (Arc::clone(target), Stopwatch::start());
        self.0.lock().push(FailedConnect { target, began, end, failure });
    }

    /// Hands out what was noted.
    #[must_use]
    pub fn take(&self) -> FailedConnects {
        std::mem::take(&mut self.0.lock())
    }
}
