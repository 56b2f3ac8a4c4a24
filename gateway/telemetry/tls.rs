//! Counts and logs failed TLS handshakes with targets and with clients. Causes are a closed set, so that they can be
//! labels. The exact error is in the log, at most once a second for each upstream and for all clients together.

use std::net::{IpAddr, SocketAddr};

use prometheus::IntCounterVec;

use super::LogThrottle;

/// Why a TLS handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsCause {
    /// The other side's certificate is no longer valid.
    Expired,
    /// The other side's certificate is not valid yet.
    NotYetValid,
    /// The other side's certificate was not signed by a trusted authority.
    UnknownIssuer,
    /// The certificate is for another name than the target's.
    NameMismatch,
    /// The certificate is unusable in another way: malformed, revoked, or for another purpose.
    BadCertificate,
    /// The other side sent no certificate, but one is required.
    NoCertificate,
    /// The other side ended the handshake with an alert. Often it does not trust our certificate.
    RefusedByPeer,
    /// The sides have no version, cipher suite or application protocol in common.
    NothingInCommon,
    /// The other side does not speak TLS, or breaks its rules.
    Protocol,
    /// The connection was closed during the handshake.
    Closed,
    /// It took too long.
    Timeout,
    /// Another cause.
    Other,
}

impl TlsCause {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Expired,
        Self::NotYetValid,
        Self::UnknownIssuer,
        Self::NameMismatch,
        Self::BadCertificate,
        Self::NoCertificate,
        Self::RefusedByPeer,
        Self::NothingInCommon,
        Self::Protocol,
        Self::Closed,
        Self::Timeout,
        Self::Other,
    ];

    /// The word for metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::UnknownIssuer => "unknown_issuer",
            Self::NameMismatch => "name_mismatch",
            Self::BadCertificate => "bad_certificate",
            Self::NoCertificate => "no_certificate",
            Self::RefusedByPeer => "refused_by_peer",
            Self::NothingInCommon => "nothing_in_common",
            Self::Protocol => "protocol",
            Self::Closed => "closed",
            Self::Timeout => "timeout",
            Self::Other => "other",
        }
    }
}

/// The target of a handshake.
#[derive(Clone, Copy, Debug)]
pub struct TlsTarget<'peer> {
    /// Its upstream's name.
    pub upstream: &'peer str,
    /// Its host and port, as configured.
    pub target: &'peer str,
    /// The address that was connected to.
    pub address: SocketAddr,
}

/// Counts and logs failed TLS handshakes.
#[derive(Debug)]
pub struct TlsFailures {
    count: IntCounterVec,
    clients: LogThrottle,
}

impl TlsFailures {
    /// `count` has the labels `side`, `upstream` and `cause`.
    pub(super) fn new(count: IntCounterVec) -> Self {
        for cause in TlsCause::ALL {
            count.with_label_values(&["client", "", cause.as_str()]);
        }
        Self { count, clients: LogThrottle::default() }
    }

    /// Starts the series of an upstream at zero.
    pub(super) fn prepare(&self, upstream: &str) {
        for cause in TlsCause::ALL {
            self.count.with_label_values(&["upstream", upstream, cause.as_str()]);
        }
    }

    /// The handshake with a client failed.
    pub fn with_client(&self, address: Option<IpAddr>, cause: TlsCause, detail: &str) {
        let count = self.count.with_label_values(&["client", "", cause.as_str()]);
        count.inc();
        if cause == TlsCause::Closed {
            // Load balancers and monitors check in this way whether a port is open.
            tracing::debug!(
                kind = "tls",
                side = "client",
                detail,
                "a client disconnected during a TLS handshake"
            );
        } else if self.clients.may_log() {
            let client = address.map_or_else(|| "unix".to_owned(), |address| address.to_string());
            let (cause, so_far) = (cause.as_str(), count.get());
            tracing::info!(
                kind = "tls",
                side = "client",
                client,
                cause,
                detail,
                so_far,
                "a TLS handshake with a client failed"
            );
        }
    }

    /// The handshake with a target failed. `throttle` is the upstream's own.
    pub fn with_target(&self, target: TlsTarget<'_>, cause: TlsCause, detail: &str, throttle: &LogThrottle) {
        let TlsTarget { upstream, target, address } = target;
        let count = self.count.with_label_values(&["upstream", upstream, cause.as_str()]);
        count.inc();
        if throttle.may_log() {
            let (cause, so_far) = (cause.as_str(), count.get());
            tracing::warn!(
                kind = "tls",
                side = "upstream",
                upstream,
                target,
                %address,
                cause,
                detail,
                so_far,
                "the TLS handshake with a target failed"
            );
        }
    }
}
