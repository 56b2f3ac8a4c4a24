//! The one place that records finished work: hand it a record, and it counts in the metrics, writes the log lines, and keeps
//! batches for operators. A further receiver of records (a trace exporter) belongs here, and no caller would change.

use crate::stitch::ItemReport;

use super::access::AccessLog;
use super::log_lines::log_left_over;
use super::metrics::Metrics;
use super::names::Names;
use super::recent::RecentBatches;
use super::record::{BatchRecord, RequestRecord, Sender};

/// Records finished work.
#[derive(Clone, Copy)]
pub struct Recorder<'gateway> {
    metrics: &'gateway Metrics,
    access: &'gateway AccessLog,
    recent: &'gateway RecentBatches,
    /// The names behind the indexes in records.
    names: Names<'gateway>,
}

impl<'gateway> Recorder<'gateway> {
    /// Counts in these metrics, writes to this log and keeps batches in `recent`, under these names.
    #[must_use]
    pub const fn new(
        metrics: &'gateway Metrics,
        access: &'gateway AccessLog,
        recent: &'gateway RecentBatches,
        names: Names<'gateway>,
    ) -> Self {
        Self { metrics, access, recent, names }
    }

    /// Records items that have ended. The items of a stream end long before the stream does.
    pub fn items(&self, items: &[ItemReport]) {
        self.metrics.record_items(items, self.names);
    }

    /// Records a finished batch. Its items have been recorded already.
    pub fn batch(&self, sender: &Sender<'_>, batch: BatchRecord) {
        self.metrics.record_batch(&batch);
        for left_over in &batch.left_over {
            log_left_over(sender, left_over);
        }
        self.access.log_batch(sender, &batch);
        self.recent.keep(sender.request_id, batch, self.names.0.kept_batches());
    }

    /// Records a request that is over and that was not a batch.
    pub fn request(&self, sender: &Sender<'_>, request: &RequestRecord) {
        self.metrics.record_request(request, self.names);
        self.access.log_request(sender, request, self.names);
    }
}
