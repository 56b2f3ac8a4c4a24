//! A row of the table, made into a reply for one client.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderName, HeaderValue};

use super::table::Row;
use crate::batch::{GatewayMade, OutcomeKind, Problem, ProxyError};
use crate::header::GATEWAY_NAME;

/// How long a client should wait before it sends a request again that found the gateway or the upstream unavailable.
pub(super) const UNAVAILABLE_FOR: Duration = Duration::from_secs(1);

/// What a failure means for the client, for metrics and for logs.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorReply {
    /// The problem detail.
    pub problem: Problem,
    /// The outcome and Proxy-Status error.
    pub made: GatewayMade,
    /// Whether sending it again is safe and may help.
    pub retryable: bool,
    /// How long to wait before that.
    pub retry_after: Option<Duration>,
    /// The methods for an Allow field.
    pub allow: Option<String>,
    /// The value of an Accept-Encoding field: the codings that the request could have had (RFC 9110 §12.5.3).
    pub accept_encoding: Option<&'static str>,
    /// The value of a WWW-Authenticate field.
    pub challenge: Option<String>,
    /// Fields of the operator's own.
    pub fields: Vec<(HeaderName, HeaderValue)>,
    /// A word of a closed set, for metrics and logs.
    pub reason: &'static str,
    /// The limit that was exceeded, if it was one; for logs.
    pub limit: Option<Limit>,
}

impl ErrorReply {
    /// A reply that is not retryable and has no fields of its own.
    pub(super) fn new(row: Row, detail: String, outcome: OutcomeKind) -> Self {
        Self {
            problem: Problem { kind: row.kind, title: row.title, status: row.status, detail, place: None },
            made: GatewayMade { outcome, error: ProxyError(row.error) },
            retryable: false,
            retry_after: None,
            allow: None,
            accept_encoding: None,
            challenge: None,
            fields: Vec::new(),
            reason: row.reason,
            limit: row.limit.map(Limit::Key),
        }
    }

    /// The value of Proxy-Status (RFC 9209 §2): the gateway, the error, and our own parameters
    /// `outcome` and `retryable`.
    #[must_use]
    pub fn proxy_status(&self) -> String {
        let ProxyError(error) = self.made.error;
        let retryable = if self.retryable { "; retryable" } else { "" };
        let outcome = self.made.outcome.as_str();
        format!("{GATEWAY_NAME}; error={error}; outcome={outcome}{retryable}")
    }
}

/// The limit that was exceeded. Log lines name it in addition to the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The limit with this key, or with this name if it is fixed.
    Key(&'static str),
    /// The rate limit with this name; written as `rate_limits.NAME`.
    Rate(Arc<str>),
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => formatter.write_str(key),
            Self::Rate(name) => write!(formatter, "rate_limits.{name}"),
        }
    }
}
