//! A listener as the configuration in use has it. Connections find it by the address that their socket was bound for.

use std::sync::Arc;

use crate::config::{ListenAddress, Listener, ProxyProtocol};
use crate::transport::server_tls::ServerTls;

/// A listener, and what its connections begin with.
pub(crate) struct ServedListener {
    /// The address in the configuration.
    address: ListenAddress,
    /// `None`: without TLS.
    pub(crate) tls: Option<ServerTls>,
    pub(crate) proxy_protocol: Option<ProxyProtocol>,
}

/// The listeners of a configuration, which take the keys of TLS sessions over from those `before`.
///
/// # Errors
/// TLS can't be set up.
pub(super) fn serve_listeners(
    listeners: &[Listener],
    before: &[Arc<ServedListener>],
) -> Result<Vec<Arc<ServedListener>>, rustls::Error> {
    let mut served = Vec::with_capacity(listeners.len());
    for listener in listeners {
        let was = find(before, &listener.address).and_then(|before| before.tls.as_ref());
        let tls = listener.tls.as_ref().map(|tls| ServerTls::new(tls, was)).transpose()?;
        let (address, proxy_protocol) = (listener.address.clone(), listener.proxy_protocol);
        served.push(Arc::new(ServedListener { address, tls, proxy_protocol }));
    }
    Ok(served)
}

/// The listener with this address.
pub(super) fn find<'all>(
    all: &'all [Arc<ServedListener>],
    address: &ListenAddress,
) -> Option<&'all Arc<ServedListener>> {
    all.iter().find(|listener| listener.address == *address)
}
