//! What became of an exchange.

use std::time::Duration;

use crate::dispatch::{CallFailure, Sent, Timeline};
use crate::http1::Fault;
use crate::session::ResetReason;
use crate::telemetry::{GrpcStatus, LongLivedEnd};

use super::tunnel::Tunnel;

/// What became of an exchange.
pub(crate) struct Outcome {
    pub(crate) ended: Ended,
    /// How it ended, if it [lasted](super::lasting).
    pub(crate) lasted: Option<LongLivedEnd>,
    /// When it was sent, and where; `None` if it had no permit.
    pub(crate) timeline: Option<Timeline>,
    /// What its service said, if it was a gRPC call.
    pub(crate) grpc_status: Option<GrpcStatus>,
}

impl From<Ended> for Outcome {
    fn from(ended: Ended) -> Self {
        Self { ended, lasted: None, timeline: None, grpc_status: None }
    }
}

/// How an exchange ended.
pub(crate) enum Ended {
    /// The client has its reply.
    Replied,
    /// The client has nothing yet; why.
    Failed(Failure),
    /// The client has a part of its reply; why it breaks off, and the reason for its stream's reset.
    BrokeOff(CallFailure, ResetReason),
    /// The client has left.
    ClientGone,
    /// The client took nothing of its reply for too long.
    ClientStalled,
    /// Both sides have switched to another protocol.
    Upgraded(Box<Tunnel>),
}

/// Why a request has no reply.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Failure {
    /// The upstream, the network or a limit is at fault.
    Call(CallFailure, Sent),
    /// The client's body breaks the grammar of HTTP/1.1.
    BodyMalformed(Fault),
    /// The client's body breaks HTTP's framing otherwise.
    BodyUnreadable,
    /// The client's body has more bytes than its route takes.
    BodyTooLarge(usize),
    /// The client's body is not in the content coding that its head names.
    BodyNotDecodable(&'static str),
    /// There is no memory to decode the client's body. Nothing was sent.
    NoMemory,
    /// The client's body came too slowly.
    BodyTimeout(Duration),
}

impl Failure {
    pub(super) const fn not_sent(failure: CallFailure) -> Self {
        Self::Call(failure, Sent::No)
    }
}
