//! What the reply to a batch says about its time (W3C Server Timing), for endpoints with `server_timing`.
//!
//! In: the times of the batch's items as they end, and of its phases. Out: values of the Server-Timing field. Every entry has
//! a `dur` in milliseconds: the phases have the names that they have in metrics; `slowest` is the item that took longest,
//! which is the sum of `queue` (it waited for its permit) and `upstream` (its call); `total` counts from the request's head.
//! Nothing is kept but the slowest item.

use std::time::Duration;

use crate::dispatch::Timeline;
use crate::phase::Phase;

/// The slowest item of a batch so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServerTiming {
    /// Its 1-based position; 0 while no item has been started.
    position: usize,
    /// How long it waited for its permit.
    queue: Duration,
    /// How long its call took.
    upstream: Duration,
}

/// Which part of the times a field has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimingPart {
    /// All of them: for the head of a reply that leaves at once.
    All,
    /// Those that are known before the first call: for the head of a reply that begins early.
    Head,
    /// The others: for the trailers of a reply that begins early.
    Trailer,
}

impl TimingPart {
    const fn has(self, phase: Phase) -> bool {
        let is_early = matches!(phase, Phase::Receive | Phase::Parse | Phase::Plan);
        match self {
            Self::All => true,
            Self::Head => is_early,
            Self::Trailer => !is_early,
        }
    }
}

impl ServerTiming {
    /// Takes note of the times of an item that has ended; `position` is its 1-based place in the batch.
    pub fn add(&mut self, position: usize, timeline: &Timeline) {
        let (Some(queue), Some(upstream)) = (timeline.queue_time(), timeline.elapsed()) else { return };
        if self.position == 0 || queue + upstream > self.queue + self.upstream {
            *self = Self { position, queue, upstream };
        }
    }

    /// The value of the field. Phases that have not begun are left out. `None` if nothing is known yet.
    #[must_use]
    pub fn field(
        &self,
        part: TimingPart,
        phases: impl Iterator<Item = (Phase, Duration)>,
        total: Duration,
    ) -> Option<String> {
        let known = phases.filter(|(phase, took)| part.has(*phase) && !took.is_zero());
        let mut entries: Vec<_> = known.map(|(phase, took)| entry(phase.as_str(), took)).collect();
        if part != TimingPart::Head {
            entries.extend(self.slowest());
            entries.push(entry("total", total));
        }
        (!entries.is_empty()).then(|| entries.join(", "))
    }

    /// The entries of the slowest item, if an item has been started.
    fn slowest(&self) -> impl Iterator<Item = String> {
        let slowest =
            format!("{};desc=\"item {}\"", entry("slowest", self.queue + self.upstream), self.position);
        let entries = [slowest, entry("queue", self.queue), entry("upstream", self.upstream)];
        entries.into_iter().filter(|_| self.position > 0)
    }
}

fn entry(name: &str, took: Duration) -> String {
    format!("{name};dur={:.3}", took.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Stopwatch;

    /// The times of an item that waited and was called this many milliseconds.
    async fn item(queue: u64, upstream: u64) -> Timeline {
        let queued = Stopwatch::start();
        tokio::time::advance(Duration::from_millis(queue)).await;
        let permit = Some(Stopwatch::start());
        tokio::time::advance(Duration::from_millis(upstream)).await;
        Timeline { permit, end: Some(Stopwatch::start()), ..Timeline::not_started(queued) }
    }

    #[tokio::test(start_paused = true)]
    async fn the_slowest_item_is_named() {
        let mut timing = ServerTiming::default();
        for (position, queue, upstream) in [(1, 1, 5), (2, 4, 3), (3, 0, 7)] {
            timing.add(position, &item(queue, upstream).await);
        }
        timing.add(4, &Timeline::not_started(Stopwatch::start()));
        let phases = [(Phase::Receive, 250), (Phase::Parse, 1), (Phase::Plan, 0), (Phase::Dispatch, 7_100)];
        let phases = phases.map(|(phase, micros)| (phase, Duration::from_micros(micros)));
        let field = |part| timing.field(part, phases.into_iter(), Duration::from_millis(9)).unwrap();
        let head = "receive;dur=0.250, parse;dur=0.001";
        let items = "slowest;dur=7.000;desc=\"item 2\", queue;dur=4.000, upstream;dur=3.000";
        let trailer = format!("dispatch;dur=7.100, {items}, total;dur=9.000");
        assert_eq!(field(TimingPart::Head), head);
        assert_eq!(field(TimingPart::Trailer), trailer);
        assert_eq!(field(TimingPart::All), format!("{head}, {trailer}"));
    }

    #[test]
    fn a_batch_without_started_items_has_no_slowest() {
        let timing = ServerTiming::default();
        let field = |part| timing.field(part, std::iter::empty(), Duration::from_millis(1));
        assert_eq!(field(TimingPart::Head), None);
        assert_eq!(field(TimingPart::Trailer).as_deref(), Some("total;dur=1.000"));
    }
}
