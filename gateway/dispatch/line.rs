//! A line of a stream between its start and its call.

use crate::batch::Subject;
use crate::clock::Deadline;
use crate::plan::Step;
use crate::route::{RouteIndex, UpstreamIndex};

use super::progress::Progress;
use super::sources::Sources;

/// A line that was started.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) subject: Subject,
    pub(super) route: Option<RouteIndex>,
    pub(super) upstream: Option<UpstreamIndex>,
    /// Its number among the items of the stream, from 0.
    pub(super) number: usize,
    pub(super) position: usize,
    pub(super) bytes: usize,
}

/// A line that waits for a worker, or for other lines.
#[derive(Debug)]
pub(super) struct WaitingLine {
    pub(super) entry: Entry,
    pub(super) progress: Progress,
    pub(super) step: Step,
    pub(super) deadline: Deadline,
    /// The lines that it waited for, and its condition.
    pub(super) sources: Option<Box<Sources>>,
}
