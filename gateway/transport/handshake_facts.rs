//! What a handshake with a client has told: the name in its certificate, and the name that it asked for. It is read once
//! per connection, after the handshake, and stays with the connection.

use std::any::Any;
use std::sync::Arc;

use async_trait::async_trait;
use pingora::listeners::TlsAccept;
use pingora::protocols::tls::{SslDigest, TlsRef};

use crate::config::ListenerTls;
use crate::route::host_of;

use super::client_certificate::name_in;

/// What a handshake has told.
struct HandshakeFacts {
    client_name: Option<Arc<str>>,
    chosen: Option<Chosen>,
}

/// The name that chose between the certificates of a listener.
struct Chosen {
    name: Box<str>,
    tls: Arc<ListenerTls>,
}

/// Reads the facts. The listener gives this to pingora, the connection keeps the result.
pub(super) struct ReadFacts {
    tls: Arc<ListenerTls>,
}

impl ReadFacts {
    pub(super) const fn new(tls: Arc<ListenerTls>) -> Self {
        Self { tls }
    }
}

#[async_trait]
impl TlsAccept for ReadFacts {
    async fn handshake_complete_callback(&self, tls: &TlsRef) -> Option<Arc<dyn Any + Send + Sync>> {
        let client_name = tls.peer_certificate_der().and_then(name_in).map(Arc::from);
        let asked = tls.server_name().filter(|_| !self.tls.others.is_empty());
        let chosen = asked.map(|name| Chosen { name: host_of(name).into(), tls: Arc::clone(&self.tls) });
        if client_name.is_none() && chosen.is_none() {
            return None;
        }
        Some(Arc::new(HandshakeFacts { client_name, chosen }))
    }
}

fn facts(digest: &SslDigest) -> Option<&HandshakeFacts> {
    digest.extension.get()
}

/// The name in the certificate of a connection's client, if it has one.
pub(crate) fn client_name(digest: &SslDigest) -> Option<Arc<str>> {
    facts(digest)?.client_name.clone()
}

/// Whether a request for this host does not belong on the connection, because the client asked for another name in the handshake
/// and got a certificate that is not for this host.
pub(crate) fn is_misdirected(digest: &SslDigest, host: &str) -> bool {
    let chosen = facts(digest).and_then(|facts| facts.chosen.as_ref());
    chosen.is_some_and(|Chosen { name, tls }| tls.is_misdirected(name, host))
}
