//! What the client gets: one result per item, in the order of the request.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;

use super::{Problem, ProxyError, Subject};
use crate::header::field::Fields;
use crate::header::spelling::Spellings;
use crate::words::words;

/// The results of a batch, in the order of its items.
#[derive(Clone, Debug, PartialEq)]
pub struct MultiStatus {
    /// One for each item.
    pub results: Vec<ItemResult>,
}

/// How many items a batch had and how many of them ended at 400 or above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Results in all.
    pub items: usize,
    /// Results with a status of 400 or above.
    pub failed: usize,
}

impl Summary {
    /// Adds the counts of more results.
    pub const fn add(&mut self, other: Self) {
        self.items += other.items;
        self.failed += other.failed;
    }
}

impl MultiStatus {
    /// Counts the results.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let failed = self.results.iter().filter(|result| result.is_failed()).count();
        Summary { items: self.results.len(), failed }
    }

    /// The largest Retry-After among the items that may be sent again (protocol §3), in whole
    /// seconds rounded up.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.results.iter().filter(|result| result.retryable).filter_map(|result| result.retry_after).max()
    }
}

/// What happened to one item.
#[derive(Clone, Debug, PartialEq)]
pub struct ItemResult {
    /// Whose result it is.
    pub subject: Subject,
    /// The final status.
    pub status: StatusCode,
    /// The reply's fields: end-to-end ones only, urls mapped back to the gateway's. For a
    /// gateway-made result, the fields the gateway adds (Proxy-Status, Allow, Retry-After).
    pub headers: Fields,
    /// How the names of the fields were spelt.
    pub spellings: Spellings,
    /// The reply's body.
    pub body: ResultBody,
    /// Set where the gateway made the status.
    pub gateway: Option<GatewayMade>,
    /// Whether sending the item again is safe and may help (protocol §3).
    pub retryable: bool,
    /// How long to wait before that, where the item's reply says so.
    pub retry_after: Option<Duration>,
}

impl ItemResult {
    /// Whether the item ended at 400 or above.
    #[must_use]
    pub fn is_failed(&self) -> bool {
        self.status.as_u16() >= 400
    }
}

/// A result's body.
#[derive(Clone, Debug, PartialEq)]
pub enum ResultBody {
    /// None: HEAD, 204, 205, 304 (RFC 9110 §6.4.1), or left out by `return=minimal`.
    Absent,
    /// The upstream's bytes, content codings undone.
    Bytes(Bytes),
    /// The gateway's own problem detail; each format writes it in its own syntax.
    Problem(Box<Problem>),
}

words! {
    /// How an item ended, as metrics and clients see it (protocol §3).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum OutcomeKind {
        /// The upstream answered.
        Answered = "answered",
        /// The gateway refused the item.
        Rejected = "rejected",
        /// Not started: a dependency failed or the batch stopped before it.
        Skipped = "skipped",
        /// No byte reached an upstream.
        NotSent = "not_sent",
        /// Done, and then undone, because its group failed.
        Undone = "undone",
        /// Sent, and it is not known what became of it: the answer was lost, or it could not be undone.
        Unknown = "unknown",
    }
}

/// What the gateway says about a result that it made itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GatewayMade {
    /// Never [`OutcomeKind::Answered`].
    pub outcome: OutcomeKind,
    /// RFC 9209's name for it.
    pub error: ProxyError,
}
