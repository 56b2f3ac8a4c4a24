//! The reply to a stream, while it is written. Results become lines; lines that are ready at the same time leave together.
//!
//! It keeps counts only, so that memory does not grow with the stream. It does not decide when to write (`stream`).

use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use pingora::http::ResponseHeader;

use crate::batch::Summary;
use crate::dispatch::StreamedItem;
use crate::format::ndjson::LineWriter;
use crate::format::{Format, ReplyEnd, ResultWriter};
use crate::problem::ErrorReply;
use crate::telemetry::BatchRecord;

use super::context::Context;
use super::reply::PREFERENCE_APPLIED;
use super::respond::head;
use super::runner::Runner;
use crate::admission::Meter;
use crate::session::{Rest, Session};

const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

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
        let (results, reports) = self.runner.stitch(items);
        self.context.recorder().items(&reports);
        self.retry_after = self.retry_after.max(results.retry_after());
        for ((position, result), report) in positions.into_iter().zip(results.results).zip(&reports) {
            self.context.batch_at(self.runner.entry.endpoint).add(position, &result, report);
            self.lines.put(result);
        }
    }

    /// The bytes of replies in the lines that have been written now.
    pub(super) const fn take_held(&mut self) -> usize {
        std::mem::replace(&mut self.held, 0)
    }

    /// Takes the bytes that are ready to be written: the head, if it has not been written yet, and lines.
    pub(super) fn take(&mut self, meter: &Meter) -> pingora::Result<Ready> {
        let begins = !std::mem::replace(&mut self.has_begun, true);
        let head = if begins { Some(self.head(meter)?) } else { None };
        let lines = self.lines.take();
        self.record().bytes_out += lines.iter().map(Bytes::len).sum::<usize>();
        Ok(Ready { head, lines })
    }

    fn head(&mut self, meter: &Meter) -> pingora::Result<ResponseHeader> {
        self.context.limit_fields = meter.fields();
        let endpoint = self.runner.entry.endpoint;
        let mut head = head(self.context, endpoint.reply_status, Vec::new())?;
        head.insert_header(header::CONTENT_TYPE, Format::Ndjson.media_type())?;
        head.insert_header(X_ACCEL_BUFFERING, HeaderValue::from_static("no"))?;
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
        session.end_reply().await
    }
}

/// A part of the reply that is ready to be written.
pub(super) struct Ready {
    head: Option<ResponseHeader>,
    lines: Vec<Bytes>,
}

impl Ready {
    /// Writes it. Returns once the client's connection has taken it.
    pub(super) async fn write(self, session: &mut Session) -> pingora::Result<()> {
        if let Some(mut head) = self.head {
            // RFC 9112 §6.1: only HTTP/1.1 has chunks; HTTP/1.0 ends with the connection.
            if session.req_header().version == http::Version::HTTP_11 {
                head.insert_header(header::TRANSFER_ENCODING, "chunked")?;
            }
            session.write_response_header(Box::new(head), Rest::Follows).await?;
        }
        for line in self.lines {
            session.write_response_body(line, Rest::Follows).await?;
        }
        Ok(())
    }
}
