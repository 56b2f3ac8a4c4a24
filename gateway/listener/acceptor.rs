//! Takes each connection from its first byte to the head of its requests. The steps and their order are in
//! [the module above](super).
//!
//! TLS handshakes are made here and not by pingora, which would count none of them and give each 60 seconds.

use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use http::HeaderMap;
use pingora::ErrorType;
use pingora::apps::ReusedHttpStream;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v1::server::HttpSession as Http1;
use pingora::protocols::{ALPN, GetSocketDigest as _, Peek, SocketDigest, Ssl as _, Stream, l4};
use pingora::server::ShutdownWatch;

use crate::clock::Deadline;
use crate::config::{Limits, ListenAddress, ProxyProtocol};
use crate::problem;
use crate::session::Session;
use crate::state::gateway::Gateway;
use crate::state::served_listener::ServedListener;
use crate::telemetry::{ConnectionRefusal, RefusedRequest, RequestId, TlsCause};
use crate::transport::handshake;
use crate::transport::server_tls::ServerTls;

use super::connection::ClientConnection;
use super::connection_guard::ConnectionGuard;
use super::connection_limits::ConnectionLimits;
use super::final_reply::FinalReply;
use super::http2;
use super::proxy_header::{self, NoHeader};
use super::request_handler::RequestHandler;

/// No HTTP/1.1 request begins with this: RFC 9113 §3.4 reserves the method PRI for HTTP/2.
const PREFACE_METHOD: &[u8; 3] = b"PRI";
const PREFACE_LENGTH: usize = 24;

/// Seconds for which a connection stays open after a reply, until a request says how long.
const FIRST_KEEPALIVE: u64 = 60;

/// The protocol that a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
}

/// Accepts connections, and hands their requests to a handler.
pub(crate) struct Acceptor<H> {
    gateway: Arc<Gateway>,
    handler: Arc<H>,
    connection_limits: Arc<ConnectionLimits>,
}

impl<H: RequestHandler> Acceptor<H> {
    pub(crate) fn new(gateway: Arc<Gateway>, handler: H) -> Self {
        Self { gateway, handler: Arc::new(handler), connection_limits: Arc::default() }
    }
}

impl<H: RequestHandler> Acceptor<H> {
    /// Serves a connection to its end.
    pub(crate) async fn serve(
        &self,
        connection: Box<l4::stream::Stream>,
        listener: &ServedListener,
        shutdown: &ShutdownWatch,
    ) {
        // A connection ends where there is nothing.
        let _ = Box::pin(self.serve_until_end(connection, listener, shutdown)).await;
    }

    async fn serve_until_end(
        &self,
        mut connection: Box<l4::stream::Stream>,
        listener: &ServedListener,
        shutdown: &ShutdownWatch,
    ) -> Option<()> {
        let mut guard = self.admit(&connection)?;
        let limits = self.gateway.snapshot().settings.limits;
        if listener.proxy_protocol == Some(ProxyProtocol::Trusted) {
            self.find_client(&mut connection, &mut guard).await?;
        }
        let stream = match &listener.tls {
            Some(tls) => self.shake_hands_in_time(connection, tls, &limits, &guard).await?,
            None => connection,
        };
        let mut connection = ClientConnection::new(stream, &limits, guard);
        match self.protocol_of(&mut connection, &limits).await? {
            Protocol::Http1 => self.serve_http1(connection, shutdown).await,
            Protocol::Http2 => {
                connection.speaks_http2();
                http2::serve(&self.handler, Box::new(connection), &limits, shutdown).await;
            }
        }
        Some(())
    }

    /// Reads the requests of an HTTP/1.1 connection, one after the other. pingora's own loop boxes the future of each request,
    /// and they are large.
    async fn serve_http1(&self, connection: ClientConnection, shutdown: &ShutdownWatch) {
        let mut session = ServerSession::new_http1(Box::new(connection));
        session.set_keepalive((!*shutdown.borrow()).then_some(FIRST_KEEPALIVE));
        while let Some(reused) = self.serve_request(session).await {
            let (stream, settings) = reused.consume();
            session = ServerSession::new_http1(stream);
            if let Some(settings) = settings {
                settings.apply_to_session(&mut session);
            }
        }
    }

