//! TLS with the clients of one listener: what it presents, whom it lets in, and how sessions are resumed.
//!
//! In: the settings of a listener. Out: connections whose handshake is complete, with what it has told. A new value is made for each configuration and for each new certificate; handshakes that have begun keep theirs.
//!
//! Sessions are resumed by tickets. Their keys are kept while the authorities of clients are the same: a ticket
//! has the client's certificate, which is not verified again.

use std::sync::Arc;

use pingora::listeners::tls::{Acceptor, TlsSettings};
use pingora::protocols::l4;
use pingora::protocols::tls::TlsStream;
use rustls::crypto::ring::{self, Ticketer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, ProducesTickets, ResolvesServerCert, ServerConfig, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{Error, RootCertStore};
use tokio_rustls::TlsAcceptor;

use crate::config::{Authorities, ListenerTls, TlsVersion};
use crate::route::host_of;

use super::handshake_facts::ReadFacts;

/// TLS with the clients of one listener.
pub(crate) struct ServerTls {
    settings: Arc<ListenerTls>,
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
        let settings = Arc::new(settings.clone());
        let config = config(&settings, &tickets)?;
        let unfit = |error: Box<pingora::Error>| Error::General(error.to_string());
        let mut for_pingora =
            TlsSettings::with_callbacks(Box::new(ReadFacts::new(Arc::clone(&settings)))).map_err(unfit)?;
        for_pingora.set_cert_resolver(Arc::clone(&config.cert_resolver));
        let mut acceptor = for_pingora.build();
        // What pingora has built has neither tickets nor versions to choose.
        acceptor.acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Self { settings, acceptor, tickets })
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

/// Chooses a certificate by the name that the client asks for.
#[derive(Debug)]
struct ByName(Arc<ListenerTls>);

impl ResolvesServerCert for ByName {
    fn resolve(&self, client: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let Self(tls) = self;
        let certificate = match client.server_name() {
            Some(name) if !tls.others.is_empty() => tls.certificate_for(&host_of(name)),
            Some(_) | None => &tls.default,
        };
        Some(Arc::clone(&certificate.pair.certified))
    }
}

/// TLS with HTTP/2 by ALPN.
fn config(settings: &Arc<ListenerTls>, tickets: &Arc<dyn ProducesTickets>) -> Result<ServerConfig, Error> {
    let mut provider = ring::default_provider();
    if !settings.ciphers.is_empty() {
        provider.cipher_suites.retain(|suite| settings.ciphers.contains(&suite.suite()));
    }
    let versions = match settings.min_version {
        TlsVersion::V1_2 => &[&TLS12, &TLS13][..],
        TlsVersion::V1_3 => &[&TLS13],
    };
    let builder = ServerConfig::builder_with_provider(Arc::new(provider)).with_protocol_versions(versions)?;
    let builder = match &settings.clients {
        Some(authorities) => builder.with_client_cert_verifier(client_verifier(authorities)?),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(ByName(Arc::clone(settings))));
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
