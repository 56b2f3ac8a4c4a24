//! A channel of the dispatcher's over whichever kind of connection its upstream wants.

use http::Method;

use crate::dispatch::{Attempt, CallFailure, Channel, UpstreamReply};
use crate::plan::Call;

use super::kind::Kind;
use super::retry;
use super::sending::Sending;

/// A channel to an upstream; without one, all calls fail, because no upstream has the index that the plan says: a fault
/// of ours.
pub(crate) struct UpstreamChannel<'batch>(pub(super) Option<Kind<'batch>>);

impl Channel for UpstreamChannel<'_> {
    async fn call(
        &mut self,
        method: &Method,
        call: &Call,
        attempt: Attempt<'_>,
    ) -> Result<UpstreamReply, CallFailure> {
        match &mut self.0 {
            Some(kind) => {
                let _under_way = kind.calls().behalf.reservation.call_begins();
                retry::call(kind, Sending { method, call, attempt, patience: None }).await
            }
            None => Err(CallFailure::Internal),
        }
    }

    fn rest(&mut self) {
        if let Some(kind) = &mut self.0 {
            kind.rest();
        }
    }
}
