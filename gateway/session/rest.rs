//! Whether more follows a part of a reply.

/// Whether more of a reply follows the part that was just read or is written now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    Follows,
    /// The part is the last one: it ends the reply.
    Nothing,
}

impl Rest {
    /// Whether the reply ends here.
    pub(super) const fn is_end(self) -> bool {
        matches!(self, Self::Nothing)
    }
}
