//! How far sending is: a bar on a terminal, otherwise a line now and then.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::clock::Stopwatch;
use crate::terminal::{counted, print_error};

/// The pause between two lines.
const INTERVAL: Duration = Duration::from_secs(10);

/// Counts, and shows what it counts.
pub(super) struct Progress {
    bar: ProgressBar,
    started: Stopwatch,
    last_line: Stopwatch,
    pub(super) counts: Counts,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) batches: u64,
    pub(super) items: u64,
    pub(super) failed: u64,
    pub(super) resent: u64,
}

impl Progress {
    /// Of a file with this many bytes, if that is known. stderr has the bar, if it is a terminal.
    pub(super) fn new(length: Option<u64>) -> Self {
        let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr());
        let template = match length {
            Some(_) => "{bar:30} {percent:>3}% {msg}",
            None => "{spinner} {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { bar, started: Stopwatch::start(), last_line: Stopwatch::start(), counts: Counts::default() }
    }

    /// Shows what has been counted, with `read` bytes of the file.
    pub(super) fn show(&mut self, read: u64) {
        self.bar.set_position(read);
        self.bar.set_message(self.to_string());
        if self.bar.is_hidden() && self.last_line.elapsed() >= INTERVAL {
            print_error(&self);
            self.last_line = Stopwatch::start();
        }
    }

    /// Takes the bar away, and prints the last line.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
        print_error(self);
    }
}

impl std::fmt::Display for Progress {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Counts { batches, items, failed, resent } = self.counts;
        let millis = self.started.elapsed().as_millis().max(1);
        let rate = u128::from(items) * 1000 / millis;
        let (items, batches) = (counted(items, "item", "items"), counted(batches, "batch", "batches"));
        write!(formatter, "{items} in {batches}, {failed} failed, {resent} resent, {rate} items/s")
    }
}
