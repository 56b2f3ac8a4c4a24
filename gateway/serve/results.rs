//! The results of a batch as they are made and written, in one step or in several: the bytes are the same.
//!
//! In: dispatched items, in the order of the request. Out: the bytes of the reply's body, and what its head says about the
//! results. What metrics and the log get of the items goes to the batch's record at the same time.

use std::borrow::Cow;

use crate::batch::{MultiStatus, OutcomeKind};
use crate::dialect::ExecutionPolicy;
use crate::dispatch::DispatchedItem;
use crate::format::ReplyWriter;
use crate::problem;
use crate::stitch::{BodyBudget, ItemReport};

use super::context::Context;
use super::runner::Runner;

/// The results of a batch.
pub(super) struct Results<'run> {
    pub(super) runner: Runner<'run>,
    policy: ExecutionPolicy,
    pub(super) writer: ReplyWriter,
    /// What the bodies of the next items may cost.
    budget: BodyBudget,
    /// Whether an item was at least meant to be sent.
    pub(super) has_run: bool,
}

impl<'run> Results<'run> {
    pub(super) fn new(runner: Runner<'run>, policy: ExecutionPolicy) -> Self {
        let Runner { request, entry, .. } = runner;
        Self {
            runner,
            policy,
            writer: request.dialect.reply_writer(request.reply_format, entry.endpoint.sets),
            budget: BodyBudget::new(entry.endpoint.limits.max_reply),
            has_run: false,
        }
    }

    /// The reply's media type.
    pub(super) fn content_type(&self) -> Cow<'static, str> {
        if self.runner.request.is_text_xml {
            return "text/xml; charset=utf-8".into();
        }
        self.writer.content_type()
    }

    /// Adds the results of the next items, and records them.
    pub(super) async fn add(&mut self, items: Vec<DispatchedItem>, context: &mut Context) {
        if !items.iter().any(DispatchedItem::is_coded) {
            return self.add_now(items, context);
        }
        // Undoing codings can take long: this thread's other connections get their turn after each.
        for item in items {
            self.add_now(vec![item], context);
            tokio::task::yield_now().await;
        }
    }

    fn add_now(&mut self, items: Vec<DispatchedItem>, context: &mut Context) {
        let (results, reports) = self.runner.stitch(items, &mut self.budget);
        let endpoint = self.runner.entry.endpoint;
        let first = context.batch_at(endpoint).summary.items + 1;
        context.record_items(endpoint, first.., &results.results, &reports);
        self.has_run |= !reports.iter().all(never_ran);
        let results = if self.policy.leaves_out_unstarted { started(results, &reports) } else { results };
        self.writer.add(results);
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
