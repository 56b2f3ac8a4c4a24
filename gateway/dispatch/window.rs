//! What a stream keeps of its last lines, so that later ones can wait for them: of each how it ended, and of the newest
//! their results.
//!
//! Two limits hold at any time (`StreamWindow`): the number of lines, and the bytes of results. A result that was given to a
//! line stays until that line has used it, and counts until then. So lines that wait can't hold more than the window itself
//! may. Without room, the oldest result is dropped, and only the status of its line is kept.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::batch::{ItemIndex, StreamWindow};
use crate::header::spelling::Spellings;
use crate::plan::Needed;
use crate::route::RouteIndex;

use super::outcome::{Outcome, WindowLimit};
use super::reply::UpstreamReply;

/// The last lines of a stream.
#[derive(Debug)]
pub(super) struct Window {
    limits: StreamWindow,
    /// Bytes that memory has room for; at most the limit's.
    allowed: usize,
    /// The number of lines so far.
    count: usize,
    /// The last of them, the oldest first; `None`: under way.
    lines: VecDeque<Option<End>>,
    /// Lines whose results are kept, in the order in which they may go. Some have left the window already.
    kept: VecDeque<usize>,
    /// Bytes of results.
    bytes: Arc<AtomicUsize>,
}

/// How a line ended.
#[derive(Debug)]
pub(super) struct End {
    has_failed: bool,
    /// The status of its reply, if it has one.
    status: Option<StatusCode>,
    /// The reply, or why it is not kept.
    result: Result<Arc<Kept>, WindowLimit>,
    route: Option<RouteIndex>,
}

/// A reply that is kept: its fields in one piece, because most replies are never looked at again.
#[derive(Debug)]
struct Kept {
    fields: Box<[u8]>,
    body: Bytes,
    /// Counts it until it is dropped.
    total: Arc<AtomicUsize>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.total.fetch_sub(self.bytes(), Ordering::Relaxed);
    }
}

/// How a line ended, for another that waited for it.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) has_failed: bool,
    /// Its result as far as it is needed, if it has one.
    pub(super) outcome: Option<Outcome>,
    pub(super) route: Option<RouteIndex>,
    /// Why the result that is needed is not there.
    pub(super) lost: Option<WindowLimit>,
    /// Keeps it while it is needed.
    _kept: Option<Arc<Kept>>,
}

impl Window {
    pub(super) fn new(limits: StreamWindow) -> Self {
        Self {
            limits,
            allowed: limits.bytes,
            count: 0,
            lines: VecDeque::new(),
            kept: VecDeque::new(),
            bytes: Arc::default(),
        }
    }

    /// Whether it remembers lines at all.
    pub(super) const fn has_lines(&self) -> bool {
        self.limits.items > 0
    }

    /// Bytes of results that are kept, or were given to lines that have not used them yet.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Sets how many bytes memory has room for.
    pub(super) fn allow(&mut self, bytes: usize) {
        self.allowed = bytes.min(self.limits.bytes);
        self.shrink(self.allowed);
    }

    /// A line begins. Returns its number.
    pub(super) fn begin(&mut self) -> usize {
        let number = self.count;
        self.count += 1;
        if self.has_lines() {
            // The new one can name `items` lines before it.
            if self.lines.len() > self.limits.items {
                self.lines.pop_front();
            }
            self.lines.push_back(None);
            let first = self.count - self.lines.len();
            while self.kept.front().is_some_and(|oldest| *oldest < first) {
                self.kept.pop_front();
            }
        }
        number
    }

    /// How a line ended. Its result is in it if there is room for it.
    pub(super) fn end_of(&mut self, outcome: &Outcome, route: Option<RouteIndex>) -> End {
        self.end_within(self.allowed, outcome, route)
    }

    /// The same for a line that others wait for: its result is in it even if there is little memory.
    pub(super) fn end_for_others(&mut self, outcome: &Outcome, route: Option<RouteIndex>) -> End {
        self.end_within(self.limits.bytes, outcome, route)
    }

