//! Errors in an XML document, each with its byte.

use crate::batch::{BatchLimits, BatchRefusal, ItemIndex, Place};
use crate::format::shown::shown;

/// An error in an XML document, and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct XmlError {
    /// Bytes from the start of the body.
    pub(super) at: usize,
    /// The kind.
    pub(super) kind: XmlErrorKind,
}

/// The kinds of errors. Only the first three can occur in any document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum XmlErrorKind {
    /// The document is not XML.
    Syntax(String),
    /// It is XML with something that is not allowed.
    Forbidden(&'static str),
    /// It is nested too deeply.
    TooDeep,
    /// It is XML, but not a batch.
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

    /// Something that is not allowed.
    pub(super) fn forbidden(at: usize, what: &'static str) -> Self {
        Self { at, kind: XmlErrorKind::Forbidden(what) }
    }

    /// What no batch has.
    pub(super) fn not_a_batch(at: usize, reason: &'static str) -> Self {
        Self { at, kind: XmlErrorKind::NotABatch(reason) }
    }

    /// The error as the reason to refuse a batch with this body; `item` is the one that it is in.
    pub(super) fn into_refusal(
        self,
        body: &[u8],
        item: Option<ItemIndex>,
        limits: &BatchLimits,
    ) -> BatchRefusal {
        let place = Place { item, ..Place::at(body, self.at) };
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
