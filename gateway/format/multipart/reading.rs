//! What the readers of a batch, of its parts and of its change sets share.

use bytes::Bytes;

use super::conventions::MultipartInput;
use super::error::{MultipartError, MultipartErrorKind};
use crate::batch::BatchItem;
use crate::format::ReadContext;

/// A batch that is being read.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) body: &'a Bytes,
    pub(super) context: &'a ReadContext<'a>,
    pub(super) conventions: MultipartInput<'a>,
}

impl Reading<'_> {
    /// Checks that this many more items are allowed.
    pub(super) fn check_room(&self, items: &[BatchItem], more: usize) -> Result<(), MultipartError> {
        if items.len().saturating_add(more) > self.context.limits.max_items {
            return Err(MultipartError { at: 0, in_item: false, kind: MultipartErrorKind::TooManyItems });
        }
        Ok(())
    }
}
