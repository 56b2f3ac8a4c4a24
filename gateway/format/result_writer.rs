//! The writer of a reply, one result at a time.
//!
//! Each format has one implementation. In: the results in the order of the items, and at the end what the reply says about
//! all of them. Out: chunks of bytes, which can be taken at any time, so that a reply can leave while later items still run.
//! XML is the exception ([`ResultWriter::can_leave_early`]): results with the same url share one `response` element, so that
//! its writer keeps them until the end.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;

use super::chunk_writer::copied_length;
use crate::batch::{ItemResult, Problem, ResultBody, Summary};

/// Bytes of a problem in addition to its detail, roughly.
const PROBLEM_OVERHEAD: usize = 160;

/// What a reply says about all of its results.
#[derive(Clone, Copy, Debug)]
pub struct ReplyEnd<'end> {
    /// The results before it.
    pub summary: Summary,
    /// The largest Retry-After among the items that may be sent again.
    pub retry_after: Option<Duration>,
    /// Why the rest of the body was not read.
    pub refused: Option<&'end Problem>,
}

/// Writes the results of a batch in one format: [`Self::begin`], [`Self::put`] for each item in order, [`Self::end`].
pub trait ResultWriter: Send {
    /// The reply's media type, as it appears in Content-Type.
    fn content_type(&self) -> Cow<'static, str>;

    /// Whether results are written as soon as they are put. Otherwise all are written at the end.
    fn can_leave_early(&self) -> bool {
        true
    }

    /// Bytes that a result adds to the buffer, roughly.
    fn expected_length(&self, result: &ItemResult) -> usize {
        expected_length(result, 96, 6)
    }

    /// Starts the document. `expected` is the length of the results that are known already.
    fn begin(&mut self, expected: usize);

    /// Writes one result.
    fn put(&mut self, result: ItemResult);

    /// Ends the document.
    fn end(&mut self, end: &ReplyEnd<'_>);

    /// The chunks since the last call; none of them is empty.
    fn take(&mut self) -> Vec<Bytes>;
}

/// Bytes that a result adds to the buffer: `item` for the item itself, `field` for each of its fields, and their contents.
pub(crate) fn expected_length(result: &ItemResult, item: usize, field: usize) -> usize {
    let fields = result.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + field);
    let body = match &result.body {
        ResultBody::Absent => 0,
        ResultBody::Bytes(bytes) => copied_length(bytes),
        ResultBody::Problem(problem) => problem.detail.len() + PROBLEM_OVERHEAD,
    };
    item + result.subject.id.as_str().len() + fields.sum::<usize>() + body
}
