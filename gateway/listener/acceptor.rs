//! The door: tells HTTP/2 by prior knowledge (RFC 9113 §3.3) from HTTP/1.1, by a connection's first bytes.
//!
//! pingora waits for all 24 bytes of HTTP/2's preface, as long as it takes. A whole request can be
//! shorter (`OPTIONS / HTTP/1.0`, the health check of many balancers), and a connection that says
//! nothing would stay for good.
//!
//! Who comes in is counted ([`connection_limits`]) and watched ([`connection`]). TLS handshakes are made here and not by pingora, which
//! would count none and give each 60 seconds.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use http::HeaderMap;
use pingora::ErrorType;
use pingora::apps::{HttpServerApp, ReusedHttpStream, ServerApp};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v1::server::HttpSession as Http1;
use pingora::protocols::{ALPN, Peek, Ssl as _, Stream, l4};
use pingora::server::ShutdownWatch;

use crate::clock::Deadline;
use crate::listener::http2;
use crate::problem;
use crate::telemetry::{ConnectionRefusal, RefusedRequest, RequestId, TlsCause};

use super::bind::EncryptedListeners;
use crate::serve::front::Front;
use crate::session::Session;
use crate::state::gateway::Gateway;
use crate::transport::handshake;

use super::connection_limits::ConnectionLimits;
use super::final_reply::FinalReply;

use super::connection::ClientConnection;
use super::connection::ConnectionGuard;

/// What no HTTP/1.1 request begins with: RFC 9113 §3.4 keeps the method PRI for this.
const PREFACE_METHOD: &[u8; 3] = b"PRI";
const PREFACE_LENGTH: usize = 24;

/// Takes connections and hands them to the front, in the protocol that they speak.
pub(crate) struct Acceptor {
    gateway: Arc<Gateway>,
    front: Arc<Front>,
    http1: Arc<Http1Requests>,
    connection_limits: Arc<ConnectionLimits>,
    encrypted: EncryptedListeners,
}

impl Acceptor {
    pub(crate) fn new(gateway: Arc<Gateway>, front: Front, encrypted: EncryptedListeners) -> Self {
        let front = Arc::new(front);
        let http1 = Arc::new(Http1Requests { gateway: Arc::clone(&gateway), front: Arc::clone(&front) });
        Self { gateway, front, http1, connection_limits: Arc::default(), encrypted }
    }
}

#[async_trait]
impl ServerApp for Acceptor {
    async fn process_new(self: &Arc<Self>, connection: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let guard = self.let_in(&connection)?;
        let limits = self.gateway.snapshot().settings.limits;
        let handshake = self.handshake(connection);
        let Some(shaken) = Deadline::after(limits.header_timeout).race(handshake).await else {
            let detail = "limits.header_timeout is over";
            self.gateway.metrics.tls_failures.with_client(guard.address(), TlsCause::Timeout, detail);
            guard.count_refusal(ConnectionRefusal::HeaderTimeout);
            return None;
        };
        let mut connection = ClientConnection::new(shaken?, &limits, guard);
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
        http2::serve(&self.front, Box::new(connection), &limits, shutdown).await;
        None
    }
}

impl Acceptor {
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
    fn let_in(&self, connection: &Stream) -> Option<ConnectionGuard> {
        let address = address_of(connection);
        let settings = &self.gateway.snapshot().settings;
        // All clients come from a proxy's address.
        let counted = address.filter(|_| !settings.trusted_proxies.trust(address));
        match self.connection_limits.enter(counted, &settings.limits) {
            Ok(member) => Some(ConnectionGuard::new(Arc::clone(&self.gateway), address, member)),
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
        let address = address_of(&connection);
        let plain = connection.into_any().downcast::<l4::stream::Stream>().ok()?;
        match acceptor.tls_handshake(*plain).await {
            Ok(encrypted) => Some(Box::new(encrypted)),
            Err(error) => {
                let (cause, detail) = handshake::of_handshake(&*error);
                self.gateway.metrics.tls_failures.with_client(address, cause, &detail);
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

/// The requests of connections that speak HTTP/1.
struct Http1Requests {
    gateway: Arc<Gateway>,
    front: Arc<Front>,
}

#[async_trait]
impl HttpServerApp for Http1Requests {
    async fn process_new_http(
        self: &Arc<Self>,
        session: ServerSession,
        _: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let ServerSession::H1(mut http1) = session else { return None };
        ClientConnection::expect_header(http1.stream());
        // Without it, a client that sends its next request early would be cut off (RFC 9112 §9.3.2).
        http1.set_pipelining_enabled(true);
        match http1.read_request().await {
            Ok(Some(_)) => self.front.serve(Session::http1(http1)).await,
            Ok(None) => None,
            Err(error) => {
                if *error.etype() == ErrorType::InvalidHTTPHeader {
                    refuse_unread(&self.gateway, http1).await;
                }
                None
            }
        }
    }
}

/// Answers a request that passed the grammar and that pingora can't read all the same.
async fn refuse_unread(gateway: &Gateway, http1: Http1) {
    let error_reply = problem::of_bad_message("the request's head is malformed".to_owned());
    let request_id = RequestId::of(&HeaderMap::new());
    let mut connection = http1.into_inner();
    let request = RefusedRequest {
        reason: ConnectionRefusal::MalformedRequest,
        limit: None,
        detail: &error_reply.problem.detail,
        request_id: request_id.as_str(),
    };
    gateway.metrics.connections.refuse_request(request, address_of(&connection));
    let mut reply = FinalReply::with(&error_reply, &request_id);
    std::future::poll_fn(|context| reply.poll(&mut connection, context)).await;
}
