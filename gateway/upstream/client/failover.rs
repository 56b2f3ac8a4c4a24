//! Which target a call goes to, and which it has tried already.

use std::net::SocketAddr;
use std::sync::Arc;

use http::HeaderName;

use crate::clock::Deadline;
use crate::dispatch::CallFailure;
use crate::plan::Call;

use super::call::Calls;
use crate::upstream::connections::race;
use crate::upstream::error;
use crate::upstream::lease::Lease;
use crate::upstream::peer::Peer;

/// Tries an upstream's targets for one call.
pub(super) struct Failover<'call> {
    calls: Calls<'call>,
    /// What `consistent_hash` goes by.
    key: &'call [u8],
    tried: Vec<SocketAddr>,
    pub(super) last: CallFailure,
    /// When an attempt that is dropped was too slow, and not merely unwanted; `None`: never.
    pub(super) patience: Option<Deadline>,
}

impl<'call> Failover<'call> {
    pub(super) fn new(calls: Calls<'call>, call: &'call Call) -> Self {
        Self { calls, key: key(calls, call), tried: Vec::new(), last: CallFailure::NoTarget, patience: None }
    }

    /// A target that was not tried yet.
    pub(super) fn next(&mut self) -> Option<Lease> {
        match self.calls.upstream.targets.next(&self.tried, self.key) {
            Ok(lease) => Some(lease),
            Err(why_none) => {
                if self.tried.is_empty() {
                    self.last = why_none;
                }
                None
            }
        }
    }

    /// The target of a connection that is there already, if the call may go to it.
    pub(super) fn to(&self, peer: &Arc<Peer>) -> Option<Lease> {
        self.calls.upstream.targets.again(peer, &self.tried, self.key)
    }

    /// Opens a connection to the address of a lease, or to another of its name.
    pub(super) async fn race<T, F>(
        &mut self,
        lease: Lease,
        open: impl Fn(Arc<Peer>) -> F,
    ) -> Option<(Lease, T)>
    where
        F: Future<Output = pingora::Result<T>>,
    {
        let raced = race(&self.calls.upstream.targets, lease, &self.tried, open).await;
        for (lease, error) in raced.failed {
            self.not_connected(lease, &error);
        }
        raced.opened
    }

    /// The target could not be connected to.
    fn not_connected(&mut self, mut lease: Lease, error: &pingora::Error) {
        let upstream = self.calls.upstream;
        self.last = error::of_connect(error);
        upstream.count_connect_error(self.last);
        upstream.targets.failed(&mut lease, self.last);
        self.tried(lease.peer());
    }

    /// The target is the last choice from here on.
    pub(super) fn tried(&mut self, peer: &Peer) {
        self.tried.push(peer.address);
    }

    /// For one more attempt: any target, if all were tried.
    pub(super) fn once_more(&mut self) {
        if !self.calls.upstream.targets.has_other(&self.tried) {
            self.tried.clear();
        }
        self.last = CallFailure::NoTarget;
    }
}

/// The value of the field that the upstream's targets are chosen by, or the call's path.
fn key<'call>(calls: Calls<'call>, call: &'call Call) -> &'call [u8] {
    let field = |name: &HeaderName| {
        let own = call.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value);
        own.or_else(|| calls.headers.shared(name))
    };
    calls.upstream.hash_key(field, &call.target)
}
