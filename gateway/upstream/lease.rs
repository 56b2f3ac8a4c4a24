//! One call's use of a target, from its choice to its end.
//!
//! Dropping a lease ends the use, however the call ended: the target has one call less under way, and if the call was the
//! probe of an open circuit, another call may be the probe.

use std::sync::Arc;

use super::circuit::Admission;
use super::peer::Peer;

/// A call's use of a target.
#[derive(Debug)]
pub(crate) struct Lease {
    peer: Arc<Peer>,
    pub(crate) admission: Admission,
}

impl Lease {
    /// Takes the target for a call, if it takes calls now.
    pub(crate) fn take(peer: &Arc<Peer>) -> Option<Self> {
        if !peer.is_in() {
            return None;
        }
        let state = &peer.state;
        let admission = state.circuit.admit(|| state.now())?;
        state.begin();
        Some(Self { peer: Arc::clone(peer), admission })
    }

    /// The circuit knows how the call went, so there is no probe to let go any more.
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
        self.peer.state.end();
        self.peer.state.circuit.let_go(self.admission);
    }
}
