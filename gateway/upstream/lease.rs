//! One call's use of a target, from its choice to its end. Whatever becomes of the call, the target has one less
//! under way, and a probe is let go.

use std::sync::Arc;

use super::circuit::Admission;
use super::peer::Peer;

/// A target that takes a call.
#[derive(Debug)]
pub(crate) struct Lease {
    peer: Arc<Peer>,
    pub(crate) admission: Admission,
}

impl Lease {
    /// If the target takes calls now.
    pub(crate) fn of(peer: &Arc<Peer>) -> Option<Self> {
        if !peer.is_in() {
            return None;
        }
        let standing = &peer.standing;
        let admission = standing.circuit.admit(|| standing.now())?;
        standing.begin();
        Some(Self { peer: Arc::clone(peer), admission })
    }

    /// The circuit knows how the call went; the lease has no probe to let go any more.
    pub(crate) const fn settled(&mut self) {
        self.admission = Admission::Free;
    }

    /// The target.
    pub(crate) const fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.peer.standing.end();
        self.peer.standing.circuit.let_go(self.admission);
    }
}
