//! A client's connection as it is counted, from before its TLS handshake to its end.

use std::net::IpAddr;
use std::sync::Arc;

use crate::config::Settings;
use crate::http1::{Fault, Flaw};
use crate::state::gateway::Gateway;
use crate::telemetry::{ConnectionRefusal, RefusedRequest, RequestId};

use super::connection_limits::ConnectionSlot;

/// Counts a connection as open until it is dropped: in its limits, in the metrics, and for a gateway that drains.
#[derive(Debug)]
pub(crate) struct ConnectionGuard {
    gateway: Arc<Gateway>,
    address: Option<IpAddr>,
    slot: ConnectionSlot,
}

impl ConnectionGuard {
    pub(crate) fn new(gateway: Arc<Gateway>, address: Option<IpAddr>, slot: ConnectionSlot) -> Self {
        gateway.metrics.connections.open.inc();
        gateway.activity.connection_begins();
        Self { gateway, address, slot }
    }

    /// The address of the other end; `None` for a Unix socket.
    pub(crate) const fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// A proxy has said where the client is. Counts the connection for this address, unless another proxy is there.
    ///
    /// # Errors
    /// The connection would exceed the limit of the address.
    pub(crate) fn comes_from(
        &mut self,
        address: IpAddr,
        settings: &Settings,
    ) -> Result<(), ConnectionRefusal> {
        self.address = Some(address);
        if settings.trusted_proxies.trust(self.address) {
            return Ok(());
        }
        self.slot.count_for(address, &settings.limits)
    }

    /// Counts that the connection is closed for this reason.
    pub(crate) fn count_refusal(&self, reason: ConnectionRefusal) {
        self.gateway.metrics.connections.refuse(reason, self.address);
    }

    /// Counts and logs a request that breaks the grammar.
    pub(crate) fn count_fault(&self, fault: Fault, request_id: &RequestId) {
        let reason = match (fault.flaw, fault.limit()) {
            (Flaw::TlsHandshake, _) => ConnectionRefusal::TlsOnPlainPort,
            (_, Some(_)) => ConnectionRefusal::HeaderTooLarge,
            (_, None) => ConnectionRefusal::MalformedRequest,
        };
        let (limit, detail) = (fault.limit(), fault.to_string());
        let request = RefusedRequest { reason, limit, detail: &detail, request_id: request_id.as_str() };
        self.gateway.metrics.connections.refuse_request(request, self.address);
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.gateway.metrics.connections.open.dec();
        self.gateway.activity.connection_ends();
    }
}