    fn end_within(&mut self, most: usize, outcome: &Outcome, route: Option<RouteIndex>) -> End {
        let (status, result) = match outcome {
            Outcome::Answered(reply) => (Some(reply.status), self.keep(&reply.headers, &reply.body, most)),
            Outcome::Responded(respond) => {
                let headers = respond.fields().collect();
                (Some(respond.status), self.keep(&headers, &respond.body, most))
            }
            Outcome::Rejected(_) | Outcome::Skipped(_) | Outcome::Failed { .. } | Outcome::Undone { .. } => {
                (None, Err(self.scarce()))
            }
        };
        End { has_failed: outcome.is_error(), status, result, route }
    }

    /// A line has ended.
    pub(super) fn end(&mut self, number: usize, end: End) {
        let is_kept = end.result.is_ok();
        if let Some(line) = self.line(number) {
            *line = Some(end);
            if is_kept {
                self.kept.push_back(number);
            }
        }
        self.shrink(self.allowed);
    }

    /// How a line ended, for one that needs this of it. `None`: it is under way.
    pub(super) fn look(&mut self, index: ItemIndex, needed: Needed) -> Option<Seen> {
        Some(self.line(index.0)?.as_ref()?.seen(needed))
    }

    fn keep(&mut self, headers: &HeaderMap, body: &Bytes, most: usize) -> Result<Arc<Kept>, WindowLimit> {
        let fields = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 2).sum();
        let bytes = body.len().saturating_add(fields);
        if bytes <= most {
            self.shrink(most - bytes);
        }
        let fits = |now: usize| now.checked_add(bytes).filter(|now| *now <= most);
        if self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_err() {
            return Err(self.scarce());
        }
        let (fields, total) = (in_one_piece(headers, fields), Arc::clone(&self.bytes));
        Ok(Arc::new(Kept { fields, body: body.clone(), total }))
    }

    /// The limit that there is most reason to name.
    const fn scarce(&self) -> WindowLimit {
        if self.allowed < self.limits.bytes { WindowLimit::Memory } else { WindowLimit::Bytes }
    }

    /// Drops results until there are at most this many bytes. Those that lines were given stay.
    fn shrink(&mut self, most: usize) {
        let mut left = self.kept.len();
        while left > 0 && self.bytes() > most {
            left -= 1;
            let Some(number) = self.kept.pop_front() else { return };
            let limit = self.scarce();
            let Some(end) = self.line(number).and_then(Option::as_mut) else { continue };
            let is_lent = end.result.as_ref().is_ok_and(|kept| Arc::strong_count(kept) > 1);
            if is_lent {
                self.kept.push_back(number);
            } else {
                end.result = Err(limit);
            }
        }
    }

    fn line(&mut self, number: usize) -> Option<&mut Option<End>> {
        let first = self.count - self.lines.len();
        self.lines.get_mut(number.checked_sub(first)?)
    }
}

impl End {
    /// How it ended, for a line that needs this of it.
    pub(super) fn seen(&self, needed: Needed) -> Seen {
        let reply = |headers, body| {
            self.status.map(|status| {
                Outcome::Answered(UpstreamReply { status, headers, spellings: Spellings::default(), body })
            })
        };
        let (outcome, lost, kept) = match &self.result {
            Ok(kept) if needed == Needed::Result => {
                (reply(kept.headers(), kept.body.clone()), None, Some(Arc::clone(kept)))
            }
            Err(limit) if needed == Needed::Result && self.status.is_some() => (None, Some(*limit), None),
            Ok(_) | Err(_) => (reply(HeaderMap::new(), Bytes::new()), None, None),
        };
        Seen { has_failed: self.has_failed, outcome, route: self.route, lost, _kept: kept }
    }
}

/// Ends a name and a value; neither can contain it.
const END: u8 = 0;

fn in_one_piece(headers: &HeaderMap, length: usize) -> Box<[u8]> {
    let mut fields = Vec::with_capacity(length);
    for (name, value) in headers {
        fields.extend_from_slice(name.as_str().as_bytes());
        fields.push(END);
        fields.extend_from_slice(value.as_bytes());
        fields.push(END);
    }
    fields.into_boxed_slice()
}

impl Kept {
    fn bytes(&self) -> usize {
        self.fields.len() + self.body.len()
    }

    fn headers(&self) -> HeaderMap {
        let mut parts = self.fields.split(|byte| *byte == END);
        let mut headers = HeaderMap::new();
        while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
                headers.append(name, value);
            }
        }
        headers
    }
}

#[cfg(test)]
mod tests;
