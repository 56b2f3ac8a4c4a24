//! Clients' connections: how many there are, and those that a limit ended.

use std::net::IpAddr;

use prometheus::{IntCounter, IntCounterVec, IntGauge};

use super::Seldom;

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
    /// A reply stood still at the client for `limits.write_timeout`.
    WriteTimeout,
    /// HTTP/2 frames that ask for work and bring nothing.
    Http2Flood,
}

impl ConnectionRefusal {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Connections,
        Self::ConnectionsPerAddress,
        Self::HeaderTimeout,
        Self::BodyTimeout,
        Self::WriteTimeout,
        Self::Http2Flood,
    ];

    /// The limit's key, or its name where it is fixed.
    const fn limit(self) -> &'static str {
        match self {
            Self::Connections => "limits.connections",
            Self::ConnectionsPerAddress => "limits.connections_per_address",
            Self::HeaderTimeout => "limits.header_timeout",
            Self::BodyTimeout => "limits.body_timeout",
            Self::WriteTimeout => "limits.write_timeout",
            Self::Http2Flood => "http2_frames",
        }
    }

    /// The word for metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::ConnectionsPerAddress => "connections_per_address",
            Self::HeaderTimeout => "header_timeout",
            Self::BodyTimeout => "body_timeout",
            Self::WriteTimeout => "write_timeout",
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
    seldom: Seldom,
}

impl ConnectionMetrics {
    pub(super) fn new(open: IntGauge, refused: &IntCounterVec) -> Self {
        let refused = ConnectionRefusal::ALL.map(|reason| Refused {
            count: refused.with_label_values(&[reason.as_str()]),
            seldom: Seldom::default(),
        });
        Self { open, refused }
    }

    /// Counts a connection that a limit ended. At most one log line a second says so for each reason: an
    /// attack must not fill the log.
    pub fn refuse(&self, reason: ConnectionRefusal, address: Option<IpAddr>) {
        let Some(refused) = self.refused.get(reason as usize) else { return };
        refused.count.inc();
        if refused.seldom.may_log() {
            let client = address.map_or_else(|| "unix".to_owned(), |address| address.to_string());
            let (reason, limit, so_far) = (reason.as_str(), reason.limit(), refused.count.get());
            tracing::warn!(kind = "connection", reason, limit, client, so_far, "a connection was closed");
        }
    }
}
