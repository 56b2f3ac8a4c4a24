//! A target at one of its addresses, ready to be connected to.

use std::net::SocketAddr;
use std::sync::Arc;

use http::HeaderValue;
use pingora::upstreams::peer::HttpPeer;

use crate::config::Scheme;

use super::circuit::CircuitState;
use super::connections::UpstreamTls;
use super::target_state::TargetState;

/// A target at one address, ready to be connected to.
#[derive(Debug)]
pub(crate) struct Peer {
    /// What pingora connects to: HTTP/2 wherever the target speaks it.
    pub(crate) http: HttpPeer,
    /// The same, for held connections: HTTP/1.1 only.
    pub(crate) http1: HttpPeer,
    /// How it is spoken to with TLS, if it is.
    pub(crate) tls: Option<Arc<UpstreamTls>>,
    /// `host[:port]` as Host says it.
    pub(crate) host: HeaderValue,
    /// `scheme://host[:port]`.
    pub(crate) origin: String,
    /// `host[:port]` as configured: its name for operators.
    pub(crate) authority: String,
    /// Its address.
    pub(crate) address: SocketAddr,
    /// Whether it is only asked where no other address of its name takes a call.
    pub(crate) is_spare: bool,
    /// How it is spoken to.
    pub(crate) scheme: Scheme,
    /// Its share of the calls, relative to the others'.
    pub(crate) weight: usize,
    /// Whether health checks say if it is well. A check of the configuration before may still say that it is not.
    pub(crate) is_checked: bool,
    /// How it stands.
    pub(crate) standing: Arc<TargetState>,
}

impl Peer {
    /// Neither taken out nor found to be unwell.
    pub(crate) fn is_in(&self) -> bool {
        (!self.is_checked || self.standing.is_well()) && !self.standing.is_taken_out()
    }

    /// Whether it gets calls.
    pub(crate) fn is_up(&self) -> bool {
        self.is_in() && !matches!(self.standing.circuit_state(), CircuitState::Open(_))
    }
}
