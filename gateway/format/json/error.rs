//! What can be wrong with a JSON batch, and at which byte of it.

use crate::batch::{BatchLimits, BatchRefusal, Place};
use crate::format::lookalike::meant_by;
use crate::format::shown::shown;

/// What is wrong with the text, and at which byte of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct JsonError {
    /// Bytes from the start of the text.
    pub(super) at: usize,
    /// What.
    pub(super) kind: JsonErrorKind,
}

/// What is wrong with the text. The lexer itself knows the first two, the reader the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum JsonErrorKind {
    /// It is no JSON.
    Syntax(&'static str),
    /// It nests deeper than allowed.
    TooDeep,
    /// It is JSON, but no batch.
    NotABatch(&'static str),
    /// A member stands there twice.
    Twice(String),
    /// It has a member like one that a batch has.
    Unknown {
        /// Its name, cut to a sensible length.
        member: String,
        /// The right one.
        meant: &'static str,
    },
    /// It has more items than allowed.
    TooManyItems,
}

impl JsonError {
    /// The same, as the reason why a batch is refused, `place` being that of [`Self::at`].
    pub(super) fn into_refusal(self, place: Place, limits: &BatchLimits) -> BatchRefusal {
        match self.kind {
            JsonErrorKind::Syntax(reason) => BatchRefusal::Malformed { reason: reason.into(), place },
            JsonErrorKind::NotABatch(reason) => BatchRefusal::NotABatch { reason: reason.into(), place },
            JsonErrorKind::Unknown { member, meant } => {
                BatchRefusal::NotABatch { reason: unknown_member(&member, meant), place }
            }
            JsonErrorKind::TooDeep => BatchRefusal::TooDeep { limit: limits.max_depth, place },
            JsonErrorKind::Twice(member) => BatchRefusal::DuplicateMember { member, place },
            JsonErrorKind::TooManyItems => BatchRefusal::TooManyItems { limit: limits.max_items },
        }
    }
}

/// Checks the name of a member of the batch itself that the protocol does not know.
pub(super) fn check_unknown(name: &str, at: usize, known: &[&'static str]) -> Result<(), JsonError> {
    match meant_by(name, known) {
        Some(meant) => Err(JsonError { at, kind: JsonErrorKind::Unknown { member: shown(name), meant } }),
        None => Ok(()),
    }
}

/// What is said of a member that is like a known one.
pub(super) fn unknown_member(member: &str, meant: &str) -> String {
    format!("it has the member `{member}`, which no batch can have; did you mean `{meant}`?")
}
