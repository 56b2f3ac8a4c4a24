//! Errors in a JSON batch, each with its byte.

use crate::batch::{BatchLimits, BatchRefusal, ItemIndex, Place};
use crate::format::lookalike::meant_by;
use crate::format::shown::shown;

/// An error in a JSON text, and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JsonError {
    /// Bytes from the start of the text.
    pub(crate) at: usize,
    /// The kind.
    pub(crate) kind: JsonErrorKind,
}

/// The kinds of errors. The lexer reports the first two, the readers the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum JsonErrorKind {
    /// The text is not JSON.
    Syntax(&'static str),
    /// It is nested too deeply.
    TooDeep,
    /// It is JSON, but not a batch.
    NotABatch(&'static str),
    /// A member appears twice.
    Twice(String),
    /// A member's name is almost that of a known one.
    Unknown {
        /// Its name, cut to a sensible length.
        member: String,
        /// The name that was probably meant.
        meant: &'static str,
    },
    /// It has more items than allowed.
    TooManyItems,
}

impl JsonError {
    /// The error as the reason to refuse a batch with this body; `item` is the one that it is in.
    pub(super) fn into_refusal(
        self,
        body: &[u8],
        item: Option<ItemIndex>,
        limits: &BatchLimits,
    ) -> BatchRefusal {
        let place = Place { item, ..Place::at(body, self.at) };
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

/// Checks the name of an unknown member of the batch itself.
pub(super) fn check_unknown(name: &str, at: usize, known: &[&'static str]) -> Result<(), JsonError> {
    match meant_by(name, known) {
        Some(meant) => Err(JsonError { at, kind: JsonErrorKind::Unknown { member: shown(name), meant } }),
        None => Ok(()),
    }
}

/// The message about a member whose name is almost that of a known one.
pub(super) fn unknown_member(member: &str, meant: &str) -> String {
    format!("it has the member `{member}`, which batches don't have; did you mean `{meant}`?")
}
