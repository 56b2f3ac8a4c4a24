//! TLS with the clients of one listener: what it presents, whom it lets in, and how sessions are resumed.
//!
//! In: the settings of a listener. Out: connections whose handshake is complete, with the name in the client's certificate. A
//! new value is made for each configuration and for each new certificate; handshakes that have begun keep theirs.
//!
//! Sessions are resumed by tickets. Their keys are kept while the authorities of clients are the same: a ticket
//! has the client's certificate, which is not verified again.

use std::sync::Arc;

use pingora::listeners::tls::{Acceptor, TlsSettings};
use pingora::protocols::l4;
use pingora::protocols::tls::TlsStream;
use rustls::crypto::ring::{self, Ticketer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ProducesTickets, ServerConfig, WebPkiClientVerifier};
use rustls::sign::SingleCertAndKey;
use rustls::version::{TLS12, TLS13};
use rustls::{Error, RootCertStore};
use tokio_rustls::TlsAcceptor;

use crate::config::{Authorities, ListenerTls};

use super::client_certificate::NamesOfClients;

/// TLS with the clients of one listener.
pub(crate) struct ServerTls {
    settings: ListenerTls,
    acceptor: Acceptor,
    tickets: Arc<dyn ProducesTickets>,
}

impl ServerTls {
    /// `before`: what the listener has used so far, whose sessions may be resumed.
    ///
    /// # Errors
    /// The system has no randomness, or the settings don't fit together.
    pub(crate) fn new(settings: &ListenerTls, before: Option<&Self>) -> Result<Self, Error> {
        let kept = before.filter(|before| before.settings.clients == settings.clients);
        let tickets = kept.map_or_else(Ticketer::new, |before| Ok(Arc::clone(&before.tickets)))?;
        let config = config(settings, &tickets)?;
        let unfit = |error: Box<pingora::Error>| Error::General(error.to_string());
        let mut for_pingora = TlsSettings::with_callbacks(Box::new(NamesOfClients)).map_err(unfit)?;
        for_pingora.set_cert_resolver(Arc::clone(&config.cert_resolver));
        let mut acceptor = for_pingora.build();
        // What pingora has built has neither tickets nor versions to choose.
        acceptor.acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Self { settings: settings.clone(), acceptor, tickets })
    }

    /// Makes the handshake.
    ///
    /// # Errors
    /// It failed; [`cause_of`](super::handshake::cause_of) says why.
    pub(crate) async fn shake_hands(
        &self,
        connection: l4::stream::Stream,
    ) -> pingora::Result<TlsStream<l4::stream::Stream>> {
        self.acceptor.tls_handshake(connection).await
    }
}

/// TLS with HTTP/2 by ALPN.
fn config(settings: &ListenerTls, tickets: &Arc<dyn ProducesTickets>) -> Result<ServerConfig, Error> {
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS12, &TLS13])?;
    let builder = match &settings.clients {
        Some(authorities) => builder.with_client_cert_verifier(client_verifier(authorities)?),
        None => builder.with_no_client_auth(),
    };
    let presented = SingleCertAndKey::from(Arc::clone(&settings.pair.certified));
    let mut config = builder.with_cert_resolver(Arc::new(presented));
    config.alpn_protocols = [&b"h2"[..], b"http/1.1"].map(<[u8]>::to_vec).into();
    config.ticketer = Arc::clone(tickets);
    Ok(config)
}

/// Accepts only clients whose certificate was signed by one of these authorities.
fn client_verifier(authorities: &Authorities) -> Result<Arc<dyn ClientCertVerifier>, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in &*authorities.certificates {
        roots.add(certificate.clone())?;
    }
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    verifier.build().map_err(|error| Error::General(error.to_string()))
}
