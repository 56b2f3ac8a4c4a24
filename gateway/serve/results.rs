//! The results of a batch as they are made and written, in one step or in several: the bytes are the same.
//!
//! In: dispatched items, in the order of the request. Out: the bytes of the reply's body, and what its head says about the
//! results. What metrics and the log get of the items goes to the batch's record at the same time.

use std::time::Duration;

use bytes::Bytes;

use crate::batch::{ItemResult, MultiStatus, OutcomeKind, Summary};
use crate::dialect::ExecutionPolicy;
use crate::dispatch::DispatchedItem;
use crate::format::{ReplyEnd, ResultWriter};
use crate::problem;
use crate::stitch::{BodyBudget, ItemReport};

use super::context::Context;
use super::runner::Runner;

/// The results of a batch.
pub(super) struct Results<'run> {
    pub(super) runner: Runner<'run>,
    policy: ExecutionPolicy,
    writer: Box<dyn ResultWriter>,
    /// What the bodies of the next items may cost.
    budget: BodyBudget,
    /// How many items there were.
    items: usize,
    has_begun: bool,
    /// Whether an item was at least meant to be sent.
    pub(super) has_run: bool,
    /// Of the results that were written.
    summary: Summary,
    /// The largest Retry-After of the results that were written.
    pub(super) retry_after: Option<Duration>,
}

impl<'run> Results<'run> {
    pub(super) fn new(runner: Runner<'run>, policy: ExecutionPolicy) -> Self {
        let Runner { request, entry, .. } = runner;
        Self {
            runner,
            policy,
            writer: request.dialect.result_writer(request.reply_format, entry.endpoint.sets),
            budget: BodyBudget::new(entry.endpoint.limits.max_reply),
            items: 0,
            has_begun: false,
            has_run: false,
            summary: Summary { items: 0, failed: 0 },
            retry_after: None,
        }
    }

    /// Whether results can leave before all are there.
    pub(super) fn can_leave_early(&self) -> bool {
        self.writer.can_leave_early()
    }

    /// The reply's media type.
    pub(super) fn content_type(&self) -> std::borrow::Cow<'static, str> {
        if self.runner.request.is_text_xml {
            return "text/xml; charset=utf-8".into();
        }
        self.writer.content_type()
    }

    /// Adds the results of the next items, and records them.
    pub(super) fn add(&mut self, items: Vec<DispatchedItem>, context: &mut Context) {
        let (results, reports) = self.runner.stitch(items, &mut self.budget);
        let record = context.batch_at(self.runner.entry.endpoint);
        for (result, report) in results.results.iter().zip(&reports) {
            self.items += 1;
            record.add(self.items, result, report);
        }
        context.recorder().items(&reports);
        self.has_run |= !reports.iter().all(never_ran);
        self.write(if self.policy.leaves_out_unstarted { started(results, &reports) } else { results });
    }

    fn write(&mut self, results: MultiStatus) {
        self.summary.add(results.summary());
        self.retry_after = self.retry_after.max(results.retry_after());
        if !std::mem::replace(&mut self.has_begun, true) {
            let length = |result: &ItemResult| self.writer.expected_length(result);
            let expected = results.results.iter().map(length).sum();
            self.writer.begin(expected);
        }
        for result in results.results {
            self.writer.put(result);
        }
    }

    /// Ends the body.
    pub(super) fn end(&mut self) {
        self.writer.end(&ReplyEnd { summary: self.summary, retry_after: self.retry_after, refused: None });
    }

    /// The bytes since the last call.
    pub(super) fn take(&mut self) -> Vec<Bytes> {
        self.writer.take()
    }
}

/// Whether an item was not even meant to be sent.
fn never_ran(report: &ItemReport) -> bool {
    matches!(report.outcome, OutcomeKind::Rejected | OutcomeKind::Skipped)
}

/// The results without those of items that never started because the batch had stopped.
fn started(results: MultiStatus, reports: &[ItemReport]) -> MultiStatus {
    let kept = results.results.into_iter().zip(reports);
    let kept = kept.filter(|(_, report)| report.reason != Some(problem::BATCH_STOPPED));
    MultiStatus { results: kept.map(|(result, _)| result).collect() }
}
