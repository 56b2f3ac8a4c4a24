//! Why a call brought no reply. Status codes are picked in `problem::table` only.

use crate::batch::{Unit, limit_text};
use crate::limiter::{LongLivedFull, QueueFull};

/// A call that brought no reply: the upstream, the network, or a limit is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallFailure {
    /// The upstream has no target now: its name resolves to nothing.
    #[error(
        "the upstream has no target to call: its name leads to no address, or all of them were taken out"
    )]
    NoTarget,
    /// Too many flows wait for the upstream already (`queue`).
    #[error(
        "too many batches and requests are already waiting for the upstream (queue); send it again later"
    )]
    QueueFull,
    /// Too many flows of this client wait for the upstream already.
    #[error(
        "too many batches and requests of this client are already waiting for the upstream (client_share); send it \
         again later"
    )]
    ClientShareFull,
    /// A single request waited too long for other calls of its client to end.
    #[error(
        "the client is using its full share of the upstream; the request could not start in time (client_share)"
    )]
    ClientShareTimeout,
    /// An item waited for its client's other calls to end until the batch's deadline.
    #[error(
        "the client is using its full share of the upstream; the batch's deadline came first (client_share)"
    )]
    ClientShareDeadline,
    /// The maximum number of long-lived exchanges is open.
    #[error("the maximum number of long-lived exchanges with the upstream is open (upgraded)")]
    UpgradedFull,
    /// The client has its maximum number of them open.
    #[error(
        "the client has its maximum number of long-lived exchanges with the upstream open (client_share)"
    )]
    ClientUpgradedFull,
    /// A single request got no permit within `timeout.item`.
    #[error("the upstream is busy; the request could not start in time (timeout.item)")]
    QueueTimeout,
    /// Every target of the upstream keeps failing and gets no calls for a while (`breaker`).
    #[error("the upstream's targets keep failing and get no calls for now (breaker)")]
    CircuitOpen {
        /// Seconds until one of them is tried again, rounded up.
        seconds: u64,
    },
    /// Every target refused the connection.
    #[error("the upstream refused the connection")]
    ConnectionRefused,
    /// No connection within `timeout.connect`.
    #[error("connecting to the upstream timed out (timeout.connect)")]
    ConnectionTimeout,
    /// The network has no way to the target, or the connection broke while it was opened.
    #[error("could not connect to the upstream")]
    ConnectionFailed,
    /// The TLS handshake failed, or the certificate is not trusted.
    #[error("the TLS handshake with the upstream failed")]
    TlsHandshake,
    /// The item was not started before the batch's deadline, or had no connection by then.
    #[error("the batch's deadline came before this item was sent (deadline, Prefer: wait)")]
    DeadlineBeforeCall,
    /// The call's time was over before a byte was sent.
    #[error("the call timed out before it was sent (timeout.item)")]
    TimeoutBeforeSending,
    /// The upstream said that it did not process the call: it refused the stream, or is going away (RFC 9113 §8.7,
    /// §6.8).
    #[error("the upstream said that it did not process the request")]
    NotProcessed,
    /// A DAV body is too large to map its hrefs.
    #[error("the upstream's reply is a DAV body too large to map its hrefs (mapped_body)")]
    MappedBodyTooLarge,
    /// The connection broke while the call was sent or before its reply was complete.
    #[error("the upstream closed the connection before its reply was complete")]
    ConnectionLost,
    /// The reply was not complete within `timeout.item`.
    #[error("the upstream's reply did not arrive in time (timeout.item)")]
    ReplyTimeout,
    /// A streaming exchange was quiet for longer than `timeout.idle`.
    #[error("neither side of the stream has sent anything for too long (timeout.idle)")]
    IdleTimeout,
    /// A single request, with its reply, took longer than `timeout.request`.
    #[error("the request and its reply took too long (timeout.request)")]
    RequestTimeout,
    /// What is there now could not be read before the change, which could not be undone then. The change was not sent.
    #[error(
        "the item was not sent: its group could not be undone, because what is there now could not be read (GET was \
         answered with {status})"
    )]
    NoSnapshot {
        /// The status of the reply to GET.
        status: u16,
    },
    /// The batch's deadline came during the call.
    #[error("the batch's deadline came before the upstream's reply (deadline, Prefer: wait)")]
    DeadlineDuringCall,
    /// The reply breaks HTTP.
    #[error("the upstream's reply breaks HTTP")]
    ReplyMalformed,
    /// The reply's body is over `max_item_reply`.
    #[error("the upstream's reply is over the limit of {}", limit_text(*.limit, Unit::Bytes, "max_item_reply"))]
    ReplyTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The bodies of the batch's replies are over `max_reply` together.
    #[error("the batch's replies together are over the limit of {}", limit_text(*.limit, Unit::Bytes, "max_reply"))]
    RepliesTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The memory budget has no room for the reply.
    #[error("the gateway had no memory for the upstream's reply (limits.memory)")]
    MemoryFull,
    /// The reply's body does not match its Content-Encoding, or has one that the gateway can't decode.
    #[error("the upstream's reply has a Content-Encoding that the gateway can't decode")]
    ReplyCoding,
    /// The client disconnected before the call was finished.
    #[error("the client disconnected before the call was finished")]
    ClientGone,
    /// A fault of the gateway. It affects only this call.
    #[error("the gateway failed to handle this call")]
    Internal,
}

/// The words for such failures in an upstream's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// No connection could be opened.
    Connect,
    /// The connection broke before the reply was complete.
    Lost,
    /// No complete reply in time.
    Timeout,
}

impl From<QueueFull> for CallFailure {
    fn from(full: QueueFull) -> Self {
        match full {
            QueueFull::All => Self::QueueFull,
            QueueFull::OfClient => Self::ClientShareFull,
        }
    }
}

impl From<LongLivedFull> for CallFailure {
    fn from(full: LongLivedFull) -> Self {
        match full {
            LongLivedFull::All => Self::UpgradedFull,
            LongLivedFull::OfClient => Self::ClientUpgradedFull,
        }
    }
}

impl CallFailure {
    /// Its kind, if it is one for which a target may be at fault.
    #[must_use]
    pub const fn kind(self) -> Option<FailureKind> {
        match self {
            Self::ConnectionRefused
            | Self::ConnectionTimeout
            | Self::ConnectionFailed
            | Self::TlsHandshake => Some(FailureKind::Connect),
            Self::ConnectionLost => Some(FailureKind::Lost),
            Self::ReplyTimeout => Some(FailureKind::Timeout),
            Self::NoTarget
            | Self::NotProcessed
            | Self::QueueFull
            | Self::ClientShareFull
            | Self::ClientShareTimeout
            | Self::ClientShareDeadline
            | Self::UpgradedFull
            | Self::ClientUpgradedFull
            | Self::QueueTimeout
            | Self::MemoryFull
            | Self::CircuitOpen { .. }
            | Self::DeadlineBeforeCall
            | Self::TimeoutBeforeSending
            | Self::RequestTimeout
            | Self::DeadlineDuringCall
            | Self::ReplyMalformed
            | Self::ReplyTooLarge { .. }
            | Self::MappedBodyTooLarge
            | Self::IdleTimeout
            | Self::RepliesTooLarge { .. }
            | Self::ReplyCoding
            | Self::NoSnapshot { .. }
            | Self::ClientGone
            | Self::Internal => None,
        }
    }
}
