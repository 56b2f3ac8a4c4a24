//! A problem detail (RFC 9457) and the Proxy-Status error that goes with it (RFC 9209 §2.3), as
//! data. `problem` makes them, the formats write them.

use http::StatusCode;

use super::Place;

/// What went wrong, for a client: RFC 9457 §3 members plus where it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// `type`: a stable URI reference that names the kind of problem.
    pub kind: &'static str,
    /// `title`: the same in words, the same for every occurrence.
    pub title: &'static str,
    /// `status`: always 4xx or 5xx.
    pub status: StatusCode,
    /// `detail`: this occurrence, in a sentence.
    pub detail: String,
    /// The place in the batch's body, if the error is there.
    pub place: Option<Place>,
}

impl Problem {
    /// The last part of its type: a word that clients can rely on.
    #[must_use]
    pub fn word(&self) -> &'static str {
        self.kind.rsplit(':').next().unwrap_or_default()
    }
}

/// An error type of RFC 9209 §2.3, as it appears in Proxy-Status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyError(pub &'static str);
