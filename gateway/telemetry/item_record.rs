//! What is kept of an item once it has ended: the log, the console and traces all show the same record.
//!
//! In: the item's result and its report. Out: a record that needs neither the batch nor the configuration. A batch keeps
//! records of failed and slow items ([`KeptItems`]), and of a few others for the console, all in limited numbers; the rest is
//! counted and costs nothing.

use std::borrow::Cow;
use std::time::Duration;

use crate::batch::ItemResult;
use crate::config::{BatchEndpoint, Settings};
use crate::route::shown_path;
use crate::stitch::ItemReport;

use super::names::Names;

/// Records that a batch keeps of failed items, and as many of slow ones that did not fail.
const MOST: usize = 100;

/// Records that a batch keeps of its first items that neither failed nor were slow, if the console can show them.
const FIRST: usize = 20;

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
    /// The path of its url, cut to a sensible length. Query and user are never kept.
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
        Self {
            position,
            id: cut(result.subject.id.as_str(), MAX_ID).into(),
            path: path_of(&result.subject.href).into(),
            route: names.route(report.route).into(),
            upstream: names.upstream(report.upstream).into(),
            report: report.clone(),
        }
    }
}

/// A path that was asked for, as a log line or a span shows it. A client may write an authority here, with a password in it.
pub(super) fn path_of(target: &str) -> Cow<'_, str> {
    match shown_path(target) {
        Cow::Borrowed(path) => cut(path, MAX_PATH).into(),
        Cow::Owned(path) => cut(&path, MAX_PATH).to_owned().into(),
    }
}

/// At most the first `most` characters of a text.
pub(super) fn cut(text: &str, most: usize) -> &str {
    let end = text.char_indices().nth(most).map_or(text.len(), |(end, _)| end);
    text.get(..end).unwrap_or_default()
}

/// At most the first `most` characters of a field's value. Clients send other bytes than text, too: each becomes U+FFFD.
pub(super) fn cut_bytes(value: &[u8], most: usize) -> Cow<'_, str> {
    match String::from_utf8_lossy(value) {
        Cow::Borrowed(text) => cut(text, most).into(),
        Cow::Owned(text) => cut(&text, most).to_owned().into(),
    }
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
    /// The first items that neither failed nor were slow. Only the console shows them.
    others: Vec<ItemRecord>,
    most_others: usize,
    /// An item that takes this long is slow.
    threshold: Duration,
    failed: usize,
}

impl KeptItems {
    /// None yet. An item will be slow if it takes as long as the endpoint says, or else as `log.slow` says.
    #[must_use]
    pub fn new(endpoint: &BatchEndpoint, settings: &Settings) -> Self {
        Self {
            records: Vec::new(),
            slow: 0,
            omitted: 0,
            others: Vec::new(),
            most_others: if settings.kept_batches() == 0 { 0 } else { FIRST },
            threshold: endpoint.slow.unwrap_or(settings.log.slow),
            failed: 0,
        }
    }

    /// Keeps a record of the item if there is room for one of its kind.
    pub fn add(&mut self, position: usize, result: &ItemResult, report: &ItemReport, names: Names<'_>) {
        let (failed, slow) = (result.is_failed(), self.is_slow(report));
        if !failed && !slow {
            if self.others.len() < self.most_others {
                self.others.push(ItemRecord::new(position, result, report, names));
            }
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

    /// At most this many of the records, in the order of the batch: those of failed items first, then those of slow ones, then
    /// the others.
    #[must_use]
    pub fn into_records(self, most: usize) -> Vec<ItemRecord> {
        let mut records = self.records;
        records.sort_by_key(|record| record.report.status.as_u16() < 400);
        records.truncate(most);
        let room = most - records.len();
        records.extend(self.others.into_iter().take(room));
        records.sort_by_key(|record| record.position);
        records
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
        settings_with("")
    }

    fn settings_with(more: &str) -> Settings {
        let text = format!(
            "listen: 127.0.0.1:1\nupstreams: {{ shop: {{ targets: [\"http://127.0.0.1:81\"] }} }}\n\
             routes: [{{ path: /, name: all, upstream: shop }}]\nlog: {{ slow: 10ms }}\n{more}"
        );
        config::parse(&text, "test.yaml", Path::new(""), &|_| None).unwrap().settings
    }

    fn kept(settings: &Settings) -> KeptItems {
        KeptItems::new(&settings.batch[0], settings)
    }

    fn result(status: StatusCode) -> ItemResult {
        let form = ItemForm::default();
        let subject = Subject {
            id: ItemId::from("ö".repeat(70).as_str()),
            method: Method::GET,
            href: "//ann:secret@a/b?secret#part".into(),
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
    fn a_record_names_all_and_shows_neither_query_nor_user() {
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
        assert_eq!((record.position, &*record.id, &*record.path), (7, &*"ö".repeat(64), "//a/b"));
        assert_eq!((&*record.route, &*record.upstream), ("all", "shop"));
        assert_eq!(record.report.timeline.target(), "127.0.0.1:81");
    }

    #[tokio::test(start_paused = true)]
    async fn failed_and_slow_items_are_kept_and_the_rest_is_counted() {
        let settings = settings_with("console: { batches: 0 }\n");
        let mut kept = kept(&settings);
        let (fast, slow) = (report(taking(9).await), report(taking(10).await));
        for _ in 0..MOST + 3 {
            for (status, report) in [(200, &fast), (200, &slow), (500, &fast), (404, &slow)] {
                let result = result(StatusCode::from_u16(status).unwrap());
                kept.add(1, &result, report, Names(&settings));
            }
        }
        assert_eq!((kept.records.len(), kept.slow), (2 * MOST, 2 * (MOST + 3)));
        assert_eq!(kept.omitted, 3 * (MOST + 3) - 2 * MOST);
        assert_eq!(kept.into_records(3 * MOST).len(), 2 * MOST);
    }

    /// The positions of at most this many items: 5 of 30 failed, 1 was slow.
    fn positions(most: usize, fast: &ItemReport, slow: &ItemReport) -> Vec<usize> {
        let settings = settings();
        let mut kept = kept(&settings);
        for position in 1..=30 {
            let status = if position > 25 { StatusCode::NOT_FOUND } else { StatusCode::OK };
            let report = ItemReport { status, ..if position == 24 { slow } else { fast }.clone() };
            kept.add(position, &result(status), &report, Names(&settings));
        }
        kept.into_records(most).iter().map(|record| record.position).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_console_gets_failed_items_then_slow_ones_then_the_first() {
        let (fast, slow) = (report(taking(9).await), report(taking(10).await));
        assert_eq!(positions(4, &fast, &slow), [26, 27, 28, 29]);
        assert_eq!(positions(8, &fast, &slow), [1, 2, 24, 26, 27, 28, 29, 30]);
        let all: Vec<_> = (1..=20).chain([24]).chain(26..=30).collect();
        assert_eq!(positions(100, &fast, &slow), all);
    }

    #[test]
    fn an_item_that_was_never_started_is_not_slow() {
        let kept = kept(&settings_with(""));
        assert!(!kept.is_slow(&report(Timeline::not_started(Stopwatch::start()))));
    }
}
