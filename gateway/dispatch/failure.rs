//! Why a call brought no reply. Items and single requests share these failures; which status and which word for metrics each
//! gets is decided in `problem`.

use crate::limiter::{LongLivedFull, QueueFull};

/// A call that brought no reply: the upstream, the network, or a limit is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallFailure {
    /// The upstream has no target now: its name resolves to nothing.
    #[error("the upstream has no target to call")]
    NoTarget,
    /// The queue of the upstream is full, so this call did not join it.
    #[error("too many batches and requests wait for the upstream already (queue)")]
    QueueFull,
    /// The client's share of the upstream's queue is full, so this call did not join it.
    #[error("too many batches and requests of this client wait for the upstream already (client_share)")]
    ClientShareFull,
    /// A single request waited for its client's other calls to end, and not for those of others.
    #[error(
        "the client has as many calls at the upstream as it may; the request had no turn in time (client_share)"
    )]
    ClientShareTimeout,
    /// An item waited for its client's other calls to end until the batch's deadline.
    #[error(
        "the client has as many calls at the upstream as it may; the batch's deadline came first (client_share)"
    )]
    ClientShareDeadline,
    /// The upstream has all the upgraded connections and streaming exchanges that it may have.
    #[error("as many long-lived exchanges with the upstream are open as may be (upgraded)")]
    UpgradedFull,
    /// The client has all of them that it may have.
    #[error("the client has as many long-lived exchanges with the upstream as it may (client_share)")]
    ClientUpgradedFull,
    /// A single request got no permit within `timeout.item`.
    #[error("the upstream is busy; the request had no turn in time (timeout.item)")]
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
    #[error("no connection to the upstream in time (timeout.connect)")]
    ConnectionTimeout,
    /// The network has no way to the target, or the connection broke while it was opened.
    #[error("no connection to the upstream")]
    ConnectionFailed,
    /// The TLS handshake failed, or the certificate is not trusted.
    #[error("the TLS handshake with the upstream failed")]
    TlsHandshake,
    /// The item's permit did not come before the batch's deadline.
    #[error("the batch's deadline came before this item's turn (deadline, Prefer: wait)")]
    DeadlineBeforeCall,
    /// The item's time was over before a byte was sent.
    #[error("the item's time was over before it was sent (timeout.item)")]
    TimeoutBeforeSending,
    /// The upstream said that it did not process the call: it refused the stream, or is going away (RFC 9113 §8.7,
    /// §6.8).
    #[error("the upstream said that it did not process the request")]
    NotProcessed,
    /// A DAV body whose hrefs have to be mapped is too large to be held for that.
    #[error("the upstream's reply is larger than a DAV body may be whose hrefs are mapped (mapped_body)")]
    MappedBodyTooLarge,
    /// The connection broke while the call was sent or before its reply was complete.
    #[error("the upstream closed the connection before its reply was complete")]
    ConnectionLost,
    /// The reply was not complete within the item's time.
    #[error("the upstream's reply did not arrive in time (timeout.item)")]
    ReplyTimeout,
    /// A streaming exchange was quiet for longer than `timeout.idle`.
    #[error("neither side of the stream sent a byte for too long (timeout.idle)")]
    IdleTimeout,
    /// A single request, with its reply, took longer than `timeout.request`.
    #[error("the request and its reply took too long in all (timeout.request)")]
    RequestTimeout,
    /// The batch's deadline came while the item was under way.
    #[error("the batch's deadline came before the upstream's reply (deadline, Prefer: wait)")]
    DeadlineDuringCall,
    /// The reply breaks HTTP.
    #[error("the upstream's reply breaks HTTP")]
    ReplyMalformed,
    /// The reply's body exceeds `max_item_reply`.
    #[error("the upstream's reply is over the limit of {limit} bytes (max_item_reply)")]
    ReplyTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The reply does not fit into `max_reply` together with those of the batch's other items.
    #[error("the batch's replies are over the limit of {limit} bytes together (max_reply)")]
    RepliesTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// There is no memory for the reply, because other batches hold it.
    #[error("the gateway had no memory for the upstream's reply (limits.memory)")]
    MemoryFull,
    /// The reply's body is not in the Content-Encoding it claims, or in one that can't be undone.
    #[error("the upstream's reply has a Content-Encoding that can't be undone")]
    ReplyCoding,
    /// The client left before the item was done.
    #[error("the client left before this item was done")]
    ClientGone,
    /// A fault of the gateway, which affects only this item.
    #[error("the gateway failed to handle this item")]
    Internal,
}

/// The names that an upstream's settings have for such failures.
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
    /// Its kind, if a target may be at fault.
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
            | Self::ClientGone
            | Self::Internal => None,
        }
    }
}
