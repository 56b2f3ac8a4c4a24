//! Where the outcome of an item of a batch waits until its result is made.
//!
//! An item that others refer to keeps its outcome until the batch has ended. All other outcomes can be taken before that,
//! so that nothing of them is held once their results have been written.

use std::sync::OnceLock;

use parking_lot::Mutex;

use super::outcome::Outcome;

/// The place for one outcome. It is filled at most once.
pub(super) enum Slot {
    /// Other items may look at the outcome until the batch has ended.
    Kept(OnceLock<Outcome>),
    /// Nothing but the item's own result needs the outcome.
    Own(Mutex<Content>),
}

/// What a slot holds.
pub(super) enum Content {
    Nothing,
    Outcome(Outcome),
    /// The outcome was taken.
    Taken,
}

impl Slot {
    pub(super) const fn new() -> Self {
        Self::Own(Mutex::new(Content::Nothing))
    }

    pub(super) const fn new_kept() -> Self {
        Self::Kept(OnceLock::new())
    }

    /// Whether the item has ended.
    pub(super) fn is_filled(&self) -> bool {
        match self {
            Self::Kept(outcome) => outcome.get().is_some(),
            Self::Own(content) => !matches!(*content.lock(), Content::Nothing),
        }
    }

    /// Fills the slot, and returns whether it was empty. A second outcome is dropped.
    pub(super) fn fill(&self, outcome: Outcome) -> bool {
        match self {
            Self::Kept(kept) => kept.set(outcome).is_ok(),
            Self::Own(content) => {
                let mut content = content.lock();
                let was_empty = matches!(*content, Content::Nothing);
                if was_empty {
                    *content = Content::Outcome(outcome);
                }
                was_empty
            }
        }
    }

    /// The outcome, if others may look at it.
    pub(super) fn kept(&self) -> Option<&Outcome> {
        match self {
            Self::Kept(outcome) => outcome.get(),
            Self::Own(_) => None,
        }
    }

    /// The outcome for the item's result, while the calls of others go on.
    pub(super) fn take(&self) -> Option<Outcome> {
        match self {
            Self::Kept(outcome) => outcome.get().cloned(),
            Self::Own(content) => taken(&mut content.lock()),
        }
    }

    /// The outcome for the item's result, once nothing looks at it any more.
    pub(super) fn into_outcome(self) -> Option<Outcome> {
        match self {
            Self::Kept(outcome) => outcome.into_inner(),
            Self::Own(content) => taken(&mut content.into_inner()),
        }
    }

    /// Looks at the outcome, if there is one that was not taken.
    pub(super) fn look(&self, look: &mut dyn FnMut(&Outcome)) {
        match self {
            Self::Kept(outcome) => outcome.get().into_iter().for_each(look),
            Self::Own(content) => match &*content.lock() {
                Content::Outcome(outcome) => look(outcome),
                Content::Nothing | Content::Taken => {}
            },
        }
    }

    /// Bytes of the reply's body that wait in it.
    pub(super) fn body_length(&self) -> usize {
        let mut length = 0;
        self.look(&mut |outcome| {
            if let Outcome::Answered(reply) = outcome {
                length = reply.body.len();
            }
        });
        length
    }
}

fn taken(content: &mut Content) -> Option<Outcome> {
    if !matches!(content, Content::Outcome(_)) {
        return None;
    }
    match std::mem::replace(content, Content::Taken) {
        Content::Outcome(outcome) => Some(outcome),
        Content::Nothing | Content::Taken => None,
    }
}
