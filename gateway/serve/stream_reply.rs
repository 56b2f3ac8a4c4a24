//! The reply to a stream, while it is written. Results become lines; lines that are ready at the same time leave together.
//!
//! It keeps counts only, so that memory does not grow with the stream. It does not decide when to write (`stream`).

use std::time::Duration;

use pingora::http::ResponseHeader;

use crate::batch::Summary;
use crate::dispatch::StreamedItem;
use crate::format::ndjson::LineWriter;
use crate::format::{Format, ReplyEnd, ResultWriter};
use crate::problem::ErrorReply;
use crate::stitch::BodyBudget;
use crate::telemetry::BatchRecord;

use super::context::Context;
use super::piece::{Piece, end_reply, head_without_length};
use super::reply::PREFERENCE_APPLIED;
use super::runner::Runner;
use crate::admission::Meter;
use crate::session::Session;

/// The reply to a stream.
pub(super) struct StreamReply<'request> {
    runner: Runner<'request>,
    pub(super) context: &'request mut Context,
    lines: LineWriter,
    has_begun: bool,
    retry_after: Option<Duration>,
    /// Bytes of upstreams' replies in lines that have not been written yet.
    held: usize,
}

impl<'request> StreamReply<'request> {
    pub(super) fn new(runner: Runner<'request>, context: &'request mut Context) -> Self {
        let lines = LineWriter::default();
        Self { runner, context, lines, has_begun: false, retry_after: None, held: 0 }
    }

    pub(super) fn record(&mut self) -> &mut BatchRecord {
        self.context.batch_at(self.runner.entry.endpoint)
    }

    /// How many results there are so far.
    pub(super) fn summary(&mut self) -> Summary {
        self.record().summary
    }

    /// Adds the results of items that ended, and counts them.
    pub(super) fn add(&mut self, ended: Vec<StreamedItem>) {
        self.held += ended.iter().map(|ended| ended.item.reply_bytes()).sum::<usize>();
        let (positions, items): (Vec<_>, Vec<_>) =
            ended.into_iter().map(|ended| (ended.position, ended.item)).unzip();
        // What was written before costs nothing any more.
        let mut budget = BodyBudget::new(self.runner.entry.endpoint.limits.max_reply);
        let (results, reports) = self.runner.stitch(items, &mut budget);
        let endpoint = self.runner.entry.endpoint;
        self.context.record_items(endpoint, positions.into_iter(), &results.results, &reports);
        self.retry_after = self.retry_after.max(results.retry_after());
        for result in results.results {
            self.lines.put(result);
        }
    }

    /// The bytes of replies in the lines that have been written now.
    pub(super) const fn take_held(&mut self) -> usize {
        std::mem::replace(&mut self.held, 0)
    }

    /// Takes the bytes that are ready to be written: the head, if it has not been written yet, and lines.
    pub(super) fn take(&mut self, meter: &Meter) -> pingora::Result<Piece> {
        let begins = !std::mem::replace(&mut self.has_begun, true);
        let head = if begins { Some(self.head(meter)?) } else { None };
        Ok(Piece { head, chunks: self.lines.take() })
    }

    fn head(&mut self, meter: &Meter) -> pingora::Result<ResponseHeader> {
        self.context.limit_fields = meter.fields();
        let endpoint = self.runner.entry.endpoint;
        let media_type = Format::Ndjson.media_type();
        let mut head = head_without_length(self.context, endpoint.reply_status, media_type, Vec::new())?;
        if let Some(applied) = self.runner.request.preferences.applied(endpoint.deadline) {
            head.insert_header(PREFERENCE_APPLIED, applied)?;
        }
        Ok(head)
    }

    /// Writes the last line; `refused` is why the rest of the body was not read.
    pub(super) async fn end(
        &mut self,
        session: &mut Session,
        meter: &Meter,
        refused: Option<&ErrorReply>,
    ) -> pingora::Result<()> {
        let end = ReplyEnd {
            summary: self.summary(),
            retry_after: self.retry_after,
            refused: refused.map(|error| &error.problem),
        };
        self.lines.end(&end);
        session.close_if_unread();
        self.take(meter)?.write(session).await?;
        end_reply(session, self.context).await
    }
}
