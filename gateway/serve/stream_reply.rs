//! The reply to a stream, while it is written: results become lines, which leave together where
//! several are ready at once. Keeps counts only, so that memory does not grow with the stream.

use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderName};
use pingora::http::ResponseHeader;

use crate::batch::{BatchRefusal, Summary};
use crate::dispatch::StreamedItem;
use crate::format::ndjson::LineWriter;
use crate::format::{Format, ReplyEnd, ResultWriter};
use crate::plan::Preferences;
use crate::problem;
use crate::telemetry::{BatchReport, FailedItem};

use super::asked::Asked;
use super::batch::PREFERENCE_APPLIED;
use super::respond::ReplyHead;
use crate::admission::Meter;
use crate::session::Session;

const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The reply to a stream.
pub(crate) struct StreamReply<'request> {
    asked: &'request Asked<'request>,
    preferences: Preferences,
    lines: LineWriter,
    begun: bool,
    pub(crate) summary: Summary,
    retry_after: Option<Duration>,
    pub(crate) failures: Vec<FailedItem>,
    pub(crate) bytes_out: usize,
    /// Bytes of upstreams' replies in lines that were not written yet.
    held: usize,
}

impl<'request> StreamReply<'request> {
    pub(crate) fn new(asked: &'request Asked<'request>, preferences: Preferences) -> Self {
        Self {
            asked,
            preferences,
            lines: LineWriter::default(),
            begun: false,
            summary: Summary { items: 0, failed: 0 },
            retry_after: None,
            failures: Vec::new(),
            bytes_out: 0,
            held: 0,
        }
    }

    /// Adds the results of items that ended, and counts them.
    pub(crate) fn add(&mut self, ended: Vec<StreamedItem>) {
        self.held += ended.iter().map(|ended| ended.item.reply_bytes()).sum::<usize>();
        let (positions, items): (Vec<_>, Vec<_>) =
            ended.into_iter().map(|ended| (ended.position, ended.item)).unzip();
        let (results, reports) = self.asked.stitch(items, &self.preferences);
        let metrics = &self.asked.gateway.metrics;
        metrics.record_items(&reports, self.asked.snapshot.names());
        self.retry_after = self.retry_after.max(results.retry_after());
        for ((position, result), report) in positions.into_iter().zip(results.results).zip(&reports) {
            self.summary.items += 1;
            if result.is_failed() {
                self.summary.failed += 1;
                BatchReport::note_failure(&mut self.failures, position, result.subject.id.as_str(), report);
            }
            self.lines.put(result);
        }
    }

    /// The bytes of replies in the lines that have been written now.
    pub(crate) const fn take_held(&mut self) -> usize {
        std::mem::replace(&mut self.held, 0)
    }

    /// The lines that were not written yet.
    pub(crate) fn take(&mut self) -> Vec<Bytes> {
        let chunks = self.lines.take();
        self.bytes_out += chunks.iter().map(Bytes::len).sum::<usize>();
        chunks
    }

    /// The header, if it was not written yet.
    pub(crate) fn begin(&mut self, meter: &Meter) -> Option<ReplyHead> {
        let begun = std::mem::replace(&mut self.begun, true);
        let endpoint = self.asked.endpoint;
        (!begun).then(|| {
            self.asked
                .head(endpoint.reply_status)
                .with(header::CONTENT_TYPE, Some(Format::Ndjson.media_type().to_owned()))
                .with(X_ACCEL_BUFFERING, Some("no".to_owned()))
                .with(PREFERENCE_APPLIED, self.preferences.applied(endpoint.deadline))
                .with_all(&meter.fields())
        })
    }

    /// Writes the last line; `refusal` is why the rest of the body was not read.
    pub(crate) async fn end(
        &mut self,
        session: &mut Session,
        meter: &Meter,
        refusal: Option<&BatchRefusal>,
    ) -> pingora::Result<()> {
        let error_reply = refusal.map(problem::of_refusal);
        let refused = error_reply.as_ref().map(|error_reply| &error_reply.problem);
        let end = ReplyEnd { summary: self.summary, retry_after: self.retry_after, refused };
        self.lines.end(&end);
        let unread = session.close_if_unread();
        let (head, chunks) = (self.begin(meter), self.take());
        write_lines(session, head, chunks).await?;
        session.write_response_body(None, true).await?;
        if unread {
            session.linger().await;
        }
        Ok(())
    }
}

/// Writes the header, if it is due, and lines; returns once the client's connection has taken them.
pub(crate) async fn write_lines(
    session: &mut Session,
    head: Option<ReplyHead>,
    chunks: Vec<Bytes>,
) -> pingora::Result<()> {
    if let Some(head) = head {
        let mut header = ResponseHeader::build_no_case(head.status, Some(head.fields.len() + 1))?;
        for (name, value) in head.fields {
            header.append_header(name, value)?;
        }
        // RFC 9112 §6.1: only HTTP/1.1 has chunks; HTTP/1.0 ends with the connection.
        if session.req_header().version == http::Version::HTTP_11 {
            header.insert_header(header::TRANSFER_ENCODING, "chunked")?;
        }
        session.write_response_header(Box::new(header), false).await?;
    }
    for chunk in chunks {
        session.write_response_body(Some(chunk), false).await?;
    }
    Ok(())
}
