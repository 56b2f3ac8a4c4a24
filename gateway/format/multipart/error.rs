//! Errors in the framing of a multipart body, each with its byte.

use bytes::Bytes;

use crate::batch::{BatchLimits, BatchRefusal, ItemIndex, Place};

/// An error in the framing, and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MultipartError {
    /// Bytes from the start of the body.
    pub(super) at: usize,
    /// Whether it is in the item that is being read.
    pub(super) in_item: bool,
    /// The kind.
    pub(super) kind: MultipartErrorKind,
}

/// The kinds of errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum MultipartErrorKind {
    /// The boundary does not cut the body into parts.
    Framing(&'static str),
    /// There are more parts than allowed.
    TooManyItems,
}

impl MultipartError {
    /// The boundary, or the lack of one.
    pub(super) fn framing(at: usize, reason: &'static str) -> Self {
        Self { at, in_item: false, kind: MultipartErrorKind::Framing(reason) }
    }

    /// The same, within the item that is being read.
    pub(super) fn in_item(self) -> Self {
        Self { in_item: true, ..self }
    }

    /// The error as the reason to refuse a batch; `item` is the one being read.
    pub(super) fn into_refusal(self, body: &Bytes, item: ItemIndex, limits: &BatchLimits) -> BatchRefusal {
        match self.kind {
            MultipartErrorKind::Framing(reason) => {
                let place = Place::at(body, self.at);
                let place = if self.in_item { place.in_item(item) } else { place };
                BatchRefusal::Malformed { reason: reason.to_owned(), place }
            }
            MultipartErrorKind::TooManyItems => BatchRefusal::TooManyItems { limit: limits.max_items },
        }
    }
}
