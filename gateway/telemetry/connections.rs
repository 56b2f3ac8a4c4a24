//! Clients' connections: how many there are, and those that a limit ended.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus::{IntCounter, IntCounterVec, IntGauge};

use crate::clock::unix_time;

/// Why the gateway closed a client's connection by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionRefusal {
    /// There were `limits.connections` already.
    Connections,
    /// There were `limits.connections_per_address` from its address already.
    ConnectionsPerAddress,
    /// A request's header was not whole within `limits.header_timeout`.
    HeaderTimeout,
    /// A proxied request's body came too slowly (`limits.body_timeout`).
    BodyTimeout,
    /// HTTP/2 frames that ask for work and bring nothing.
    Http2Flood,
}

impl ConnectionRefusal {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Connections,
        Self::ConnectionsPerAddress,
        Self::HeaderTimeout,
        Self::BodyTimeout,
        Self::Http2Flood,
    ];

    /// The word for metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::ConnectionsPerAddress => "connections_per_address",
            Self::HeaderTimeout => "header_timeout",
            Self::BodyTimeout => "body_timeout",
            Self::Http2Flood => "http2_flood",
        }
    }
}

/// What is counted of clients' connections.
pub struct ConnectionMetrics {
    /// Open now.
    pub open: IntGauge,
    /// By reason, in the order of [`ConnectionRefusal::ALL`].
    refused: [Refused; ConnectionRefusal::ALL.len()],
}

/// Refusals for one reason.
struct Refused {
    count: IntCounter,
    /// The second of the last log line, since the epoch.
    logged: AtomicU64,
}

impl ConnectionMetrics {
    pub(super) fn new(open: IntGauge, refused: &IntCounterVec) -> Self {
        let refused = ConnectionRefusal::ALL.map(|reason| Refused {
            count: refused.with_label_values(&[reason.as_str()]),
            logged: AtomicU64::new(0),
        });
        Self { open, refused }
    }

    /// Counts a connection that a limit ended. At most one log line a second says so for each reason: an
    /// attack must not fill the log.
    pub fn refuse(&self, reason: ConnectionRefusal, address: Option<IpAddr>) {
        let Some(refused) = self.refused.get(reason as usize) else { return };
        refused.count.inc();
        let now = unix_time().as_secs();
        if refused.logged.swap(now, Ordering::Relaxed) != now {
            let client = address.map_or_else(|| "unix".to_owned(), |address| address.to_string());
            let (reason, so_far) = (reason.as_str(), refused.count.get());
            tracing::warn!(kind = "connection", reason, client, so_far, "a connection was closed");
        }
    }
}
