//! The lines of a stream that wait for earlier ones (`turn` has the rules).
//!
//! A line waits only for lines before it, and each of those is under way or has ended when it begins. So of all lines under
//! way the first waits for none: it can always go on, and no line waits forever, whatever the concurrency is.

use std::collections::HashMap;

use crate::batch::ItemIndex;
use crate::plan::Waits;

use super::line::WaitingLine;
use super::outcome::SkipReason;
use super::sources::Sources;
use super::window::{End, Window};

/// Lines that wait for others, by their numbers.
#[derive(Debug, Default)]
pub(super) struct DeferredLines {
    lines: HashMap<usize, Deferred>,
    /// By line under way: those that wait for it.
    dependents: HashMap<usize, Vec<usize>>,
}

#[derive(Debug)]
struct Deferred {
    line: WaitingLine,
    /// How many of the lines that it waits for have not ended.
    missing: usize,
}

/// A line that need not wait any more.
#[derive(Debug)]
pub(super) enum Released {
    Ready(WaitingLine),
    Skipped(WaitingLine, SkipReason),
}

impl DeferredLines {
    /// A line begins that waits for others. Returns it if it need not wait for any that is under way.
    pub(super) fn add(
        &mut self,
        mut line: WaitingLine,
        waits: Waits,
        window: &mut Window,
    ) -> Option<Released> {
        let mut sources = Box::new(Sources::new(waits));
        if let Err(reason) = sources.look(window) {
            return Some(Released::Skipped(line, reason));
        }
        let missing: Vec<_> = sources.missing().collect();
        line.sources = Some(sources);
        if missing.is_empty() {
            return Some(Released::Ready(line));
        }
        let number = line.entry.number;
        for earlier in &missing {
            self.dependents.entry(earlier.0).or_default().push(number);
        }
        self.lines.insert(number, Deferred { line, missing: missing.len() });
        None
    }

    /// Whether a line waits for this one.
    pub(super) fn wait_for(&self, number: usize) -> bool {
        !self.dependents.is_empty() && self.dependents.contains_key(&number)
    }

    /// A line has ended. Returns those that waited for it and need not wait any more.
    pub(super) fn ended(&mut self, number: usize, end: &End) -> Vec<Released> {
        let dependents = self.dependents.remove(&number).unwrap_or_default();
        let mut released = Vec::new();
        for dependent in dependents {
            let Some(deferred) = self.lines.get_mut(&dependent) else { continue };
            let reason = deferred.one_ended(number, end);
            if reason.is_none() && deferred.missing > 0 {
                continue;
            }
            released.extend(self.lines.remove(&dependent).map(|deferred| match reason {
                Some(reason) => Released::Skipped(deferred.line, reason),
                None => Released::Ready(deferred.line),
            }));
        }
        released
    }

    /// Takes all lines, because the client has left.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = WaitingLine> + use<> {
        self.dependents.clear();
        std::mem::take(&mut self.lines).into_values().map(|deferred| deferred.line)
    }
}

impl Deferred {
    /// A line that it waits for has ended. Returns why that ends it as well, if it does.
    fn one_ended(&mut self, number: usize, end: &End) -> Option<SkipReason> {
        self.missing = self.missing.saturating_sub(1);
        let sources = self.line.sources.as_deref_mut()?;
        sources.one_ended(ItemIndex(number), |needed| end.seen(needed)).err()
    }
}
