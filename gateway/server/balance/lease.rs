//! One call's use of a target, from its choice to its end. Whatever becomes of the call, the target has one less
//! under way, and a probe is let go.

use std::sync::Arc;

use super::Peer;
use super::circuit::Admission;

/// A target that takes a call.
#[derive(Debug)]
pub(in super::super) struct Lease {
    peer: Arc<Peer>,
    pub(super) admission: Admission,
}

impl Lease {
    /// If the target takes calls now.
    pub(super) fn of(peer: &Arc<Peer>) -> Option<Self> {
        if !peer.is_in() {
            return None;
        }
        let standing = &peer.standing;
        let admission = standing.circuit.admit(|| standing.now())?;
        standing.begin();
        Some(Self { peer: Arc::clone(peer), admission })
    }

    /// The circuit knows how the call went; the lease has no probe to let go any more.
    pub(super) const fn settled(&mut self) {
        self.admission = Admission::Free;
    }

    /// The target.
    pub(in super::super) const fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.peer.standing.end();
        self.peer.standing.circuit.let_go(self.admission);
    }
}
