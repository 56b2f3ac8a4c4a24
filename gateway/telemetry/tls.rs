//! TLS handshakes that failed, with targets and with clients: how often and why. The causes are a closed set, so that
//! they can be labels; what exactly was wrong is in the log, at most once a second for each upstream and for all
//! clients together.

use std::net::IpAddr;

use prometheus::IntCounterVec;

use super::LogThrottle;

/// Why a TLS handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsCause {
    /// The other side's certificate is no longer valid.
    Expired,
    /// The other side's certificate is not valid yet.
    NotYetValid,
    /// Nobody who is trusted signed the other side's certificate.
    UnknownIssuer,
    /// The certificate is for another name than the target's.
    NameMismatch,
    /// The certificate is unusable in another way: malformed, revoked, or for another purpose.
    BadCertificate,
    /// The other side sent no certificate and has to.
    NoCertificate,
    /// The other side ended the handshake with an alert. Often it does not trust our certificate.
    RefusedByPeer,
    /// The two have no version, cipher suite or application protocol in common.
    NothingInCommon,
    /// What came is not TLS, or breaks its rules.
    Protocol,
    /// The connection ended in the middle.
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

/// Counts and logs TLS handshakes that failed.
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

    /// Makes the series of an upstream start at zero.
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
            // Balancers and monitors look whether a port is open in this way.
            tracing::debug!(
                kind = "tls",
                side = "client",
                detail,
                "a client left in the middle of a TLS handshake"
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
    pub fn with_target(
        &self,
        (upstream, target, address): (&str, &str, std::net::SocketAddr),
        (cause, detail): (TlsCause, &str),
        throttle: &LogThrottle,
    ) {
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
