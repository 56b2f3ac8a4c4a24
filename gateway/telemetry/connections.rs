//! Metrics of clients' connections: the open ones, and those that the gateway closed.

use std::net::IpAddr;

use prometheus::{IntCounterVec, IntGauge};

use super::LogThrottle;
use super::registry::metric_table;
use crate::words::words;

words! {
    /// Why the gateway closed a client's connection.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum ConnectionRefusal {
        /// `limits.connections` were already open.
        Connections = "connections",
        /// `limits.connections_per_address` were already open from its address.
        ConnectionsPerAddress = "connections_per_address",
        /// A request's header was not complete within `limits.header_timeout`.
        HeaderTimeout = "header_timeout",
        /// A proxied request's body came too slowly (`limits.body_timeout`).
        BodyTimeout = "body_timeout",
        /// The client did not read its reply for `limits.write_timeout`.
        WriteTimeout = "write_timeout",
        /// Too many HTTP/2 frames that cause work without a request.
        Http2Flood = "http2_flood",
        /// A request broke HTTP's grammar.
        MalformedRequest = "malformed_request",
        /// A request's head was larger than `limits.header_bytes`, `limits.header_fields` or `limits.target_bytes`.
        HeaderTooLarge = "header_too_large",
        /// A trusted proxy did not say where its client is (`proxy_protocol`).
        ProxyHeader = "proxy_header",
        /// A client started TLS on a port for plain HTTP.
        TlsOnPlainPort = "tls_on_plain_port",
    }
}

impl ConnectionRefusal {
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
            Self::ProxyHeader => "proxy_protocol",
            Self::TlsOnPlainPort => "plain_http",
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

metric_table! {
    /// The metrics of clients' connections.
    pub struct ConnectionMetrics {
        /// Open now.
        pub open: IntGauge = "batchgate_connections"[] "Open connections of clients.";
        refused: IntCounterVec = "batchgate_connections_refused_total"["reason"]
            "Connections of clients that the gateway closed, by reason.";
    }
    also(_registry) {
        /// In the order of [`ConnectionRefusal::ALL`].
        throttles: [LogThrottle; ConnectionRefusal::ALL.len()] = <[LogThrottle; _]>::default();
    }
}

impl ConnectionMetrics {
    /// Starts the counters at zero.
    pub(super) fn prepare(&self) {
        for reason in ConnectionRefusal::ALL {
            self.refused.with_label_values(&[reason.as_str()]);
        }
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
        let count = self.refused.with_label_values(&[reason.as_str()]);
        count.inc();
        let client = || address.map_or_else(|| "unix".to_owned(), |address| address.to_string());
        self.throttles.get(reason as usize)?.may_log().then(|| (count.get(), client()))
    }
}
