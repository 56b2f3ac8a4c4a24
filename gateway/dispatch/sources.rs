//! The lines that one line of a stream waits for, and how they ended.

use crate::batch::ItemIndex;
use crate::plan::{AwaitedLine, Needed, PlannedCondition, Waits};

use super::outcome::SkipReason;
use super::resolve::Earlier;
use super::turn::{Results, skipped_by};
use super::window::{Seen, Window};

/// What a line waits for.
#[derive(Debug, Default)]
pub(super) struct Sources {
    condition: Option<PlannedCondition>,
    lines: Vec<Source>,
}

#[derive(Debug)]
struct Source {
    line: AwaitedLine,
    /// How it ended; `None`: it is under way.
    seen: Option<Seen>,
}

impl Sources {
    pub(super) fn new(Waits { lines, condition }: Waits) -> Self {
        let lines = lines.into_iter().map(|line| Source { line, seen: None }).collect();
        Self { condition, lines }
    }

    /// The condition that has to hold once all have ended.
    pub(super) const fn condition(&self) -> Option<&PlannedCondition> {
        self.condition.as_ref()
    }

    /// Those that are under way.
    pub(super) fn missing(&self) -> impl Iterator<Item = ItemIndex> {
        self.lines.iter().filter(|source| source.seen.is_none()).map(|source| source.line.index)
    }

    /// Looks which of them have ended.
    ///
    /// # Errors
    /// That ends the line.
    pub(super) fn look(&mut self, window: &mut Window) -> Result<(), SkipReason> {
        let condition = self.condition.as_ref();
        self.lines.iter_mut().try_for_each(|source| {
            let Some(seen) = window.look(source.line.index, source.line.needed) else { return Ok(()) };
            source.sees(seen, condition)
        })
    }

    /// One of them has ended.
    ///
    /// # Errors
    /// That ends the line.
    pub(super) fn one_ended(
        &mut self,
        index: ItemIndex,
        see: impl FnOnce(Needed) -> Seen,
    ) -> Result<(), SkipReason> {
        let condition = self.condition.as_ref();
        let source = self.lines.iter_mut().find(|source| source.line.index == index);
        source.map_or(Ok(()), |source| source.sees(see(source.line.needed), condition))
    }

    fn seen(&self, index: ItemIndex) -> Option<&Seen> {
        self.lines.iter().find(|source| source.line.index == index)?.seen.as_ref()
    }
}

impl Source {
    fn sees(&mut self, seen: Seen, condition: Option<&PlannedCondition>) -> Result<(), SkipReason> {
        let id = || self.line.id.clone();
        let lost = || seen.lost.map(|limit| SkipReason::ResultNotKept { on: id(), limit });
        // Lines are in no groups.
        let failed = seen.has_failed.then(|| SkipReason::DependencyFailed { on: id(), group: None });
        let reason = skipped_by(failed, condition).or_else(lost);
        self.seen = Some(seen);
        reason.map_or(Ok(()), Err)
    }
}

impl Results for Sources {
    fn earlier(&self, index: ItemIndex) -> Option<Earlier<'_>> {
        let seen = self.seen(index)?;
        Some(Earlier { outcome: seen.outcome.as_ref()?, route: seen.route })
    }

    fn has_failed(&self, index: ItemIndex) -> bool {
        self.seen(index).is_none_or(|seen| seen.has_failed)
    }
}
