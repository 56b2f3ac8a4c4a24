//! What can be wrong with an XML document, and at which byte of it.

use crate::batch::{BatchLimits, BatchRefusal, Place};
use crate::format::shown::shown;

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct XmlError {
    /// Bytes from the start of the body.
    pub(super) at: usize,
    /// What.
    pub(super) kind: XmlErrorKind,
}

/// What is wrong. Only the first three can be wrong with any document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum XmlErrorKind {
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

impl XmlError {
    /// A breach of XML's grammar.
    pub(super) fn syntax(at: usize, reason: &str) -> Self {
        Self { at, kind: XmlErrorKind::Syntax(reason.to_owned()) }
    }

    /// Something that is not let in.
    pub(super) fn forbidden(at: usize, what: &'static str) -> Self {
        Self { at, kind: XmlErrorKind::Forbidden(what) }
    }

    /// What no batch has.
    pub(super) fn not_a_batch(at: usize, reason: &'static str) -> Self {
        Self { at, kind: XmlErrorKind::NotABatch(reason) }
    }

    /// The same, as the reason why a batch is refused, `place` being that of [`Self::at`].
    pub(super) fn into_refusal(self, place: Place, limits: &BatchLimits) -> BatchRefusal {
        match self.kind {
            XmlErrorKind::Syntax(reason) => BatchRefusal::Malformed { reason, place },
            XmlErrorKind::Forbidden(what) => BatchRefusal::ForbiddenXml { what, place },
            XmlErrorKind::TooDeep => BatchRefusal::TooDeep { limit: limits.max_depth, place },
            XmlErrorKind::NotABatch(reason) => BatchRefusal::NotABatch { reason: reason.into(), place },
            XmlErrorKind::Twice(member) => BatchRefusal::DuplicateMember { member: member.into(), place },
            XmlErrorKind::TooManyItems => BatchRefusal::TooManyItems { limit: limits.max_items },
        }
    }
}

/// A sentence with a name from the document in it.
pub(super) fn naming(sentence: &str, name: &str) -> String {
    format!("{sentence} `{}`", shown(name))
}
