//! What is said where a client has its whole share of an upstream, or an upstream as many long-lived exchanges as it
//! may have.

use http::StatusCode;

use super::Row;

/// The client's calls that wait are too many.
pub(super) const FULL: Row = row!(
    SERVICE_UNAVAILABLE,
    "client_share_full",
    "Too many calls of this client wait",
    "connection_limit_reached"
);

/// A request waited too long for its client's other calls.
pub(super) const TIMEOUT: Row = row!(
    SERVICE_UNAVAILABLE,
    "client_share_timeout",
    "The client's share is in use",
    "connection_limit_reached"
);

/// An item waited too long for its client's other calls.
pub(super) const DEADLINE: Row =
    row!(GATEWAY_TIMEOUT, "client_share_deadline", "The client's share is in use", "http_response_timeout");

/// Too many long-lived exchanges are open.
pub(super) const UPGRADED: Row =
    row!(SERVICE_UNAVAILABLE, "upgraded_full", "Too many long-lived exchanges", "connection_limit_reached");

/// Too many of them are this client's.
pub(super) const CLIENT_UPGRADED: Row = row!(
    SERVICE_UNAVAILABLE,
    "client_upgraded_full",
    "Too many long-lived exchanges of this client",
    "connection_limit_reached"
);
