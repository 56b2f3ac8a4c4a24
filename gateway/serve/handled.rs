//! What a handler has done about a request.

use super::proxy::Tunnel;
use super::reply::Reply;

/// What a handler has done about a request that it did not refuse.
pub(crate) enum Handled<'gateway> {
    /// It made a reply, which is still to be written.
    Reply(Reply<'gateway>),
    /// It wrote a reply of the gateway's own piece by piece, to its end or until the client left.
    Streamed(pingora::Result<()>),
    /// It passed on an upstream's reply.
    Forwarded,
    /// The client has left, or the reply broke off; there is nothing left to write.
    BrokenOff,
    /// Both sides have switched to another protocol.
    Upgraded(Box<Tunnel>),
}