    /// Reads a request and has it served. Returns the connection if it can carry another one.
    async fn serve_request(&self, session: ServerSession) -> Option<ReusedHttpStream> {
        let ServerSession::H1(mut http1) = session else { return None };
        ClientConnection::expect_header(http1.stream());
        // Otherwise a client that sends its next request early would be cut off (RFC 9112 §9.3.2).
        http1.set_pipelining_enabled(true);
        match http1.read_request().await {
            Ok(Some(_)) => self.handler.handle(Session::http1(http1, ClientConnection::control)).await,
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

impl<H> Acceptor<H> {
    /// The listener with this address, as the configuration in use has it.
    pub(crate) fn listener(&self, address: &ListenAddress) -> Option<Arc<ServedListener>> {
        self.gateway.snapshot().listener(address)
    }

    /// Counts the connection. `None` if there are too many: those close without a reply, because clients over the limit
    /// should cost little.
    fn admit(&self, connection: &l4::stream::Stream) -> Option<ConnectionGuard> {
        let address = address_of(connection.get_socket_digest());
        let settings = &self.gateway.snapshot().settings;
        // All clients of a proxy come from its address.
        let counted = address.filter(|_| !settings.trusted_proxies.trust(address));
        match self.connection_limits.enter(counted, &settings.limits) {
            Ok(slot) => Some(ConnectionGuard::new(Arc::clone(&self.gateway), address, slot)),
            Err(reason) => {
                self.gateway.metrics.connections.refuse(reason, address);
                None
            }
        }
    }

    /// Reads where the client of a trusted proxy is, within `limits.header_timeout`; `None` if the connection ends here. Other
    /// connections come from their clients.
    async fn find_client(
        &self,
        connection: &mut l4::stream::Stream,
        guard: &mut ConnectionGuard,
    ) -> Option<()> {
        let snapshot = self.gateway.snapshot();
        let settings = &snapshot.settings;
        if !settings.trusted_proxies.trust(guard.address()) {
            return Some(());
        }
        let header =
            Deadline::after(settings.limits.header_timeout).race(proxy_header::read(connection)).await;
        let refusal = match header {
            Some(Ok(None)) => return Some(()),
            Some(Ok(Some(client))) => {
                let digest = SocketDigest::from_raw_fd(connection.as_raw_fd());
                // It is new, so nothing is there yet.
                let _ = digest.peer_addr.set(Some(client.into()));
                connection.set_socket_digest(digest);
                guard.comes_from(client.ip(), settings).err()
            }
            Some(Err(NoHeader::Closed)) => return None,
            Some(Err(NoHeader::Malformed)) => Some(ConnectionRefusal::ProxyHeader),
            None => Some(ConnectionRefusal::HeaderTimeout),
        };
        let Some(refusal) = refusal else { return Some(()) };
        guard.count_refusal(refusal);
        None
    }

    /// Makes the TLS handshake within `limits.header_timeout`; `None` if it failed.
    async fn shake_hands_in_time(
        &self,
        connection: Box<l4::stream::Stream>,
        tls: &ServerTls,
        limits: &Limits,
        guard: &ConnectionGuard,
    ) -> Option<Stream> {
        let handshake = self.shake_hands(*connection, tls, guard);
        let Some(stream) = Deadline::after(limits.header_timeout).race(handshake).await else {
            let detail = "limits.header_timeout is over";
            self.gateway.metrics.tls_failures.with_client(guard.address(), TlsCause::Timeout, detail);
            guard.count_refusal(ConnectionRefusal::HeaderTimeout);
            return None;
        };
        stream
    }

    /// Makes the TLS handshake; `None` if it failed.
    async fn shake_hands(
        &self,
        connection: l4::stream::Stream,
        tls: &ServerTls,
        guard: &ConnectionGuard,
    ) -> Option<Stream> {
        match tls.shake_hands(connection).await {
            Ok(encrypted) => Some(Box::new(encrypted)),
            Err(error) => {
                let (cause, detail) = handshake::cause_of(&*error);
                self.gateway.metrics.tls_failures.with_client(guard.address(), cause, &detail);
                None
            }
        }
    }

    /// With TLS the protocol is what ALPN chose. Without, the first bytes say it; `None` if they don't come in time.
    async fn protocol_of(&self, connection: &mut ClientConnection, limits: &Limits) -> Option<Protocol> {
        if connection.get_ssl_digest().is_some() {
            let is_http2 = connection.selected_alpn_proto() == Some(ALPN::H2);
            return Some(if is_http2 { Protocol::Http2 } else { Protocol::Http1 });
        }
        let first = Deadline::after(limits.keepalive_timeout).race(first_byte(connection)).await?.ok()?;
        if first != PREFACE_METHOD[0] {
            return Some(Protocol::Http1);
        }
        let Some(protocol) = Deadline::after(limits.header_timeout).race(by_first_bytes(connection)).await
        else {
            connection.count_refusal(ConnectionRefusal::HeaderTimeout);
            return None;
        };
        protocol.ok()
    }
}

fn address_of(socket: Option<Arc<SocketDigest>>) -> Option<IpAddr> {
    Some(socket?.peer_addr()?.as_inet()?.ip())
}

async fn first_byte(connection: &mut ClientConnection) -> std::io::Result<u8> {
    let mut first = [0; 1];
    connection.try_peek(&mut first).await?;
    let [first] = first;
    Ok(first)
}

/// Looks at no more bytes than it needs.
async fn by_first_bytes(connection: &mut ClientConnection) -> std::io::Result<Protocol> {
    let mut method = [0; PREFACE_METHOD.len()];
    connection.try_peek(&mut method).await?;
    if method != *PREFACE_METHOD {
        return Ok(Protocol::Http1);
    }
    // h2 reads the complete preface itself. It should not have to wait for it.
    let is_complete = connection.try_peek(&mut [0; PREFACE_LENGTH]).await?;
    Ok(if is_complete { Protocol::Http2 } else { Protocol::Http1 })
}

/// Answers a request that follows the grammar and that pingora can't read nevertheless.
async fn refuse_unread(gateway: &Gateway, http1: Http1) {
    let error_reply = problem::of_bad_message("the request's head is malformed".to_owned());
    let request_id = RequestId::from_headers(&HeaderMap::new());
    let mut connection = http1.into_inner();
    let request = RefusedRequest {
        reason: ConnectionRefusal::MalformedRequest,
        limit: None,
        detail: &error_reply.problem.detail,
        request_id: request_id.as_str(),
    };
    gateway.metrics.connections.refuse_request(request, address_of(connection.get_socket_digest()));
    let mut reply = FinalReply::with(&error_reply, &request_id);
    std::future::poll_fn(|context| reply.poll(&mut connection, context)).await;
}
