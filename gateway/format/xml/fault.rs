//! What can be wrong with an XML document, and at which byte of it.

use crate::format::item_builder::shown;
use crate::format::{BatchLimits, BatchRefusal, Place};

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Bytes from the start of the body.
    pub(super) at: usize,
    /// What.
    pub(super) kind: FaultKind,
}

/// What is wrong. Only the first three can be wrong with any document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FaultKind {
    /// It is no XML.
    Syntax(String),
    /// It is XML with something that is not let in.
    Forbidden(&'static str),
    /// It nests deeper than allowed.
    TooDeep,
    /// It is XML, but no batch.
    NotABatch(&'static str),
    /// An item has something twice.
    Twice(&'static str),
    /// It has more items than allowed.
    TooManyItems,
}

impl Fault {
    /// A breach of XML's grammar.
    pub(super) fn syntax(at: usize, reason: &str) -> Self {
        Self { at, kind: FaultKind::Syntax(reason.to_owned()) }
    }

    /// Something that is not let in.
    pub(super) fn forbidden(at: usize, what: &'static str) -> Self {
        Self { at, kind: FaultKind::Forbidden(what) }
    }

    /// What no batch has.
    pub(super) fn not_a_batch(at: usize, reason: &'static str) -> Self {
        Self { at, kind: FaultKind::NotABatch(reason) }
    }

    /// The same, as the reason why a batch is refused, `place` being that of [`Self::at`].
    pub(super) fn into_refusal(self, place: Place, limits: &BatchLimits) -> BatchRefusal {
        match self.kind {
            FaultKind::Syntax(reason) => BatchRefusal::Malformed { reason, place },
            FaultKind::Forbidden(what) => BatchRefusal::ForbiddenXml { what, place },
            FaultKind::TooDeep => BatchRefusal::TooDeep { limit: limits.max_depth, place },
            FaultKind::NotABatch(reason) => BatchRefusal::NotABatch { reason: reason.into(), place },
            FaultKind::Twice(member) => BatchRefusal::DuplicateMember { member: member.into(), place },
            FaultKind::TooManyItems => BatchRefusal::TooManyItems { limit: limits.max_items },
        }
    }
}

/// A sentence with a name from the document in it.
pub(super) fn naming(sentence: &str, name: &str) -> String {
    format!("{sentence} `{}`", shown(name))
}
