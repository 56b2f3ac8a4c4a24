//! Metrics of clients' connections: the open ones, and those that the gateway closed.

use std::net::IpAddr;

use prometheus::{IntCounter, IntCounterVec, IntGauge};

use super::LogThrottle;

/// Why the gateway closed a client's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionRefusal {
    /// `limits.connections` were already open.
    Connections,
    /// `limits.connections_per_address` were already open from its address.
    ConnectionsPerAddress,
    /// A request's header was not complete within `limits.header_timeout`.
    HeaderTimeout,
    /// A proxied request's body came too slowly (`limits.body_timeout`).
    BodyTimeout,
    /// The client did not read its reply for `limits.write_timeout`.
    WriteTimeout,
    /// Too many HTTP/2 frames that cause work without a request.
    Http2Flood,
    /// A request broke HTTP's grammar.
    MalformedRequest,
    /// A request's head was larger than `limits.header_bytes`, `limits.header_fields` or `limits.target_bytes`.
    HeaderTooLarge,
    /// A client started TLS on a port for plain HTTP.
    TlsOnPlainPort,
}

impl ConnectionRefusal {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Connections,
        Self::ConnectionsPerAddress,
        Self::HeaderTimeout,
        Self::BodyTimeout,
        Self::WriteTimeout,
        Self::Http2Flood,
        Self::MalformedRequest,
        Self::HeaderTooLarge,
        Self::TlsOnPlainPort,
    ];

    /// The limit's key, or its name if it is fixed.
    const fn limit(self) -> &'static str {
        match self {
            Self::Connections => "limits.connections",
            Self::ConnectionsPerAddress => "limits.connections_per_address",
            Self::HeaderTimeout => "limits.header_timeout",
            Self::BodyTimeout => "limits.body_timeout",
            Self::WriteTimeout => "limits.write_timeout",
            Self::Http2Flood => "http2_frames",
            Self::MalformedRequest => "http1_grammar",
            Self::HeaderTooLarge => "limits.header_bytes",
            Self::TlsOnPlainPort => "plain_http",
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
            Self::MalformedRequest => "malformed_request",
            Self::HeaderTooLarge => "header_too_large",
            Self::TlsOnPlainPort => "tls_on_plain_port",
        }
    }
}

/// A request whose connection is closed because of it.
#[derive(Clone, Copy, Debug)]
pub struct RefusedRequest<'request> {
    /// Why, for metrics.
    pub reason: ConnectionRefusal,
    /// The key of the limit that it exceeds.
    pub limit: Option<&'static str>,
    /// The problem, without any of its bytes.
    pub detail: &'request str,
    /// The id in the reply to the client.
    pub request_id: &'request str,
}

/// The metrics of clients' connections.
pub struct ConnectionMetrics {
    /// Open now.
    pub open: IntGauge,
    /// By reason, in the order of [`ConnectionRefusal::ALL`].
    refused: [Refused; ConnectionRefusal::ALL.len()],
}

/// Refusals for one reason.
struct Refused {
    count: IntCounter,
    throttle: LogThrottle,
}

impl ConnectionMetrics {
    pub(super) fn new(open: IntGauge, refused: &IntCounterVec) -> Self {
        let refused = ConnectionRefusal::ALL.map(|reason| Refused {
            count: refused.with_label_values(&[reason.as_str()]),
            throttle: LogThrottle::default(),
        });
        Self { open, refused }
    }

    /// Counts a connection that the gateway closed, and logs it, at most once a second for each reason: an attack must
    /// not fill the log.
    pub fn refuse(&self, reason: ConnectionRefusal, address: Option<IpAddr>) {
        if let Some((so_far, client)) = self.count(reason, address) {
            let (reason, limit) = (reason.as_str(), reason.limit());
            tracing::warn!(kind = "connection", reason, limit, client, so_far, "a connection was closed");
        }
    }

    /// The same for a connection that is closed because of a request, with the request's id and what is wrong with it.
    pub fn refuse_request(&self, request: RefusedRequest<'_>, address: Option<IpAddr>) {
        let RefusedRequest { reason, limit, detail, request_id } = request;
        if let Some((so_far, client)) = self.count(reason, address) {
            let reason = reason.as_str();
            tracing::warn!(
                kind = "connection",
                reason,
                limit,
                client,
                detail,
                request_id,
                so_far,
                "a connection was closed"
            );
        }
    }

    /// Counts a refusal. Returns the count so far and the client if a line may be logged.
    fn count(&self, reason: ConnectionRefusal, address: Option<IpAddr>) -> Option<(u64, String)> {
        let refused = self.refused.get(reason as usize)?;
        refused.count.inc();
        let client = || address.map_or_else(|| "unix".to_owned(), |address| address.to_string());
        refused.throttle.may_log().then(|| (refused.count.get(), client()))
    }
}
