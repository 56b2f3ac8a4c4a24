//! The one place that records finished work: hand it a record, and it counts in the metrics, writes the log lines, keeps
//! batches for operators, and makes spans. A further receiver of records belongs here, and no caller would change.

use crate::batch::OutcomeKind;
use crate::stitch::ItemReport;

use super::access::AccessLog;
use super::exemplars::Timed;
use super::log_lines::log_left_over;
use super::metrics::Metrics;
use super::names::Names;
use super::recent::RecentBatches;
use super::record::{BatchRecord, RequestRecord, Sender};
use super::traces::{self, TracedItems, Traces};

/// Records finished work.
#[derive(Clone, Copy)]
pub struct Recorder<'gateway> {
    metrics: &'gateway Metrics,
    access: &'gateway AccessLog,
    recent: &'gateway RecentBatches,
    traces: &'gateway Traces,
    /// The names behind the indexes in records.
    names: Names<'gateway>,
}

impl<'gateway> Recorder<'gateway> {
    /// Counts in these metrics, writes to this log, keeps batches in `recent` and hands spans to `traces`, under these names.
    #[must_use]
    pub const fn new(
        metrics: &'gateway Metrics,
        access: &'gateway AccessLog,
        recent: &'gateway RecentBatches,
        traces: &'gateway Traces,
        names: Names<'gateway>,
    ) -> Self {
        Self { metrics, access, recent, traces, names }
    }

    /// Records items that have ended. The items of a stream end long before the stream does.
    pub fn items(&self, items: &[ItemReport]) {
        self.metrics.record_items(items, self.names);
    }

    /// Records a finished batch. Its items have been recorded already.
    pub fn batch(&self, sender: &Sender<'_>, mut batch: BatchRecord) {
        self.metrics.record_batch(&batch);
        for left_over in &batch.left_over {
            log_left_over(sender, left_over);
        }
        self.access.log_batch(sender, &batch);
        if batch.traced.is_some() {
            self.keep_exemplars(sender, &batch);
            self.traces.send(traces::of_batch(sender, &mut batch, self.names));
        }
        self.recent.keep(sender.request_id, batch, self.names.0.kept_batches());
    }

    /// Records a request that is over and that was not a batch.
    pub fn request(&self, sender: &Sender<'_>, request: &RequestRecord) {
        self.metrics.record_request(request, self.names);
        self.access.log_request(sender, request, self.names);
        if sender.trace.is_sampled() && self.names.0.tracing.is_some() {
            if let (Some(place), None) = (sender.trace.place(), request.lasted) {
                let route = self.names.route(request.route);
                self.metrics.exemplars.keep(Timed::Request, route, request.elapsed, place.trace);
            }
            self.traces.send(traces::of_request(sender, request, self.names));
        }
    }

    /// Keeps the trace of a batch as an exemplar for its time, and for those of its items that have spans.
    fn keep_exemplars(&self, sender: &Sender<'_>, batch: &BatchRecord) {
        let Some(place) = sender.trace.place() else { return };
        let exemplars = &self.metrics.exemplars;
        exemplars.keep(Timed::Batch, &batch.endpoint, batch.phases.total(), place.trace);
        for item in batch.traced.iter().flat_map(TracedItems::records) {
            let took =
                item.report.timeline.elapsed().filter(|_| item.report.outcome != OutcomeKind::Rejected);
            if let Some(took) = took {
                exemplars.keep(Timed::Item, &item.route, took, place.trace);
            }
        }
    }
}
