//! The door: tells HTTP/2 by prior knowledge (RFC 9113 §3.3) from HTTP/1.1, by a connection's first bytes.
//!
//! pingora waits for all 24 bytes of HTTP/2's preface, as long as it takes. A whole request can be
//! shorter (`OPTIONS / HTTP/1.0`, the health check of many balancers), and a connection that says
//! nothing would stay for good.
//!
//! Who comes in is counted ([`crowd`]) and watched ([`connection`]). TLS handshakes are made here and not by pingora, which
//! would count none and give each 60 seconds.

mod body_rate;
mod connection;
mod crowd;
mod final_reply;
mod frames;
mod grammar;
mod together;
mod watch;

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream, ServerApp};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::H2Options;
use pingora::protocols::{ALPN, Peek, Ssl as _, Stream, l4};
use pingora::proxy::HttpProxy;
use pingora::server::ShutdownWatch;

use crate::clock::Deadline;
use crate::telemetry::ConnectionRefusal;

use super::front::Front;
use super::gateway::Gateway;
use super::socket::EncryptedListeners;
use super::time_limit;

use crowd::Crowd;

pub(super) use connection::ClientConnection;
use connection::Visit;

/// What no HTTP/1.1 request begins with: RFC 9113 §3.4 keeps the method PRI for this.
const PREFACE_METHOD: &[u8; 3] = b"PRI";
const PREFACE_LENGTH: usize = 24;

/// Takes connections and hands them to the front, in the protocol that they speak.
pub(super) struct Door {
    gateway: Arc<Gateway>,
    http1: Arc<Requests>,
    http2: Arc<Requests>,
    crowd: Arc<Crowd>,
    encrypted: EncryptedListeners,
}

impl Door {
    pub(super) fn new(gateway: Arc<Gateway>, front: HttpProxy<Front>, encrypted: EncryptedListeners) -> Self {
        let front = Arc::new(front);
        let speaking = |is_http2| Arc::new(Requests { front: Arc::clone(&front), is_http2 });
        Self { gateway, http1: speaking(false), http2: speaking(true), crowd: Arc::default(), encrypted }
    }
}

#[async_trait]
impl ServerApp for Door {
    async fn process_new(self: &Arc<Self>, connection: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let visit = self.let_in(&connection)?;
        let limits = self.gateway.snapshot().settings.limits;
        let handshake = self.handshake(connection);
        let Some(shaken) = Deadline::after(limits.header_timeout).race(handshake).await else {
            visit.count_refusal(ConnectionRefusal::HeaderTimeout);
            return None;
        };
        let mut connection = ClientConnection::new(shaken?, &limits, visit);
        if connection.get_ssl_digest().is_none() {
            match self.begins_http2(&mut connection).await {
                Some(true) => connection.speaks_http2(),
                Some(false) => return self.http1.process_new(Box::new(connection), shutdown).await,
                None => return None,
            }
        } else if connection.selected_alpn_proto() == Some(ALPN::H2) {
            connection.speaks_http2();
        } else {
            return self.http1.process_new(Box::new(connection), shutdown).await;
        }
        self.http2.process_new(Box::new(connection), shutdown).await
    }
}

impl Door {
    /// Tells by the first bytes; `None` if they don't come in time.
    async fn begins_http2(&self, connection: &mut ClientConnection) -> Option<bool> {
        let limits = self.gateway.snapshot().settings.limits;
        let first = Deadline::after(limits.keepalive_timeout).race(first_byte(connection)).await?.ok()?;
        if first != PREFACE_METHOD[0] {
            return Some(false);
        }
        let Some(begins) = Deadline::after(limits.header_timeout).race(begins_http2(connection)).await else {
            connection.count_refusal(ConnectionRefusal::HeaderTimeout);
            return None;
        };
        begins.ok()
    }

    /// Counts the connection; `None` where there are too many. Those are closed without a reply, which
    /// would cost more than they may have.
    fn let_in(&self, connection: &Stream) -> Option<Visit> {
        let address = address_of(connection);
        let settings = &self.gateway.snapshot().settings;
        // All clients come from a proxy's address.
        let counted = address.filter(|_| !settings.trusted_proxies.trust(address));
        match self.crowd.enter(counted, &settings.limits) {
            Ok(member) => Some(Visit::new(Arc::clone(&self.gateway), address, member)),
            Err(reason) => {
                self.gateway.metrics.connections.refuse(reason, address);
                None
            }
        }
    }

    /// The connection with TLS, if it came through a listener that speaks it; `None` if that failed.
    async fn handshake(&self, connection: Stream) -> Option<Stream> {
        if self.encrypted.is_empty() {
            return Some(connection);
        }
        // A Unix socket's address is no internet one; a connection whose address is not known gets nothing.
        let digest = connection.get_socket_digest()?;
        let acceptor = digest.local_addr()?.as_inet().and_then(|local| self.encrypted.at(*local));
        let Some(acceptor) = acceptor else { return Some(connection) };
        let plain = connection.into_any().downcast::<l4::stream::Stream>().ok()?;
        match acceptor.tls_handshake(*plain).await {
            Ok(encrypted) => Some(Box::new(encrypted)),
            Err(error) => {
                tracing::debug!(kind = "handshake", %error);
                None
            }
        }
    }
}

fn address_of(connection: &Stream) -> Option<IpAddr> {
    let socket = connection.get_socket_digest()?;
    Some(socket.peer_addr()?.as_inet()?.ip())
}

async fn first_byte(connection: &mut ClientConnection) -> std::io::Result<u8> {
    let mut first = [0; 1];
    connection.try_peek(&mut first).await?;
    let [first] = first;
    Ok(first)
}

/// Looks at no more bytes than it takes to tell.
async fn begins_http2(connection: &mut ClientConnection) -> std::io::Result<bool> {
    let mut method = [0; PREFACE_METHOD.len()];
    connection.try_peek(&mut method).await?;
    if method != *PREFACE_METHOD {
        return Ok(false);
    }
    // The front looks at the whole preface itself; it shall not have to wait for it.
    connection.try_peek(&mut [0; PREFACE_LENGTH]).await
}

/// The front for the requests of connections that speak one version of HTTP.
struct Requests {
    front: Arc<HttpProxy<Front>>,
    /// By prior knowledge or ALPN; else no preface is waited for.
    is_http2: bool,
}

#[async_trait]
impl HttpServerApp for Requests {
    async fn process_new_http(
        self: &Arc<Self>,
        session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        if let ServerSession::H1(http1) = &session {
            ClientConnection::expect_header(http1.stream());
        }
        time_limit::within(self.front.process_new_http(session, shutdown)).await.flatten()
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        self.front.server_options().filter(|_| self.is_http2)
    }

    fn h2_options(&self) -> Option<H2Options> {
        self.front.h2_options()
    }
}
