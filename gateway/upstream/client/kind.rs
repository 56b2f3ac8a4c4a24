//! The two kinds of channels, and the one thing that differs between them: how an attempt is made.

use crate::dispatch::UpstreamReply;

use super::context::Calls;
use super::held::HeldConnection;
use super::reply::Unanswered;
use super::sending::Sending;
use super::streams::Streams;
use crate::upstream::failover::Failover;

/// A channel of the kind that its upstream wants.
pub(super) enum Kind<'batch> {
    Held(HeldConnection<'batch>),
    Streams(Streams<'batch>),
}

impl<'batch> Kind<'batch> {
    pub(super) const fn calls(&self) -> Calls<'batch> {
        match self {
            Self::Held(channel) => channel.calls(),
            Self::Streams(channel) => channel.calls(),
        }
    }

    /// One attempt of a call.
    pub(super) async fn attempt(
        &mut self,
        sending: Sending<'_>,
        failover: &mut Failover<'_>,
    ) -> Result<UpstreamReply, Unanswered> {
        match self {
            Self::Held(channel) => channel.attempt(sending, failover).await,
            Self::Streams(channel) => channel.attempt(sending, failover).await,
        }
    }

    pub(super) fn rest(&mut self) {
        match self {
            Self::Held(channel) => channel.rest(),
            Self::Streams(_) => {}
        }
    }
}
