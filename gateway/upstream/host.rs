//! The authority under which an upstream is called: its target's own, the one that the client used, or a fixed one
//! (`host` in the configuration). One rule for items and single requests.

use http::header::HeaderValue;

use crate::config::HostPolicy;

use super::targets::Peer;

/// The `Host` of a call to this peer. `own_authority` is what the client called the gateway.
pub(crate) fn host_of(policy: &HostPolicy, peer: &Peer, own_authority: &str) -> HeaderValue {
    let chosen = match policy {
        HostPolicy::Target => None,
        HostPolicy::Preserve => HeaderValue::from_str(own_authority).ok(),
        HostPolicy::Fixed(host) => HeaderValue::from_str(host).ok(),
    };
    chosen.unwrap_or_else(|| peer.host.clone())
}

/// `scheme://host` of a call to this peer, for urls in its fields (RFC 4918 §10.3).
pub(crate) fn origin_of(policy: &HostPolicy, peer: &Peer, own_authority: &str) -> String {
    let scheme = peer.scheme.url_scheme();
    match policy {
        HostPolicy::Target => peer.origin.clone(),
        HostPolicy::Preserve => format!("{scheme}://{own_authority}"),
        HostPolicy::Fixed(host) => format!("{scheme}://{host}"),
    }
}
