//! The targets of one call: which is next, and which were tried.
//!
//! An attempt tries every target once until a connection to one is open. That is not a retry, for nothing was sent. Another
//! attempt prefers targets that the call has not tried; if there is none, all may be tried again. Items and
//! single requests walk the targets by the same function, [`Failover::connect`].

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;

use crate::address::TargetAddress;
use crate::clock::Deadline;
use crate::dispatch::{CallFailure, ConnectNotes};

use super::connections::race;
use super::error;
use super::instance::Upstream;
use super::lease::Lease;
use super::peer::Peer;
use super::retry::RetryKind;

/// The targets of one call.
pub(crate) struct Failover<'call> {
    upstream: &'call Upstream,
    /// What `consistent_hash` chooses by.
    key: Cow<'call, [u8]>,
    tried: Vec<TargetAddress>,
    /// Where the attempt under way goes.
    current: Option<TargetAddress>,
    /// Why the last target of this attempt could not be connected to.
    last: Option<CallFailure>,
    /// The next connection must not be one that was idle.
    needs_new: bool,
}

impl<'call> Failover<'call> {
    pub(crate) const fn new(upstream: &'call Upstream, key: Cow<'call, [u8]>) -> Self {
        Self { upstream, key, tried: Vec::new(), current: None, last: None, needs_new: false }
    }

    /// Whether the next connection must be a new one.
    pub(crate) const fn needs_new(&self) -> bool {
        self.needs_new
    }

    /// The target of a connection that the caller holds, if the call may go to it.
    pub(crate) fn to(&mut self, peer: &Arc<Peer>) -> Option<Lease> {
        if self.needs_new {
            return None;
        }
        let lease = self.upstream.targets.again(peer, &self.tried, &self.key)?;
        self.current = Some(peer.address.clone());
        Some(lease)
    }

    /// Returns a connection to a target: an `idle` one, or one that `open` has opened. Targets where none could be opened are
    /// noted. No further target is tried once the deadline has passed.
    ///
    /// # Errors
    /// No target could be connected to, or none takes calls.
    pub(crate) async fn connect<T, I, O>(
        &mut self,
        until: Deadline,
        notes: &ConnectNotes,
        idle: impl Fn(Arc<Peer>) -> I,
        open: impl Fn(Arc<Peer>) -> O,
    ) -> Result<(Lease, T), CallFailure>
    where
        I: Future<Output = Option<T>>,
        O: Future<Output = pingora::Result<T>>,
    {
        let may_reuse = !std::mem::take(&mut self.needs_new);
        self.last = None;
        loop {
            let lease = match self.upstream.targets.next(&self.tried, &self.key) {
                Ok(lease) => lease,
                Err(why_none) => return Err(self.last.unwrap_or(why_none)),
            };
            if may_reuse && let Some(connection) = idle(Arc::clone(lease.peer())).await {
                self.current = Some(lease.peer().address.clone());
                return Ok((lease, connection));
            }
            // Boxed, so that calls that need no new connection are no larger for it.
            if let Some((lease, connection)) = Box::pin(self.race(lease, notes, &open)).await {
                self.current = Some(lease.peer().address.clone());
                return Ok((lease, connection));
            }
            if let Some(last) = self.last.filter(|_| until.is_over()) {
                return Err(last);
            }
        }
    }

    /// Opens a connection to the address of a lease, or to another of its name.
    async fn race<T, O>(
        &mut self,
        lease: Lease,
        notes: &ConnectNotes,
        open: impl Fn(Arc<Peer>) -> O,
    ) -> Option<(Lease, T)>
    where
        O: Future<Output = pingora::Result<T>>,
    {
        let targets = &self.upstream.targets;
        let raced = race(targets, lease, &self.tried, notes, open).await;
        for (mut lease, error) in raced.failed {
            let failure = error::of_connect(&error);
            self.upstream.not_connected(lease.peer(), failure, &error);
            targets.failed(&mut lease, failure);
            self.tried.push(lease.peer().address.clone());
            self.last = Some(failure);
        }
        raced.opened
    }

    /// Prepares for a retry of this kind.
    pub(crate) fn once_more(&mut self, kind: RetryKind) {
        match kind {
            // The target is not at fault.
            RetryKind::Replacement => self.needs_new = true,
            RetryKind::Attempt | RetryKind::Aside => {
                self.tried.extend(self.current.take());
                if !self.upstream.targets.has_other(&self.tried) {
                    self.tried.clear();
                }
            }
        }
    }
}
