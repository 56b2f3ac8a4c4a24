//! What is kept of an item once it has ended: the log, the console and traces all show the same record.
//!
//! In: the item's result and its report. Out: a record that needs neither the batch nor the configuration. A batch keeps
//! records of failed and slow items only ([`KeptItems`]), and a limited number of them; the others are counted and cost nothing.

use std::time::Duration;

use crate::batch::ItemResult;
use crate::stitch::ItemReport;

use super::names::Names;

/// Records that a batch keeps of failed items, and as many of slow ones that did not fail.
const MOST: usize = 100;

/// Characters of an item's id in its record.
const MAX_ID: usize = 64;

/// Characters of a path in a record or a log line.
pub(super) const MAX_PATH: usize = 1024;

/// An item that has ended. Its times, attempts and spans are in the report's timeline.
#[derive(Clone, Debug)]
pub struct ItemRecord {
    /// Its 1-based position.
    pub position: usize,
    /// Its id, cut to a sensible length.
    pub id: Box<str>,
    /// The path of its url, cut to a sensible length. The query is never kept.
    pub path: Box<str>,
    /// The name of its route, or nothing.
    pub route: Box<str>,
    /// The name of its upstream, or nothing.
    pub upstream: Box<str>,
    /// How it ended, and when what happened to it.
    pub report: ItemReport,
}

impl ItemRecord {
    /// The record of an item at this 1-based position.
    #[must_use]
    pub fn new(position: usize, result: &ItemResult, report: &ItemReport, names: Names<'_>) -> Self {
        let path = result.subject.href.split(['?', '#']).next().unwrap_or_default();
        Self {
            position,
            id: cut(result.subject.id.as_str(), MAX_ID).into(),
            path: cut(path, MAX_PATH).into(),
            route: names.route(report.route).into(),
            upstream: names.upstream(report.upstream).into(),
            report: report.clone(),
        }
    }
}

/// At most the first `most` characters of a text.
pub(super) fn cut(text: &str, most: usize) -> &str {
    let end = text.char_indices().nth(most).map_or(text.len(), |(end, _)| end);
    text.get(..end).unwrap_or_default()
}

/// The items of a batch that somebody may ask about.
#[derive(Clone, Debug)]
pub struct KeptItems {
    /// The first failed and the first slow items, in the order in which their results were made.
    pub records: Vec<ItemRecord>,
    /// How many items were slow. Some of them may have failed, too.
    pub slow: usize,
    /// How many items failed or were slow, and are not in `records`.
    pub omitted: usize,
    /// An item that takes this long is slow.
    threshold: Duration,
    failed: usize,
}

impl KeptItems {
    /// None yet; an item that takes `slow` or longer will be slow.
    #[must_use]
    pub const fn new(slow: Duration) -> Self {
        Self { records: Vec::new(), slow: 0, omitted: 0, threshold: slow, failed: 0 }
    }

    /// Keeps a record of the item if it failed or was slow, and there is room.
    pub fn add(&mut self, position: usize, result: &ItemResult, report: &ItemReport, names: Names<'_>) {
        let (failed, slow) = (result.is_failed(), self.is_slow(report));
        if !failed && !slow {
            return;
        }
        self.slow += usize::from(slow);
        let alike = if failed { self.failed } else { self.records.len() - self.failed };
        if alike == MOST {
            self.omitted += 1;
            return;
        }
        self.failed += usize::from(failed);
        self.records.push(ItemRecord::new(position, result, report, names));
    }

    /// Whether the item took so long that it is slow.
    #[must_use]
    pub fn is_slow(&self, report: &ItemReport) -> bool {
        report.timeline.elapsed().is_some_and(|elapsed| elapsed >= self.threshold)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use http::{Method, StatusCode};

    use super::*;
    use crate::batch::{ItemForm, ItemId, OutcomeKind, ResultBody, Subject};
    use crate::clock::Stopwatch;
    use crate::config::{self, Settings};
    use crate::dispatch::{AttemptTimes, Timeline};
    use crate::header::field::Fields;
    use crate::header::spelling::Spellings;
    use crate::route::{RouteIndex, UpstreamIndex};

    fn settings() -> Settings {
        let text = "listen: 127.0.0.1:1\nupstreams: { shop: { targets: [\"http://127.0.0.1:81\"] } }\n\
                    routes: [{ path: /, name: all, upstream: shop }]\n";
        config::parse(text, "test.yaml", Path::new(""), &|_| None).unwrap().settings
    }

    fn result(status: StatusCode) -> ItemResult {
        let form = ItemForm::default();
        let subject = Subject {
            id: ItemId::from("ö".repeat(70).as_str()),
            method: Method::GET,
            href: "/a/b?secret#part".into(),
            form,
        };
        ItemResult {
            subject,
            status,
            headers: Fields::new(),
            spellings: Spellings::default(),
            body: ResultBody::Absent,
            gateway: None,
            retryable: false,
            retry_after: None,
        }
    }

    fn report(timeline: Timeline) -> ItemReport {
        ItemReport {
            route: Some(RouteIndex(0)),
            upstream: Some(UpstreamIndex(0)),
            method: "GET",
            status: StatusCode::OK,
            outcome: OutcomeKind::Answered,
            timeline,
            reason: None,
            coalesced: false,
            limit: None,
            undone: None,
        }
    }

    /// The times of an item that took this long.
    async fn taking(milliseconds: u64) -> Timeline {
        let start = Stopwatch::start();
        tokio::time::advance(Duration::from_millis(milliseconds)).await;
        Timeline { permit: Some(start), end: Some(Stopwatch::start()), ..Timeline::not_started(start) }
    }

    #[test]
    fn a_record_names_all_and_shows_no_query() {
        let now = Stopwatch::start();
        let mut timeline = Timeline::not_started(now);
        let target = "127.0.0.1:81".into();
        let (span, connected, first_byte, status) = (None, None, None, None);
        timeline.attempts.push(AttemptTimes {
            target,
            span,
            connected,
            sent: now,
            first_byte,
            end: now,
            status,
        });
        let settings = settings();
        let record = ItemRecord::new(7, &result(StatusCode::OK), &report(timeline), Names(&settings));
        assert_eq!((record.position, &*record.id, &*record.path), (7, &*"ö".repeat(64), "/a/b"));
        assert_eq!((&*record.route, &*record.upstream), ("all", "shop"));
        assert_eq!(record.report.timeline.target(), "127.0.0.1:81");
    }

    #[tokio::test(start_paused = true)]
    async fn failed_and_slow_items_are_kept_and_the_rest_is_counted() {
        let (settings, mut kept) = (settings(), KeptItems::new(Duration::from_millis(10)));
        let (fast, slow) = (report(taking(9).await), report(taking(10).await));
        for _ in 0..MOST + 3 {
            for (status, report) in [(200, &fast), (200, &slow), (500, &fast), (404, &slow)] {
                let result = result(StatusCode::from_u16(status).unwrap());
                kept.add(1, &result, report, Names(&settings));
            }
        }
        assert_eq!((kept.records.len(), kept.slow), (2 * MOST, 2 * (MOST + 3)));
        assert_eq!(kept.omitted, 3 * (MOST + 3) - 2 * MOST);
    }

    #[test]
    fn an_item_that_was_never_started_is_not_slow() {
        let kept = KeptItems::new(Duration::ZERO);
        assert!(!kept.is_slow(&report(Timeline::not_started(Stopwatch::start()))));
    }
}
