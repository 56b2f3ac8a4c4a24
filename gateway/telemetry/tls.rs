//! Counts and logs failed TLS handshakes with targets and with clients. Causes are a closed set, so that they can be
//! labels. The exact error is in the log, at most once a second for each upstream and for all clients together.

use std::net::IpAddr;

use prometheus::IntCounterVec;

use super::LogThrottle;
use super::registry::metric_table;
use crate::address::TargetAddress;
use crate::words::words;

words! {
    /// Why a TLS handshake failed.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum TlsCause {
        /// The other side's certificate is no longer valid.
        Expired = "expired",
        /// The other side's certificate is not valid yet.
        NotYetValid = "not_yet_valid",
        /// The other side's certificate was not signed by a trusted authority.
        UnknownIssuer = "unknown_issuer",
        /// The certificate is for another name than the target's.
        NameMismatch = "name_mismatch",
        /// The certificate is unusable in another way: malformed, revoked, or for another purpose.
        BadCertificate = "bad_certificate",
        /// The other side sent no certificate, but one is required.
        NoCertificate = "no_certificate",
        /// The other side ended the handshake with an alert. Often it does not trust our certificate.
        RefusedByPeer = "refused_by_peer",
        /// The sides have no version, cipher suite or application protocol in common.
        NothingInCommon = "nothing_in_common",
        /// The other side does not speak TLS, or breaks its rules.
        Protocol = "protocol",
        /// The connection was closed during the handshake.
        Closed = "closed",
        /// It took too long.
        Timeout = "timeout",
        /// Another cause.
        Other = "other",
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
    pub address: &'peer TargetAddress,
}

metric_table! {
    /// Counts and logs failed TLS handshakes.
    #[derive(Debug)]
    pub struct TlsFailures {
        count: IntCounterVec = "batchgate_tls_failures_total"["side", "upstream", "cause"]
            "Failed TLS handshakes with clients and with targets, by cause.";
    }
    also(_registry) {
        clients: LogThrottle = LogThrottle::default();
    }
}

impl TlsFailures {
    /// Starts the series of a side at zero: of all clients together, or of one upstream.
    pub(super) fn prepare(&self, side: &str, upstream: &str) {
        for cause in TlsCause::ALL {
            self.count.with_label_values(&[side, upstream, cause.as_str()]);
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
