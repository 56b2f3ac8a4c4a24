//! Writes the reply to a batch, in one step or in several: the bytes are the same.
//!
//! In: the results in the order of the items, some at a time. Out: the bytes so far. In between it keeps what the end of a
//! reply says about all results.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;

use super::encoded_body::EncodedBody;
use super::result_writer::{ReplyEnd, ResultWriter};
use crate::batch::{MultiStatus, Summary};

/// A reply that is being written.
pub struct ReplyWriter {
    writer: Box<dyn ResultWriter>,
    has_begun: bool,
    summary: Summary,
    retry_after: Option<Duration>,
}

impl ReplyWriter {
    /// Nothing is written yet.
    #[must_use]
    pub fn new(writer: Box<dyn ResultWriter>) -> Self {
        Self { writer, has_begun: false, summary: Summary { items: 0, failed: 0 }, retry_after: None }
    }

    /// The reply's media type, as it appears in Content-Type.
    #[must_use]
    pub fn content_type(&self) -> Cow<'static, str> {
        self.writer.content_type()
    }

    /// Whether results can leave before the last one is known.
    #[must_use]
    pub fn can_leave_early(&self) -> bool {
        self.writer.can_leave_early()
    }

    /// The largest Retry-After among the results so far that may be sent again.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Writes the next results, and frees each as soon as it is written.
    #[inline(never)] // tests/benches/instructions.py finds it by its name
    pub fn add(&mut self, next: MultiStatus) {
        self.summary.add(next.summary());
        self.retry_after = self.retry_after.max(next.retry_after());
        if !std::mem::replace(&mut self.has_begun, true) {
            let expected = next.results.iter().map(|result| self.writer.expected_length(result)).sum();
            self.writer.begin(expected);
        }
        for result in next.results {
            self.writer.put(result);
        }
    }

    /// Ends the reply.
    pub fn end(&mut self) {
        self.writer.end(&ReplyEnd { summary: self.summary, retry_after: self.retry_after, refused: None });
    }

    /// The chunks since the last call; none of them is empty.
    pub fn take(&mut self) -> Vec<Bytes> {
        self.writer.take()
    }
}

/// Writes all results in one step.
#[must_use]
pub fn write_all(writer: Box<dyn ResultWriter>, results: MultiStatus) -> EncodedBody {
    let mut writer = ReplyWriter::new(writer);
    writer.add(results);
    writer.end();
    EncodedBody { content_type: writer.content_type(), chunks: writer.take() }
}
