//! A target at one of its addresses, ready to be connected to.
//!
//! A peer never changes, except for its state, which it shares with the peer that replaces it at the next look-up or
//! reload.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use pingora::upstreams::peer::HttpPeer;

use crate::address::TargetAddress;
use crate::config::Scheme;

use super::circuit::CircuitState;
use super::connections::tls::UpstreamTls;
use super::target_state::TargetState;

/// A target at one address, ready to be connected to.
#[derive(Debug)]
pub(crate) struct Peer {
    /// What pingora's pools and sessions need to know.
    pub(crate) http: HttpPeer,
    /// Which idle connections can be used: those of peers with the same key.
    pub(crate) pool_key: u64,
    /// How long a connection may be idle.
    pub(crate) idle_timeout: Duration,
    /// The settings of TLS, if it is spoken.
    pub(crate) tls: Option<Arc<UpstreamTls>>,
    /// What Host says.
    pub(crate) host: HeaderValue,
    /// `scheme://host[:port]`.
    pub(crate) origin: String,
    /// `host[:port]` as Host says it.
    pub(crate) authority: String,
    /// Its name for operators, as configured: `host[:port]`, or `unix:/path`.
    pub(crate) name: Arc<str>,
    /// Its address.
    pub(crate) address: TargetAddress,
    /// Which of the hosts of its name it is at, if that is a service.
    pub(crate) instance: usize,
    /// Its place among the addresses of its name: it is asked only if none with a lower one takes a call.
    pub(crate) tier: usize,
    /// The protocol.
    pub(crate) scheme: Scheme,
    /// Its share of the calls, relative to the others'.
    pub(crate) weight: usize,
    /// Whether health checks decide if it is healthy. A check of the configuration before may still say that it is not.
    pub(crate) is_checked: bool,
    /// Its state, shared by all peers at this address.
    pub(crate) state: Arc<TargetState>,
}

impl Peer {
    /// Whether it is neither taken out by hand nor unhealthy.
    pub(crate) fn is_in(&self) -> bool {
        (!self.is_checked || self.state.is_healthy()) && !self.state.is_taken_out()
    }

    /// Whether it is spare: asked only if no other address of its name takes a call.
    pub(crate) const fn is_spare(&self) -> bool {
        self.tier > 0
    }

    /// Whether it gets calls.
    pub(crate) fn is_up(&self) -> bool {
        self.is_in() && !matches!(self.state.circuit_state(), CircuitState::Open(_))
    }
}
